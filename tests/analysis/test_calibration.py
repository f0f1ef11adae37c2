"""Tests of the tests: where the truth is known, verdicts and tests are wrong no more often than they may be."""

import pytest

from secateur.analysis import calibration

ALPHA = 0.05


def assert_at_most(found: calibration.Share, level: float) -> None:
    """The share may exceed the level by chance only: its 95 % interval must reach down to it."""
    assert found.interval[0] <= level, f"{found.count} of {found.total}, allowed {level}"


@pytest.mark.parametrize("situation", calibration.SITUATIONS)
@pytest.mark.parametrize("seeds", [6, 8])
def test_false_verdicts_are_as_rare_as_alpha(situation, seeds):
    assert_at_most(calibration.false_verdicts(seeds, situation, 300), ALPHA)


def test_a_test_at_too_high_a_level_is_found_out():
    # The check itself can fail: at twenty times the level the same simulations exceed it clearly.
    found = calibration.false_verdicts(8, "“not worse” claimed, worse by exactly the margin", 200, alpha=0.9)
    with pytest.raises(AssertionError):
        assert_at_most(found, ALPHA)


def test_power_grows_with_seeds_and_is_zero_where_no_test_can_speak():
    few, some, more = (calibration.true_verdicts(seeds, 0.02, 200).value for seeds in (5, 8, 12))
    assert few == 0.0 < some < more


def test_pairs_corrected_by_holm_hold_their_level():
    assert_at_most(calibration.false_pairs(9, 4, 200), ALPHA)


@pytest.mark.parametrize("blocks", [5, 10])
def test_iman_davenport_holds_its_level_from_the_fewest_blocks_on(blocks):
    assert_at_most(calibration.false_friedman(blocks, 6, 300), ALPHA)


@pytest.mark.parametrize("seeds", [6, 9])
def test_exact_intervals_contain_the_truth_as_often_as_they_say(seeds):
    assert calibration.covered(seeds, "exact", 400).interval[1] >= 0.95


def test_the_interval_is_reported_by_the_exact_binomial():
    found = calibration.Share(5, 100)
    assert found.value == 0.05
    assert found.interval == pytest.approx((0.0164, 0.1128), abs=1e-4)  # Clopper and Pearson


@pytest.mark.slow
@pytest.mark.parametrize("situation", calibration.SITUATIONS)
def test_two_thousand_simulations_keep_the_level(situation):
    found = calibration.false_verdicts(8, situation, 2_000)
    assert found.interval[0] <= ALPHA and found.value <= 0.06
