"""One trained network: its units ranked on some images, the least important removed, the result held against the whole.

What `secateur prune` and the library's `secateur.prune` share.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from secateur.errors import SecateurError
from secateur.pruning.duplication import duplicate
from secateur.pruning.masking import largest_difference
from secateur.pruning.removal import Kept, all_channels, remaining, remove
from secateur.pruning.selection import Selection, Selector, select
from secateur.pruning.units import UnitGroup, analyse, in_scope, outside
from secateur.ranking import ties
from secateur.ranking.rank import Scoring, rank
from secateur.ranking.ties import Undecided, undecided
from secateur.relevance.undisturbed import undisturbed
from secateur.repair import NONE
from secateur.repair import registry as remedies
from secateur.repair.view import Whole

LARGEST_DIFFERENCE = 1e-4  # from the masked network, relative to the largest output; rounding stays well below
COMPARED = 4
"""Images that the pruned network is held against the whole one on."""


@dataclass(frozen=True, eq=False)
class Cut:
    """A network with units removed, and what is known of it."""

    model: nn.Module
    selection: Selection
    kept: Kept
    """Layer → its original output channels that are left, for `pruning.saved.save`."""
    difference: float
    """From the whole network with the same units silent, relative to the largest output."""
    undecided: Undecided
    """Units of which some went and others not though all have one score."""


def scored(
    model: nn.Module, groups: Sequence[UnitGroup], images: Tensor, labels: Tensor | None, scoring: Scoring
) -> dict[str, Tensor]:
    """Unit group → one score a unit, higher = more important.

    `groups`: the units, of `find_unit_groups`; `images`: N × channels × height × width on the model's device; `labels`:
    N class indices. The model is left as it was.

    Raises SecateurError as `ranking.rank.rank` and `ranking.ties.check` do.
    """
    scores = rank(model, groups, images, labels, scoring)
    ties.check(f"criterion '{scoring.criterion.name}'", scores)
    return scores


def reachable(model: nn.Module, groups: Sequence[UnitGroup], rate: float, selector: Selector) -> None:
    """Raise the SecateurError that `cut` would raise for a rate out of reach, before anything is ranked."""
    select(groups, {group.name: torch.zeros(group.size) for group in groups}, rate, selector, model)


def cut(
    model: nn.Module,
    groups: Sequence[UnitGroup],
    scores: Mapping[str, Tensor],
    rate: float,
    selector: Selector,
    images: Tensor,
    kept: Kept | None = None,
) -> Cut:
    """Remove the units with the lowest scores from a copy of `model`, which stays as it was.

    Args:
        groups, scores: from `scored`.
        rate, selector: how many units go, and by what rule.
        images: N × channels × height × width; on the first few the new network is held against the old one.
        kept: the record of earlier removals, if `model` has lost channels already.

    Raises SecateurError for a rate that cannot be reached, and where the new network's outputs differ from those of
    the whole one with the same units silent.
    """
    selection = select(groups, scores, rate, selector, model)
    pruned = remove(model, groups, selection)
    difference = _difference(model, pruned, groups, selection, images[:COMPARED])
    if not difference <= LARGEST_DIFFERENCE:  # perhaps only rounding, in a network whose signals cancel: look closer
        doubles = duplicate(model, {}).double()
        again = remove(doubles, groups, selection)
        difference = _difference(doubles, again, groups, selection, images[:COMPARED].double())
    if not difference <= LARGEST_DIFFERENCE:
        raise SecateurError(
            f"{type(model).__name__}: the pruned network differs by {difference:.1e} from the whole one with the same "
            "units silent. Its forward pass does something that cannot be traced; nothing was written."
        )
    before = all_channels(model) if kept is None else kept
    tied = undecided(groups, scores, selection, selector, model)
    return Cut(pruned, selection, remaining(before, groups, selection), difference, tied)


def repaired(model: nn.Module, done: Cut, groups: Sequence[UnitGroup], images: Tensor, remedy: str) -> nn.Module:
    """What a remedy makes of a pruned network (see docs/remedies.md); itself where the remedy is "none".

    `images`: those that the criterion looked at; no label is asked for. `model`: the network before, which stays as it
    was. Raises SecateurError for an unknown remedy, and for one that does not apply to this network.
    """
    loaded = remedies.load(remedy)
    if remedy == NONE:
        return done.model
    with undisturbed(model):
        return remedies.repaired(loaded, Whole(model, images), done.model, groups, done.selection)


def untouched(model: nn.Module, example: Tensor, scope: str) -> dict[str, str]:
    """Layers of which nothing may go, each with the reason: those of no unit, and those outside the scope."""
    structure = analyse(model, example, scope)
    reasons = dict(structure.left_out)
    for group in structure.groups:
        if why := outside(group, scope):
            reasons |= {layer: why for layer, _ in group.producers}
    for group in in_scope(structure.groups, scope):
        reasons = {layer: reason for layer, reason in reasons.items() if layer not in dict(group.producers)}
    return {layer: reasons[layer] for layer in structure.order if layer in reasons}


def _difference(
    model: nn.Module, pruned: nn.Module, groups: Sequence[UnitGroup], selection: Selection, images: Tensor
) -> float:
    with undisturbed(model):  # every module's own mode is put back, which `train` would not do
        return largest_difference(model, pruned, groups, selection, images)
