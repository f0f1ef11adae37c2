"""Which units go: order, ties, minima, budgets and nesting."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.pruning import networks

from secateur.errors import SecateurError
from secateur.pruning.counting import count
from secateur.pruning.removal import remove
from secateur.pruning.selection import Selector, select, select_many
from secateur.pruning.units import find_unit_groups

NETWORK = networks.Concatenated().eval()
SIZE = (3, 8, 8)
GROUPS = find_unit_groups(NETWORK, torch.zeros(1, *SIZE))  # left 4, right 5, first 6: 15 units
TOTAL = sum(group.size for group in GROUPS)


def random_scores(seed: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    # Few distinct values, so that ties are common.
    return {group.name: torch.randint(0, 4, (group.size,), generator=generator).double() for group in GROUPS}


def removed(selection: dict[str, list[int]]) -> int:
    return sum(map(len, selection.values()))


def test_lowest_scores_go_first_over_all_groups() -> None:
    scores = {"left": torch.tensor([5.0, 1, 9, 9]), "right": torch.arange(10.0, 15), "first": torch.arange(2.0, 8)}
    assert select(GROUPS, scores, 3 / 15) == {"right": [], "left": [1], "first": [0, 1]}
    assert select(GROUPS, scores, 0) == {"right": [], "left": [], "first": []}


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.floats(0, 0.79), st.floats(0, 0.79), st.sampled_from(["global", "per-layer"]))
def test_higher_rates_contain_lower_ones_and_no_group_is_emptied(
    seed: int, one: float, other: float, scheme: str
) -> None:
    low, high = sorted((one, other))
    scores = random_scores(seed)
    fewer, more = select_many(GROUPS, scores, [low, high], Selector(scheme))
    for group in GROUPS:
        assert set(fewer[group.name]) <= set(more[group.name])
        assert len(more[group.name]) < group.size
        if scheme == "per-layer":
            assert abs(len(more[group.name]) - high * group.size) <= 1
        stay = [float(scores[group.name][unit]) for unit in range(group.size) if unit not in more[group.name]]
        gone = [float(scores[group.name][unit]) for unit in more[group.name]]
        assert max(gone, default=0) <= min(stay)
    if scheme == "global":
        assert removed(more) == int(high * TOTAL + 0.5)
    assert select(GROUPS, scores, low, Selector(scheme)) == fewer


def test_ties_spread_evenly_over_groups() -> None:
    scores = {group.name: torch.zeros(group.size) for group in GROUPS}
    assert {name: len(units) for name, units in select(GROUPS, scores, 0.4).items()} == {
        "right": 2,
        "left": 2,
        "first": 2,
    }
    assert select(GROUPS, scores, 0.2) == {"right": [0], "left": [0], "first": [0]}


def test_min_units_stay_and_the_binding_group_is_named() -> None:
    scores = random_scores(0) | {"left": torch.full((4,), -1.0)}
    assert len(select(GROUPS, scores, 0.5, Selector(min_units=2))["left"]) == 2
    with pytest.raises(SecateurError, match=r"only 9 may go .* group left binds first.*highest rate is 0.6000"):
        select(GROUPS, scores, 0.7, Selector(min_units=2))
    with pytest.raises(SecateurError, match="left binds first .it has 4 units"):
        select(GROUPS, scores, 0.5, Selector(min_units=4))
    with pytest.raises(SecateurError, match="of the 4 units of group left, but 2 must stay"):
        select(GROUPS, scores, 0.76, Selector("per-layer", 2))


@pytest.mark.parametrize("budget", ["params", "macs"])
@pytest.mark.parametrize("rate", [0.0, 0.1, 0.4, 0.6])
def test_budgets_are_reached_with_the_fewest_units(budget: str, rate: float) -> None:
    scores = random_scores(1)
    full = getattr(count(NETWORK, SIZE), budget)

    def gone(selection: dict[str, list[int]]) -> float:
        return 1 - getattr(count(remove(NETWORK, GROUPS, selection), SIZE), budget) / full

    chosen = select(GROUPS, scores, rate, Selector(budget=budget, input_size=SIZE), NETWORK)
    assert gone(chosen) >= rate
    number = removed(chosen)
    assert chosen == select(GROUPS, scores, number / TOTAL)
    if number:
        assert gone(select(GROUPS, scores, (number - 1) / TOTAL)) < rate


def test_bad_arguments_are_one_clear_error() -> None:
    scores = random_scores(2)
    for rate in (-0.1, 1.0, float("nan")):
        with pytest.raises(SecateurError, match="allowed is a fraction"):
            select(GROUPS, scores, rate)
    with pytest.raises(SecateurError, match="scheme 'layers'"):
        select(GROUPS, scores, 0.1, Selector("layers"))
    with pytest.raises(SecateurError, match="budget 'flops'"):
        select(GROUPS, scores, 0.1, Selector(budget="flops"))
    with pytest.raises(SecateurError, match="needs the model"):
        select(GROUPS, scores, 0.1, Selector(budget="macs"))
    with pytest.raises(SecateurError, match="goes with scheme 'global'"):
        select(GROUPS, scores, 0.1, Selector("per-layer", 1, "macs", SIZE), NETWORK)
    with pytest.raises(SecateurError, match="cannot be reached"):
        select(GROUPS, scores, 0.99, Selector(budget="params", input_size=SIZE), NETWORK)
    with pytest.raises(SecateurError, match="min_units 0"):
        select(GROUPS, scores, 0.1, Selector(min_units=0))
    with pytest.raises(SecateurError, match="no scores for unit group left"):
        select(GROUPS, {name: scores[name] for name in ("right", "first")}, 0.1)
    with pytest.raises(SecateurError, match="group left hold values that are not finite"):
        select(GROUPS, scores | {"left": torch.full((4,), float("inf"))}, 0.1)
    with pytest.raises(SecateurError, match="needed are 4 numbers"):
        select(GROUPS, scores | {"left": torch.zeros(3)}, 0.1)
    with pytest.raises(SecateurError, match="no unit groups"):
        select([], {}, 0.1)


def test_ties_go_by_the_middle_of_each_unit_s_place_in_its_group() -> None:
    """Of a group of n units the k-th stands at (k + ½) / n: groups give their units in turn, the largest first."""
    scores = {group.name: torch.zeros(group.size) for group in GROUPS}
    turns = sorted(((place + 0.5) / group.size, group.name) for group in GROUPS for place in range(group.size - 1))
    assert len({at for at, _ in turns}) == len(turns), "no two at one place"
    for count_ in range(len(turns) + 1):
        selection = select(GROUPS, scores, count_ / TOTAL)
        gone = [name for _, name in turns[:count_]]
        assert {name: len(units) for name, units in selection.items()} == {
            group.name: gone.count(group.name) for group in GROUPS
        }
