"""Stability of rankings: what the measures say, and what those on argsort lists do not."""

import numpy as np
import pytest
from scipy.stats import kendalltau, spearmanr

from secateur.branches.toy import stability


def values(rows: list[dict]) -> dict[tuple[str, int], float]:
    return {(row["measure"], row["k"]): row["mean"] for row in rows}


def test_equal_rankings_agree_fully() -> None:
    scores = np.tile(np.random.default_rng(0).random(50), (4, 1))
    found = values(stability.between_repetitions(stability.rankings(scores), [5, 20]))
    assert found["overlap_first", 5] == found["overlap_last", 20] == 1
    assert found["spearman", 0] == pytest.approx(1) and found["kendall", 0] == pytest.approx(1)


def test_random_rankings_agree_as_by_chance() -> None:
    scores = np.random.default_rng(0).random((20, 400))
    found = values(stability.between_repetitions(stability.rankings(scores), [100]))
    assert found["overlap_first", 100] == pytest.approx(0.25, abs=0.02)
    assert abs(found["spearman", 0]) < 0.02 and abs(found["kendall", 0]) < 0.05


def test_correlations_are_those_of_scipy_ties_included() -> None:
    generator = np.random.default_rng(1)
    scores = generator.integers(0, 8, (2, 60)).astype(float)
    found = values(stability.between_repetitions(stability.rankings(scores), [10]))
    assert found["spearman", 0] == pytest.approx(spearmanr(scores[0], scores[1]).statistic)
    assert found["kendall", 0] == pytest.approx(kendalltau(scores[0], scores[1]).statistic)


def test_renumbering_the_neurons_changes_only_the_argsort_figures() -> None:
    """The names of the neurons are arbitrary, so a measure of agreement between rankings must not depend on them."""
    generator = np.random.default_rng(2)
    common = generator.random(300)
    scores = common + 0.02 * generator.random((5, 300))
    renamed = scores[:, generator.permutation(300)]
    before, after = (
        values(stability.between_repetitions(stability.rankings(table), [75])) for table in (scores, renamed)
    )
    for measure in (("overlap_first", 75), ("overlap_last", 75), ("spearman", 0), ("kendall", 0)):
        assert before[measure] == pytest.approx(after[measure], abs=1e-6)
    assert before["spearman", 0] > 0.99
    assert abs(before["spearman_argsort", 0] - after["spearman_argsort", 0]) > 0.02


def test_overlap_counts_shared_neurons_at_either_end() -> None:
    first, second = np.array([[0, 1, 2, 3, 4, 5.0]]), np.array([[0, 2, 1, 3, 5, 4.0]])
    orders = stability.removal_order(first), stability.removal_order(second)
    assert stability.overlaps(*orders, 2, "first").item() == 0.5
    assert stability.overlaps(*orders, 2, "last").item() == 1
    assert stability.overlaps(*orders, 1, "last").item() == 0


def test_criteria_are_compared_draw_by_draw() -> None:
    scores = np.random.default_rng(3).random((6, 40))
    rows = stability.between_criteria(stability.rankings(scores), stability.rankings(scores), [10])
    assert values(rows)["spearman", 0] == pytest.approx(1)
    assert {row["pairs"] for row in rows} == {6}
    assert values(stability.between_criteria(stability.rankings(scores), stability.rankings(-scores), [10]))[
        "kendall", 0
    ] == pytest.approx(-1)


def test_one_repetition_says_nothing_about_stability() -> None:
    assert stability.between_repetitions(stability.rankings(np.random.default_rng(0).random((1, 30))), [5]) == []
