"""The test for shifts holds its level on simulated honest runs, finds real shifts, and agrees with other code."""

import numpy as np
import pytest
from scipy import stats

from secateur.analysis import shifts
from secateur.analysis.calibration import false_shifts, true_shifts


def test_one_mean_is_fishers_exact_permutation_test():
    """Where nothing is coarse and there is one mean, the p-value is SciPy's for the same statistic."""
    generator = np.random.default_rng(1)
    for one, two in ((5, 5), (4, 6), (7, 5)):
        first, second = generator.normal(size=one), generator.normal(0.8, size=two)
        found = shifts.find(first[:, None], second[:, None], np.zeros(1), alpha=0.05)
        other = stats.permutation_test(
            (second, first), lambda a, b: abs(stats.ttest_ind(a, b).statistic), permutation_type="independent",
            vectorized=False, n_resamples=np.inf, alternative="greater",
        )  # fmt: skip
        assert found.p[0] == pytest.approx(other.pvalue)
        assert found.difference[0] == pytest.approx(second.mean() - first.mean())
        whole = stats.ttest_ind(second, first)
        assert found.difference[0] / found.error[0] == pytest.approx(whole.statistic)


def test_copies_of_a_mean_cost_nothing_and_other_means_cost_little():
    generator = np.random.default_rng(2)
    first, second = generator.normal(size=(6, 1)), generator.normal(1.5, size=(6, 1))
    alone = shifts.find(first, second, np.zeros(1), 0.05).p[0]
    copies = shifts.find(np.repeat(first, 50, axis=1), np.repeat(second, 50, axis=1), np.zeros(50), 0.05)
    assert copies.p == pytest.approx(np.full(50, alone))
    others = shifts.find(
        np.hstack([first, generator.normal(size=(6, 50))]), np.hstack([second, generator.normal(size=(6, 50))]),
        np.zeros(51), 0.05,
    )  # fmt: skip
    assert others.p[0] >= alone


def test_a_shift_larger_than_what_is_unseen_is_called_a_shift():
    generator = np.random.default_rng(3)
    first, second = generator.normal(size=(8, 20)), generator.normal(size=(8, 20))
    found = shifts.find(first, second, np.zeros(20), 0.05)
    assert ((np.abs(found.difference) > found.unseen) == (found.p <= 0.05)).all()


@pytest.mark.parametrize(("one", "two", "smallest"), [(3, 3, 0.1), (4, 4, 2 / 70), (8, 8, 2 / 12870), (3, 5, 1 / 56)])
def test_too_few_seeds_have_no_p_value(one, two, smallest):
    assert shifts.smallest_p(one, two) == pytest.approx(smallest)
    found = shifts.find(np.zeros((one, 2)), np.ones((two, 2)), np.zeros(2), 0.05)
    assert np.isnan(found.p).all() == (smallest > 0.05)
    if smallest <= 0.05:
        assert found.p == pytest.approx(smallest)


def test_a_single_step_of_the_measurement_is_no_shift_but_many_are():
    """All seeds of one run have an accuracy of 0.50, all of the other have one image more, of a hundred."""
    first = np.full((8, 1), 0.50)
    assert shifts.find(first, first + 0.01, np.full(1, 0.01), 0.05).p[0] <= 0.05  # alone, nothing is as far apart
    noise = np.random.default_rng(4).normal(size=(16, 300))
    among = np.hstack([first, noise[:8]]), np.hstack([first + 0.01, noise[8:]])
    steps = np.array([0.01] + [0.0] * 300)
    assert shifts.find(*among, steps, 0.05).p[0] > 0.05
    among[1][:, 0] += 0.05
    assert shifts.find(*among, steps, 0.05).p[0] <= 0.05


def test_many_seeds_are_relabelled_at_random_and_alike_each_time():
    generator = np.random.default_rng(5)
    first, second = generator.normal(size=(15, 3)), generator.normal(0.7, size=(15, 3))
    one, two = (shifts.find(first, second, np.zeros(3), 0.05) for _ in range(2))
    assert (one.p == two.p).all() and (one.p > 0).all() and (one.p < 0.5).all()


def test_honest_runs_with_other_seeds_are_hardly_ever_called_moved():
    for seeds in (4, 5, 6):
        found = false_shifts(seeds, 300)
        assert found.interval[0] <= 0.05, f"{seeds} seeds: moved in {found.value:.1%} of simulations"


def test_a_real_shift_is_found():
    """One criterion moved by three standard deviations of a seed."""
    assert true_shifts(5, 3.0, 60).value >= 0.8
    assert true_shifts(6, 4.0, 60).value >= 0.9


@pytest.mark.slow
def test_the_level_holds_with_the_demos_number_of_seeds():
    found = false_shifts(8, 300)
    assert found.interval[0] <= 0.05, f"moved in {found.value:.1%} of simulations"
    assert true_shifts(8, 3.0, 40).value >= 0.9
