"""Scores that say nothing: units of one and the same score, among which a criterion does not choose."""

import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from torch import Tensor, nn

from secateur.errors import SecateurError
from secateur.pruning.isomorphism import classes
from secateur.pruning.selection import GLOBAL, Selector
from secateur.pruning.units import UnitGroup

MANY = 0.1
"""Share of the units with one score from which on the user is warned."""


class Tie(NamedTuple):
    """The largest set of units that have one score: how many of how many, the score, and how many have less."""

    units: int
    total: int
    score: float
    below: int


def largest(scores: Mapping[str, Tensor]) -> Tie:
    """The commonest score of all units (of equally common ones the lowest); `units` is 1 where all scores differ.

    `scores`: group → one number a unit, not empty. Equal means the very same number: zeros, as a rule.
    """
    every = np.concatenate([values.detach().cpu().double().numpy() for values in scores.values()])
    values, counts = np.unique(every, return_counts=True)
    place = int(counts.argmax())
    return Tie(int(counts[place]), len(every), float(values[place]), int(counts[:place].sum()))


class Undecided(NamedTuple):
    """Units whose score is that of both removed and kept ones: how many were removed, and how many there are."""

    removed: int
    units: int


def undecided(
    groups: Sequence[UnitGroup],
    scores: Mapping[str, Tensor],
    selection: Mapping[str, Sequence[int]],
    selector: Selector = GLOBAL,
    model: nn.Module | None = None,
) -> Undecided:
    """How many units a selection (see `pruning.selection.select`) chose by their order, as their scores were equal.

    Units of groups that the scheme does not compare are not held against each other; "isomorphic" needs `model`.
    Units that stayed because their group has no more than the selector's `min_units` left do not count: that was no
    choice.
    """
    gone, kept = [], []
    for place, group in zip(classes(groups, selector.scheme, model), groups, strict=True):
        values = scores[group.name].detach().cpu().double().numpy()
        chosen = np.zeros(group.size, bool)
        chosen[list(selection.get(group.name, []))] = True
        gone += [(place, value) for value in values[chosen].tolist()]
        kept += [(place, value) for value in values[~chosen].tolist()] if (~chosen).sum() > selector.min_units else []
    both = set(gone) & set(kept)
    removed = sum(value in both for value in gone)
    return Undecided(removed, removed + sum(value in both for value in kept))


def check(what: str, scores: Mapping[str, Tensor]) -> None:
    """Warn on standard error where many units have one score.

    Args:
        what: the words that begin the message, as "criterion 'lrp'".
        scores: group → one number a unit.

    Raises:
        SecateurError: all units (two or more) have one score, so that nothing is ranked.
    """
    tie = largest(scores)
    if tie.total > 1 and tie.units == tie.total:
        raise SecateurError(
            f"{what} gives all {tie.total} units one and the same score ({tie.score:g}): it ranks nothing, and "
            "which of them go would be decided by their order. Use another criterion, or another scope."
        )
    if tie.units > max(1, MANY * tie.total):
        print(
            f"warning: {what} gives {tie.units} of {tie.total} units one and the same score ({tie.score:g}; "
            f"{tie.below} have less): which of them go first is decided by their order, not by the criterion.",
            file=sys.stderr,
            flush=True,
        )
