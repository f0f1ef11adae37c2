"""Tests of the tests: where the truth is known, verdicts and tests are wrong no more often than they may be."""

from pathlib import Path

import numpy as np
import pytest
from tests.tiers import rows

from secateur.analysis import calibration, simulation
from secateur.analysis.claims import Claim
from secateur.analysis.decisions import VERDICTS, Bounds, judge
from secateur.analysis.overall import Studies, over
from secateur.analysis.simulation import Grid

ALPHA = 0.05
CURVES = simulation.read(Path("benchmarks/measured_curves.csv"))
SITUATIONS = calibration.situations(CURVES)
MEASURED = simulation.measured(CURVES)


def assert_at_most(found: calibration.Proportion, level: float) -> None:
    """The share may exceed the level by chance only: its 95 % interval must reach down to it."""
    assert found.interval[0] <= level, f"{found.count} of {found.total}, allowed {level}"


@pytest.mark.parametrize("words", SITUATIONS)
@pytest.mark.parametrize("seeds", [6, 9, 20])
def test_false_verdicts_are_as_rare_as_alpha(words, seeds):
    found = calibration.false_verdicts(seeds, words, SITUATIONS[words], 2_000)
    assert found.interval[1] <= ALPHA + 0.015


def test_a_test_at_too_high_a_level_is_found_out():
    # The check itself can fail: at twenty times the level the same simulations exceed it clearly.
    words = "“not worse” claimed, worse by exactly the margin; skewed noise"
    found = calibration.false_verdicts(9, words, SITUATIONS[words], 500, alpha=0.9)
    with pytest.raises(AssertionError):
        assert_at_most(found, ALPHA)


def test_the_tests_that_were_not_chosen_are_wrong_under_collapses():
    for test, most in (("sign", 0.035), ("wilcoxon", 1), ("t", 1)):
        found = calibration.other_tests(10, test, simulation.collapsing, 2_000)
        assert found.value <= most and (test == "sign" or found.interval[0] > ALPHA / 2)


def test_what_is_simulated_at_once_is_what_the_program_decides():
    generator = np.random.default_rng(3)
    drawn = simulation.skewed(generator, 60, 9) + 0.005
    claim = Claim("simulated", "", "", "not_worse_than", "mean_accuracy_over_rate", margin=0.0)
    found = calibration.judged(drawn, Bounds(0.0, 0.0))
    for one, direction in zip(drawn, found, strict=True):
        by_rival = dict(zip(simulation.RIVALS, one.T, strict=True))
        assert judge(claim, by_rival, ALPHA).verdict == VERDICTS[int(direction)]
    assert set(found) == {-1, 0, 1} or set(found) == {0, 1}


def test_grids_that_are_simulated_at_once_are_what_the_program_decides():
    grid, claim = Grid(4, 3, 0.005, 0.005), Claim("", "", "", "not_worse_than", "mean_accuracy_over_rate", margin=0.0)
    found = calibration.over_studies(grid, 9, MEASURED, 40, gain=0.05)
    generator = np.random.default_rng(calibration.derive(0, "over studies", str(grid), "9", "0.05"))
    values = grid.differences(generator, 0.05 + grid.effects(generator, 40), 9, MEASURED)
    for index in range(40):
        by_study = {study: {"rival": one} for study, one in zip(grid.places, values[index], strict=True)}
        each = {study: judge(claim, one, ALPHA) for study, one in by_study.items()}
        told = over(claim, by_study, each, Studies(grid.places), ALPHA)
        assert told.decision.verdict == VERDICTS[int(found.over[index])]
        assert (told.alike == "supported") == bool((found.each[index] == 1).all())
    assert len(set(found.over)) > 1


CROSSED = [(0.0, 0.0), (0.02, 0.0), (0.0, 0.04), (0.04, 0.04)]


@pytest.mark.parametrize("skewness", [0.0, -1.0])
@pytest.mark.parametrize(("dataset_sd", "backbone_sd"), CROSSED)
@pytest.mark.parametrize("size", [(1, 3), (3, 3), (6, 4)])
def test_verdicts_over_crossed_studies_are_as_rare_as_alpha(size, dataset_sd, backbone_sd, skewness):
    grid = Grid(*size, dataset_sd, backbone_sd, skewness)
    found = calibration.over_studies(grid, 6, MEASURED, 2_000)
    assert found.false.interval[1] <= ALPHA + 0.015 and found.false_alike.interval[1] <= ALPHA + 0.015
    if size[0] == 1:
        assert found.false.count == 0  # one dataset says nothing of others, however alike its studies are
        of_dataset = calibration.over_studies(
            Grid(*size, 0.0, backbone_sd, skewness), 6, MEASURED, 2_000, beside="dataset"
        )
        assert of_dataset.false.interval[1] <= ALPHA + 0.015


