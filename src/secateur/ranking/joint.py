"""The joint oracle: units taken out one after the other, each time the one whose removal hurts least then."""

import itertools
import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from secateur.errors import SecateurError
from secateur.pruning.masking import masked
from secateur.pruning.removal import remove, shrink
from secateur.pruning.units import UnitGroup
from secateur.relevance.passes import choose
from secateur.relevance.undisturbed import undisturbed

Batches = Sequence[tuple[Tensor, Tensor]]
One = tuple[int, int]
"""A unit: the number of its group, and its own."""
Badness = tuple[float, float]
LOOKED_AT = 8
"""Candidates that are tried for a place, where not all are."""


def greedy_order(
    model: nn.Module, groups: Sequence[UnitGroup], batches: Batches, of: str = "loss", step: float = 0.0
) -> dict[str, Tensor]:
    """Group → each unit's place in the order of removal (size, float64): 0 goes first.

    All units that are left are tried, each with those that are gone already; the one with which `of` is worst least
    goes. A group's last unit is never taken: those that are left in the end come last, in the order of what each would
    do then. With n units that is about n² / 2 forward passes, on ever smaller networks.

    Args:
        model: in evaluation mode on the images' device; left as it was.
        groups: its units, with at least two in one of them.
        batches: images and labels.
        of: "loss", the mean cross-entropy, or "accuracy", the share of images told wrongly, and of equal ones the loss.
        step: share of all units that go before all that are left are tried anew; at least one goes. In between, of the
            `LOOKED_AT` that were the least missed alone, the one goes that is the least missed beside those gone since:
            units that stand in for each other are not taken together unseen, as long as there are others. About
            n / (2 step) + 8 n passes.

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
            tried = sorted(
                (_badness(now, batches, of, left, {group.name: [unit]}), number, unit)
                for number, group in enumerate(left)
                for unit in range(group.size)
            )
            alone = {(number, unit): found for found, number, unit in tried}
            block = _block(now, batches, of, left, alone, at_once)
            going: dict[str, list[int]] = {group.name: [] for group in left}
            for number, unit in block or alone:  # where every group is down to its last unit, they come last
                going[left[number].name].append(unit)
                places[left[number].name][int(left[number].original[unit])] = place
                place += 1
            if not block:
                return places
            now, left = remove(now, left, going), shrink(left, going)


def _block(
    model: nn.Module, batches: Batches, of: str, groups: Sequence[UnitGroup], alone: Mapping[One, Badness], most: int
) -> list[One]:
    """Up to `most` units that go before all are tried anew, the first of them the one that is missed least alone.

    Each further one is the least missed beside those before it, of the `LOOKED_AT` next ones.

    `alone`: unit -> badness without it alone, the least first. Empty where every group is down to its last unit.
    """
    block: list[One] = []
    going: dict[str, list[int]] = {group.name: [] for group in groups}

    def free(one: One) -> bool:
        return one not in block and len(going[groups[one[0]].name]) < groups[one[0]].size - 1

    def beside(one: One) -> tuple[Badness, One]:
        name = groups[one[0]].name
        return _badness(model, batches, of, groups, {**going, name: [*going[name], one[1]]}), one

    while len(block) < most:
        few = list(itertools.islice(filter(free, alone), LOOKED_AT if block else 1))
        if not few:
            break
        best = min(map(beside, few))[1] if block else few[0]
        going[groups[best[0]].name].append(best[1])
        block.append(best)
    return block


def _badness(
    model: nn.Module, batches: Batches, of: str, groups: Sequence[UnitGroup], silent: Mapping[str, Sequence[int]]
) -> Badness:
    """What sorts candidates: `of` with these units silent, and the mean cross-entropy."""
    loss, wrong, samples = 0.0, 0, 0
    with masked(model, groups, silent):
        for images, labels in batches:
            logits = model(images)
            loss += float(F.cross_entropy(logits.double(), labels, reduction="sum"))
            wrong += int((logits.argmax(1) != labels).sum())
            samples += len(labels)
    return (wrong / samples if of == "accuracy" else loss / samples), loss / samples
