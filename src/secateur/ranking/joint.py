"""The joint oracle: units taken out one after the other, each time the one whose removal hurts least then."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from secateur.errors import SecateurError
from secateur.pruning.masking import masked
from secateur.pruning.removal import remove, shrink
from secateur.pruning.units import UnitGroup
from secateur.ranking.replay import replay
from secateur.relevance.passes import choose
from secateur.relevance.undisturbed import undisturbed

Batches = Sequence[tuple[Tensor, Tensor]]
One = tuple[int, int]
"""A unit: the number of its group, and its own."""
Badness = tuple[float, float]
LOOKED_AT = 16
"""Candidates that are tried for a place, where not all are."""


def greedy_order(
    model: nn.Module, groups: Sequence[UnitGroup], batches: Batches, of: str = "loss", step: float = 0.0
) -> dict[str, Tensor]:
    """Group → each unit's place in the order of removal (size, float64): 0 goes first.

    All units that are left are tried, each with those that are gone already; the one with which `of` is worst least
    goes. A group's last unit is never taken: those that are left in the end come last, in the order of what each would
    do then. With n units that is about n² / 2 passes, on ever smaller networks and from the changed layer on.

    Args:
        model: in evaluation mode on the images' device; left as it was.
        groups: its units, with at least two in one of them.
        batches: images and labels.
        of: "loss", the mean cross-entropy, or "accuracy", the share of images told wrongly, and of equal ones the loss.
        step: share of all units that go before all that are left are tried anew; at least one goes. In between, the
            `LOOKED_AT` that did the least harm when they were last tried are tried beside all that are gone by then,
            and the least harmful goes: lazy greedy search (Minoux 1978) with a bound. What turned out to be needed
            sinks in the queue; what has become less harmful since is seen when all are tried. About n / (2 step) +
            16 n passes.

    Raises SecateurError for another `of`, and a `step` outside [0, 1).
    """
    choose("of", of, ("loss", "accuracy"))
    if not 0 <= step < 1:
        raise SecateurError(f"step={step!r}: allowed is a share of at least 0 and below 1.")
    at_once = max(1, math.floor(step * sum(group.size for group in groups)))
    places = {group.name: torch.zeros(group.size, dtype=torch.float64) for group in groups}
    place, left = 0, list(groups)
    with undisturbed(model), torch.inference_mode(False), torch.no_grad():
        now = model
        while True:
            every = [(number, unit) for number, group in enumerate(left) for unit in range(group.size)]
            known = _tried(now, batches, of, left, {}, every)
            block = _block(now, batches, of, left, known, at_once)
            going: dict[str, list[int]] = {group.name: [] for group in left}
            # Where every group is down to its last unit, they come last.
            for number, unit in block or _queue(known, every):
                going[left[number].name].append(unit)
                places[left[number].name][int(left[number].original[unit])] = place
                place += 1
            if not block:
                return places
            now, left = remove(now, left, going), shrink(left, going)


def _block(
    model: nn.Module, batches: Batches, of: str, groups: Sequence[UnitGroup], known: dict[One, Badness], most: int
) -> list[One]:
    """Up to `most` units that go before all are tried anew, in the order in which they go.

    `known`: every unit → badness without it alone; of units that are tried beside those before them, then that.
    Empty where every group is down to its last unit.
    """
    block: list[One] = []
    going: dict[str, list[int]] = {group.name: [] for group in groups}
    while len(block) < most:
        free = [one for one in known if one not in block and len(going[groups[one[0]].name]) < groups[one[0]].size - 1]
        if not free:
            break
        if block:
            free = _queue(known, free)[:LOOKED_AT]
            known |= _tried(model, batches, of, groups, going, free)
        best = _queue(known, free)[0]
        going[groups[best[0]].name].append(best[1])
        block.append(best)
    return block


def _queue(known: Mapping[One, Badness], ones: Sequence[One]) -> list[One]:
    """These units, the least bad first; of equal ones the first in the network."""
    return sorted(ones, key=lambda one: (known[one], one))


def _tried(
    model: nn.Module,
    batches: Batches,
    of: str,
    groups: Sequence[UnitGroup],
    gone: Mapping[str, Sequence[int]],
    ones: Sequence[One],
) -> dict[One, Badness]:
    """Unit → what sorts candidates: `of` with this unit and those `gone` silent, and the mean cross-entropy."""
    # What changes with a unit: the layers that read it; with a channel of heads, all of the attention; with one of a
    # stream, all from the first layer that writes to it.
    roles = {"head_channel": "head_size", "embedding": "out"}
    readers = [[part.owner for part in group.slices if part.role == roles.get(group.kind, "in")] for group in groups]
    loss, wrong, samples = dict.fromkeys(ones, 0.0), dict.fromkeys(ones, 0), 0
    with masked(model, groups, gone):
        for images, labels in batches:
            samples += len(labels)
            with replay(model, images) as passes:
                for number, unit in ones:
                    with masked(model, [groups[number]], {groups[number].name: [unit]}):
                        logits = passes.again(readers[number])
                    loss[number, unit] += float(F.cross_entropy(logits.double(), labels, reduction="sum"))
                    wrong[number, unit] += int((logits.argmax(1) != labels).sum())
    return {one: ((wrong[one] if of == "accuracy" else loss[one]) / samples, loss[one] / samples) for one in ones}
