"""Power: the simulated test is SciPy's, power grows with what it should, and too few blocks have none."""

import numpy as np
import pytest
from scipy import stats

from secateur.analysis import power
from secateur.errors import SecateurError

LEVEL = 0.025


@pytest.mark.parametrize("level", [0.025, 0.025 / 15])
@pytest.mark.parametrize("blocks", [5, 6, 9, 20])
def test_what_is_found_is_what_scipys_exact_test_rejects(blocks, level):
    draws = np.random.default_rng(blocks).normal(0.5, 1, size=(300, blocks))
    p = stats.wilcoxon(draws, axis=1, alternative="greater", method="exact").pvalue
    assert np.array_equal(power.detected(draws, level, "wilcoxon"), p <= level)
    signs = [stats.binomtest(int((one > 0).sum()), blocks, alternative="greater").pvalue for one in draws]
    assert np.array_equal(power.detected(draws, level, "sign"), np.array(signs) <= level)


def test_three_comparisons_that_must_all_be_found_have_less_power_than_one():
    covariance = np.array([[1.0, 0.5, 0.5], [0.5, 1.0, 0.5], [0.5, 0.5, 1.0]])
    one, three = power.power(10, 1.0, 1.0, LEVEL), power.power(10, 1.0, covariance, LEVEL)
    assert one**3 < three < one
    same = power.power(10, 1.0, np.ones((3, 3)), LEVEL)  # the same comparison three times, of rank one
    assert same == pytest.approx(one, abs=0.04)
    assert power.detectable(10, covariance, LEVEL) > power.detectable(10, 1.0, LEVEL)


def test_the_power_of_independent_comparisons_is_the_product():
    expected = power.power(9, 1.1, 1.0, LEVEL) ** 2
    assert power.power(9, 1.1, np.eye(2), LEVEL, seed=3) == pytest.approx(expected, abs=0.04)


def test_five_blocks_have_no_power_and_no_detectable_difference():
    assert power.power(5, 10.0, 1.0, LEVEL) == 0.0
    assert power.detectable(5, 1.0, LEVEL) == float("inf")


@pytest.mark.parametrize("test", ["sign", "wilcoxon"])
def test_power_grows_with_blocks_and_effect_and_is_the_level_without_one(test):
    def of(blocks: int, effect: float) -> float:
        return power.power(blocks, effect, 1.0, LEVEL, test)

    assert of(9, 0.0) <= 0.025 + 3 * np.sqrt(0.025 * 0.975 / power.SIMULATIONS)
    assert of(9, 0.5) < of(9, 1.0) < of(17, 1.0)


def test_the_power_of_the_sign_test_is_the_binomials():
    shares = stats.norm.cdf(0.8)  # of differences that are positive
    assert power.power(12, 0.8, 1.0, LEVEL) == pytest.approx(stats.binom.sf(9, 12, shares), abs=0.03)


def test_eight_seeds_find_less_than_six_and_are_never_recommended():
    assert power.worthwhile(LEVEL, "sign")[:6] == [6, 9, 12, 15, 17, 20]
    assert power.worthwhile(LEVEL, "wilcoxon")[:4] == [6, 7, 8, 9]
    assert power.power(8, 1.5, 1.0, LEVEL) < power.power(6, 1.5, 1.0, LEVEL) < power.power(9, 1.5, 1.0, LEVEL)


def test_the_detectable_difference_is_detected_with_the_wanted_power():
    found = power.detectable(10, 0.02, LEVEL)
    assert power.power(10, found, 0.02, LEVEL, seed=9) == pytest.approx(0.8, abs=0.05)


def test_the_seeds_needed_reach_the_power_and_one_fewer_does_not():
    for test in ("sign", "wilcoxon"):
        needed = power.seeds_needed(0.02, 0.025, LEVEL, test=test)
        assert needed is not None
        assert power.power(needed, 0.02, 0.025, LEVEL, test, seed=1) > 0.75
        assert all(power.power(fewer, 0.02, 0.025, LEVEL, test, seed=1) < 0.8 for fewer in range(6, needed - 1))
        assert power.seeds_needed(0.001, 0.05, LEVEL, test=test) is None


@pytest.mark.parametrize(("effect", "wanted"), [(0.0, 0.8), (-0.1, 0.8), (0.1, 1.0), (0.1, 0.0)])
def test_impossible_plans_are_refused(effect, wanted):
    with pytest.raises(SecateurError, match="allowed are effect > 0 and 0 < power < 1"):
        power.seeds_needed(effect, 0.1, LEVEL, wanted)
