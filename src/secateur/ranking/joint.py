"""The joint oracle: units taken out one after the other, each time the one whose removal hurts least then."""

import math
from collections.abc import Sequence

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
        step: share of all units that go before what is left is tried anew; at least one unit goes. Cost falls with it:
            about n / (2 step) passes.

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
                (_badness(now, batches, of, left, group, unit), number, unit)
                for number, group in enumerate(left)
                for unit in range(group.size)
            )
            going: dict[str, list[int]] = {group.name: [] for group in left}
            for _, number, unit in tried:
                group = left[number]
                if sum(map(len, going.values())) < at_once and len(going[group.name]) < group.size - 1:
                    going[group.name].append(unit)
                    places[group.name][int(group.original[unit])] = place
                    place += 1
            if not any(going.values()):
                for _, number, unit in tried:
                    places[left[number].name][int(left[number].original[unit])] = place
                    place += 1
                return places
            now, left = remove(now, left, going), shrink(left, going)


def _badness(
    model: nn.Module, batches: Batches, of: str, groups: Sequence[UnitGroup], group: UnitGroup, unit: int
) -> tuple[float, float]:
    """What sorts candidates: `of` with one more unit silent, and the mean cross-entropy."""
    loss, wrong, samples = 0.0, 0, 0
    with masked(model, groups, {group.name: [unit]}):
        for images, labels in batches:
            logits = model(images)
            loss += float(F.cross_entropy(logits.double(), labels, reduction="sum"))
            wrong += int((logits.argmax(1) != labels).sum())
            samples += len(labels)
    return (wrong / samples if of == "accuracy" else loss / samples), loss / samples
