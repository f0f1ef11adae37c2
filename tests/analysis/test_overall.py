"""The test over studies against statsmodels and SciPy, its interval, and what it does to an advantage it cannot see."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from secateur.analysis.overall import Studies, crossed_interval, crossed_p, spread, unskewed

GRID = np.array([np.repeat(np.arange(4), 3), np.tile(np.arange(3), 4)])
"""Four datasets × three networks."""
HOLES = GRID[:, [0, 1, 2, 3, 7, 8, 9, 11]]
"""The same with a third of the studies missing."""


def drawn(studies: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).gamma(2, size=studies) - 1.5


def pair(codes: np.ndarray) -> np.ndarray:
    return np.unique(codes, axis=1, return_inverse=True)[1]


@pytest.mark.parametrize("codes", [GRID, HOLES])
@pytest.mark.parametrize("seed", range(4))
def test_the_error_is_that_of_two_way_clustering_or_of_one_factor_where_it_is_larger(codes, seed):
    from statsmodels.regression.linear_model import OLS
    from statsmodels.stats.sandwich_covariance import cov_cluster, cov_cluster_2groups

    values = drawn(codes.shape[1], seed)
    fit = OLS(values, np.ones(values.size)).fit()
    both = float(np.squeeze(cov_cluster_2groups(fit, codes[0], codes[1])[0]))
    each = [float(np.squeeze(cov_cluster(fit, one))) for one in codes]
    found = spread(values, codes)
    assert found.error**2 == pytest.approx(max(both, *each))
    assert found.mean == pytest.approx(values.mean()) and found.freedom == 2


def test_with_one_study_a_level_it_is_students_t():
    values = drawn(7, seed=5)
    found = spread(values, np.arange(7)[None])
    expected = stats.ttest_1samp(values, 0.0)
    assert found.mean / found.error == pytest.approx(expected.statistic) and found.freedom == expected.df
    assert found.skewness == pytest.approx(stats.skew(values, bias=False) / 7**0.5)


def test_a_p_value_is_the_larger_of_that_of_t_and_of_t_without_its_skewness():
    values = -np.array([0.1, 0.1, 0.2, 0.1, 0.2, 2.0])  # one dataset far below: t flatters what lies above it
    codes = np.arange(6)[None]
    shifted = values + 1.0
    t = stats.ttest_1samp(shifted, 0.0)
    skewness = stats.skew(values, bias=False) / 6**0.5
    hall = t.statistic + skewness * t.statistic**2 / 3 + skewness**2 * t.statistic**3 / 27 + skewness / 6
    assert crossed_p(shifted, codes, "greater") == pytest.approx(stats.t.sf(hall, 5))
    assert crossed_p(shifted, codes, "greater") > stats.t.sf(t.statistic, 5)
    assert crossed_p(-shifted, codes, "less") == pytest.approx(crossed_p(shifted, codes, "greater"))


@settings(max_examples=60, deadline=None)
@given(st.floats(-2, 2), st.floats(-6, 6), st.floats(0.01, 3))
def test_the_transformation_rises_with_t(skewness, t, more):
    assert unskewed(np.array(t + more), np.array(skewness)) >= unskewed(np.array(t), np.array(skewness))


@pytest.mark.parametrize("codes", [GRID, HOLES, GRID[:1], np.arange(12)[None]])
@pytest.mark.parametrize("seed", range(3))
def test_the_interval_holds_the_values_that_the_test_does_not_reject(codes, seed):
    values = drawn(codes.shape[1], seed)
    low, high = crossed_interval(values, codes, 0.95)
    assert low < values.mean() < high
    assert crossed_p(values - low, codes, "greater") == pytest.approx(0.025, rel=1e-6)
    assert crossed_p(values - high, codes, "less") == pytest.approx(0.025, rel=1e-6)


@settings(max_examples=60, deadline=None)
@given(arrays(float, 12, elements=st.floats(-1, 1)), st.floats(0, 1))
def test_better_studies_never_raise_the_p_value(values, gain):
    better, worse = crossed_p(values + gain, GRID, "greater"), crossed_p(values, GRID, "greater")
    assert better <= worse + 1e-9


def test_many_samples_at_once_give_what_each_gives():
    values = np.random.default_rng(1).normal(size=(3, 2, 12))
    together = crossed_p(values, GRID, "less")
    assert together.shape == (3, 2)
    assert together[2, 1] == pytest.approx(crossed_p(values[2, 1], GRID, "less"))


def test_studies_that_are_all_equal_decide_by_their_sign():
    for value, p in ((0.0, 0.5), (0.1, 0.0), (-0.1, 1.0)):
        assert crossed_p(np.full(12, value), GRID, "greater") == pytest.approx(p, abs=1e-9)


def test_two_studies_of_the_same_dataset_and_network_are_one_cluster():
    twice = np.concatenate([GRID, GRID[:, :1]], axis=1)
    values = drawn(13)
    found = spread(values, twice)
    rest = (values - values.mean()) / 13
    by_pair = np.array([rest[pair(twice) == one].sum() for one in range(12)])
    each = [np.array([rest[one == level].sum() for level in range(one.max() + 1)]) for one in twice]
    sums = [float((one**2).sum()) * one.size / (one.size - 1) for one in (*each, by_pair)]
    assert found.error**2 == pytest.approx(max(sums[0], sums[1], sums[0] + sums[1] - sums[2]))


def test_what_stands_alone_is_named():
    levels = {"a-net": {"dataset": "a", "backbone": "net"}, "a-tree": {"dataset": "a", "backbone": "tree"}}
    assert Studies(levels).words == "1 dataset and 2 networks" and Studies(levels).alone == ("dataset",)
    assert Studies(levels, beside="dataset").words == "2 networks" and Studies(levels, beside="dataset").alone == ()
    assert Studies({"x": {}, "y": {}}).words == "2 datasets and 2 networks"
