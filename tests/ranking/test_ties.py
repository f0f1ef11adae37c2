"""Units of one score: how many, and how many of them a selection took by their order alone."""

import pytest
import torch
from tests.criteria.networks import Chain, samples

from secateur.errors import SecateurError
from secateur.pruning.selection import Selector, select
from secateur.pruning.units import find_unit_groups
from secateur.ranking import ties

GROUPS = find_unit_groups(Chain().eval(), samples()[:1])  # one 4, two 5, dense 6: 15 units


def scores(*values: list[float]) -> dict[str, torch.Tensor]:
    return {group.name: torch.tensor(of, dtype=torch.float64) for group, of in zip(GROUPS, values, strict=True)}


TIED = scores([0, 0, 1, 2], [0, 3, 4, 5, 6], [-1, 0, 7, 8, 9, 10])


def test_the_largest_tie_is_the_commonest_score():
    assert ties.largest(TIED) == ties.Tie(units=4, total=15, score=0.0, below=1)
    apart = scores([1, 2, 3, 4], [5, 6, 7, 8, 9], [10, 11, 12, 13, 14, 15])
    assert ties.largest(apart) == ties.Tie(1, 15, 1.0, 0)


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        (0.0, (0, 0)),
        (1 / 15, (0, 0)),  # the one below goes
        (2 / 15, (1, 4)),
        (4 / 15, (3, 4)),
        (5 / 15, (0, 0)),  # all four go: nothing was to be decided
        (0.6, (0, 0)),
    ],
)
def test_what_a_cut_through_a_tie_leaves_to_the_order(rate, expected):
    assert ties.undecided(GROUPS, TIED, select(GROUPS, TIED, rate)) == expected


def test_groups_are_not_compared_where_each_loses_the_same_share():
    selection = select(GROUPS, TIED, 0.25, Selector("per-layer"))  # 1, 1 and 2 units: of "one" one of two zeros
    assert ties.undecided(GROUPS, TIED, selection, Selector("per-layer")) == (1, 2)


def test_units_that_must_stay_are_no_choice():
    alike = scores([0, 0, 0, 0], [1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11])
    assert ties.undecided(GROUPS, alike, select(GROUPS, alike, 0.2)) == (0, 0)  # three of four zeros; one must stay
    assert ties.undecided(GROUPS, alike, select(GROUPS, alike, 2 / 15)) == (2, 4)


def test_many_are_told_and_all_are_an_error(capsys):
    ties.check("criterion 'c'", TIED)
    assert (
        "warning: criterion 'c' gives 4 of 15 units one and the same score (0; 1 have less)" in capsys.readouterr().err
    )
    ties.check("criterion 'c'", scores([0, 1, 2, 3], [4, 5, 6, 7, 8], [9, 10, 11, 12, 13, 14]))
    assert capsys.readouterr().err == ""
    with pytest.raises(SecateurError, match=r"criterion 'c' gives all 15 units one and the same score \(2\): it ranks"):
        ties.check("criterion 'c'", scores([2] * 4, [2] * 5, [2] * 6))
    ties.check("criterion 'c'", {"one": torch.ones(1)})