def test_studies_taken_for_independent_blocks_are_wrong_far_too_often():
    grid = Grid(6, 4, 0.02, 0.0)
    assert calibration.as_blocks(grid, 6, simulation.skewed, 1_000).interval[0] > 0.2
    assert_at_most(calibration.over_studies(grid, 6, simulation.skewed, 1_000).false, ALPHA)


def test_what_all_studies_say_alike_is_rarely_false_even_where_one_study_is_at_its_bound():
    generator = np.random.default_rng(5)
    effects = np.full((4_000, 3), 0.5)
    effects[:, 0] = 0.0  # two studies far above the bound, one exactly at it
    values = Grid(1, 3).differences(generator, effects, 9, simulation.skewed)
    alike = (calibration.judged(values[..., None], Bounds(0.0, 0.0)) == 1).all(axis=1)
    assert 0.01 < alike.mean() <= 0.025 + 3 * (0.025 / 4_000) ** 0.5


def test_a_true_advantage_over_studies_is_found_more_often_the_larger_the_grid():
    few, many = (
        calibration.over_studies(Grid(*size, 0.01, 0.01), 9, simulation.skewed, 500, gain=0.04).true.value
        for size in ((3, 3), (6, 4))
    )
    assert 0.2 < few < many


def test_power_grows_with_seeds_and_is_zero_where_no_test_can_speak():
    words = "“not worse” claimed, worse by exactly the margin; skewed noise"
    five, six, twelve = (calibration.true_verdicts(seeds, words, SITUATIONS[words], 500).value for seeds in (5, 6, 12))
    assert five == 0.0 < six < twelve


def test_measured_residuals_are_those_of_the_curves_with_median_zero():
    assert len(MEASURED.differences) == len(CURVES.groupby(["study", "branch"])) > 1
    assert MEASURED.differences.shape[1:] == (CURVES["seed"].nunique(), len(simulation.RIVALS))
    assert np.abs(np.median(MEASURED.differences, axis=1)).max() < 1e-9
    drawn = MEASURED(np.random.default_rng(0), 50, 9)
    assert drawn.shape == (50, 9, 3) and np.isin(drawn, MEASURED.differences).all()


def test_near_the_ceiling_differences_are_skewed_by_it():
    from scipy import stats

    clipped, free = simulation.near_ceiling(CURVES).differences, simulation.measured(CURVES).differences
    assert clipped.max() < 1 and np.abs(stats.skew(clipped, axis=1)).mean() > np.abs(stats.skew(free, axis=1)).mean()


def test_effects_have_the_spread_and_skewness_that_were_asked_for():
    from scipy import stats

    for skewness in (0.0, -1.0):
        grid = Grid(50, 1, 0.04, 0.0, skewness)
        effects = grid.effects(np.random.default_rng(1), 400)
        assert effects.std() == pytest.approx((0.04**2 + 0.01**2) ** 0.5, rel=0.03)
        assert stats.skew(effects, axis=None) == pytest.approx(skewness * 0.92, abs=0.1)  # what is left of it


def test_pairs_corrected_by_holm_hold_their_level():
    assert_at_most(calibration.false_pairs(9, 4, 200), ALPHA)


@pytest.mark.parametrize("blocks", rows([5, 10], []))
def test_iman_davenport_holds_its_level_from_the_fewest_blocks_on(blocks):
    assert_at_most(calibration.false_friedman(blocks, 6, 300), ALPHA)


@pytest.mark.parametrize("seeds", [6, 9])
def test_intervals_contain_the_truth_as_often_as_they_say_where_they_say_so(seeds):
    for draw in (simulation.skewed, simulation.collapsing):
        assert calibration.covered(seeds, "sign", draw, 2_000).interval[1] >= 0.95
    assert calibration.covered(seeds, "exact", simulation.skewed, 2_000).interval[1] >= 0.95
    assert calibration.covered(seeds, "exact", simulation.collapsing, 2_000).interval[1] < 0.95


def test_the_interval_is_reported_by_the_exact_binomial():
    found = calibration.Proportion(5, 100)
    assert found.value == 0.05
    assert found.interval == pytest.approx((0.0164, 0.1128), abs=1e-4)  # Clopper and Pearson


def test_every_situation_is_at_the_bound_that_its_words_name():
    """A false verdict is counted where the truth is exactly what the claim may just not have."""
    gains = {"better by exactly": calibration.MARGIN, "all criteria equal": 0.0, "exactly at the limit": 0.0}
    assert len(SITUATIONS) == 19
    for words, situation in SITUATIONS.items():
        gain = next((gain for said, gain in gains.items() if said in words), -calibration.MARGIN)
        assert situation.gain == gain, words
        assert situation.exists == ("“keeps”" in words) and situation.beyond > 0
        limits = situation.limits
        assert max(limits) <= calibration.MARGIN and min(limits) >= -calibration.MARGIN
