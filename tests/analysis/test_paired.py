"""Paired tests against SciPy, statsmodels, brute force, and the limits of what few blocks can say."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from secateur.analysis.paired import (
    bayesian_signed_rank,
    blocks_needed,
    compare,
    exact_interval,
    holm,
    interval,
    median_interval,
    permutation_p,
    rank_biserial,
    sign_p,
    smallest_p,
    wilcoxon_p,
)

ALTERNATIVES = ("two-sided", "greater", "less")
tied = arrays(float, st.integers(2, 9), elements=st.integers(-4, 4).map(float))


@pytest.mark.parametrize("alternative", ALTERNATIVES)
@pytest.mark.parametrize("blocks", [3, 6, 8, 13, 20])
def test_without_ties_the_signed_rank_test_is_scipys_exact_one(blocks, alternative):
    differences = np.random.default_rng(blocks).normal(0.3, 1, blocks)
    expected = stats.wilcoxon(differences, alternative=alternative, method="exact").pvalue
    assert wilcoxon_p(differences, alternative) == pytest.approx(expected, rel=1e-12)


@settings(max_examples=60, deadline=None)
@given(tied, st.sampled_from(ALTERNATIVES))
def test_with_ties_and_zeros_it_is_the_exact_permutation_of_mid_ranks(differences, alternative):
    changed = differences[differences != 0]
    ranks = stats.rankdata(np.abs(changed))
    sums = [np.dot(signs, ranks) for signs in itertools.product((1, -1), repeat=changed.size)]
    observed = np.dot(np.sign(changed), ranks)
    greater, less = np.mean(np.array(sums) >= observed), np.mean(np.array(sums) <= observed)
    expected = {"greater": greater, "less": less, "two-sided": min(1, 2 * min(greater, less))}[alternative]
    if changed.size == 0:
        expected = 1.0
    assert wilcoxon_p(differences, alternative) == pytest.approx(expected)


@pytest.mark.parametrize("alternative", ALTERNATIVES)
def test_the_permutation_test_is_scipys(alternative):
    differences = np.random.default_rng(5).normal(0.4, 1, 9)
    expected = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=np.inf, alternative=alternative
    )
    assert permutation_p(differences, alternative) == pytest.approx(expected.pvalue)


@pytest.mark.parametrize(("alternative", "count"), [("greater", 5), ("less", 1)])
def test_the_sign_test_is_the_binomial_of_all_blocks_so_that_a_zero_speaks_for_neither(alternative, count):
    differences = np.array([0.3, 0.1, -0.2, 1e-15, 0.4, 0.5, 0.6])
    expected = stats.binomtest(count, 7, alternative="greater").pvalue
    assert sign_p(differences, alternative) == pytest.approx(expected)
    assert sign_p(np.zeros(3), alternative) == 1.0


def test_the_two_sided_sign_test_is_scipys_and_each_sample_is_tested_by_itself():
    differences = np.random.default_rng(4).normal(0.5, 1, size=(3, 2, 11))
    found = sign_p(differences)
    for place in np.ndindex(3, 2):
        positive = int((differences[place] > 0).sum())
        assert found[place] == pytest.approx(stats.binomtest(positive, 11).pvalue)


@pytest.mark.parametrize("share", [0.1, 0.25, 0.45])
def test_collapses_never_make_the_sign_test_wrong_more_often_than_its_level(share):
    generator = np.random.default_rng(8)
    for blocks in (6, 9, 20):
        above = generator.normal(size=(4_000, blocks)) - 50 * (generator.random((4_000, blocks)) < share)
        at_median = above - np.quantile(above, 0.5)
        assert (sign_p(at_median, "greater") <= 0.025).mean() <= 0.025 + 3 * (0.025 / 4_000) ** 0.5


@pytest.mark.parametrize("blocks", [6, 8, 9, 17])
def test_the_medians_interval_holds_the_values_that_the_sign_test_does_not_reject(blocks):
    values = np.random.default_rng(blocks).gamma(2, size=blocks)
    low, high = median_interval(values, 0.95)
    for end, inwards in ((low, 1), (high, -1)):
        assert sign_p(values - end - inwards * 1e-9) > 0.05 >= sign_p(values - end + inwards * 1e-9)
    assert np.isnan(median_interval(values[:5], 0.95)).all()


def test_above_the_exact_limit_the_permutation_test_is_close_to_the_t_test():
    differences = np.random.default_rng(1).normal(0.2, 1, 40)
    expected = stats.ttest_1samp(differences, 0).pvalue
    assert permutation_p(differences) == pytest.approx(expected, abs=0.02)
    assert permutation_p(differences) == permutation_p(differences)


@pytest.mark.parametrize("blocks", range(1, 9))
def test_no_data_give_a_smaller_p_than_the_smallest_possible(blocks):
    clear = np.arange(1.0, blocks + 1)
    for alternative in ("two-sided", "greater"):
        assert wilcoxon_p(clear, alternative) == pytest.approx(smallest_p(blocks, alternative))
        assert permutation_p(clear, alternative) == pytest.approx(smallest_p(blocks, alternative))


def test_blocks_needed_is_the_first_number_that_can_reach_alpha():
    assert blocks_needed(0.05) == 6
    assert blocks_needed(0.025, "greater") == 6
    assert blocks_needed(0.05, comparisons=15) == 10


@given(st.lists(st.floats(0, 1) | st.just(float("nan")), min_size=1, max_size=8))
def test_holm_is_its_definition_and_skips_missing_values(p_values):
    there = [p for p in p_values if p == p]
    for p, found in zip(p_values, holm(p_values), strict=True):
        if p != p:
            assert found != found
        else:  # the largest corrected value of any comparison that is tested no later
            no_later = [one for one in there if one <= p]
            expected = max((sum(other >= one for other in there)) * one for one in no_later)
            assert found == pytest.approx(min(1.0, expected))


def test_holm_is_statsmodels_on_a_sample():
    # multipletests([0.01, 0.04, 0.03, 0.005], method="holm")
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_rank_biserial_of_a_textbook_sample():
    # Ranks of |d| are 1, 2, 3, 4, 5; minus has 2: (13 - 2) / 15.
    assert rank_biserial(np.array([1.0, -2.0, 3.0, 4.0, 5.0])) == pytest.approx(11 / 15)
    assert rank_biserial(np.zeros(4)) == 0.0
    assert rank_biserial(np.array([-1.0, 0.0, -2.0])) == -1.0


def test_the_interval_is_scipys_and_the_same_for_the_same_seed():
    values = np.random.default_rng(2).gamma(2, size=12)
    rng = np.random.default_rng(7)
    expected = stats.bootstrap((values,), np.mean, n_resamples=4_000, method="BCa", rng=rng).confidence_interval
    assert interval(values, 0.95, 7) == pytest.approx((expected.low, expected.high))
    assert interval(values, 0.95, 7) == interval(values, 0.95, 7) != interval(values, 0.95, 8)


@pytest.mark.parametrize("blocks", [6, 8, 11])
def test_the_exact_interval_holds_the_values_that_the_test_does_not_reject(blocks):
    values = np.random.default_rng(blocks).gamma(2, size=blocks)
    low, high = exact_interval(values, 0.95)
    inside, outside = 1e-6, -1e-6
    for end, inwards in ((low, 1), (high, -1)):
        assert wilcoxon_p(values - end - inwards * inside) > 0.05 >= wilcoxon_p(values - end - inwards * outside)


def test_the_exact_interval_of_six_values_is_their_range_and_five_have_none():
    values = np.array([0.3, 0.1, 0.7, 0.2, 0.9, 0.4])
    assert exact_interval(values, 0.95) == (0.1, 0.9)
    assert np.isnan(exact_interval(values[:5], 0.95)).all()


def test_an_interval_of_equal_values_is_that_value_and_two_values_have_none():
    assert interval(np.full(5, 0.25), 0.95, 0) == (0.25, 0.25)
    assert np.isnan(interval(np.array([1.0, 2.0]), 0.95, 0)).all()


@settings(max_examples=30, deadline=None)
@given(tied)
def test_bayesian_probabilities_sum_to_one_and_turn_with_the_sign(differences):
    worse, equal, better = bayesian_signed_rank(differences, 0.5, seed=3)
    assert worse + equal + better == pytest.approx(1)
    turned = bayesian_signed_rank(-differences, 0.5, seed=3)
    # Where two masses are exactly equal, the first region wins the draw: only then may the mirror image differ.
    assert turned[1] == pytest.approx(equal, abs=0.05)


def test_bayesian_signed_rank_is_sure_of_clear_cases():
    assert bayesian_signed_rank(np.full(12, 5.0), 0.5, 0)[2] > 0.999
    assert bayesian_signed_rank(np.full(12, -5.0), 0.5, 0)[0] > 0.999
    assert bayesian_signed_rank(np.linspace(-0.1, 0.1, 12), 0.5, 0)[1] > 0.999


def test_too_few_blocks_give_words_instead_of_a_p_value():
    found = compare(np.array([0.1, 0.2, 0.3, 0.4, 0.5]), alpha=0.05, rope=0.01, seed=0)
    assert np.isnan(found["wilcoxon_p"]) and np.isnan(found["permutation_p"])
    assert found["note"] == "too few blocks: 5; the smallest possible p is 0.0625"
    one_more = compare(np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]), alpha=0.05, rope=0.01, seed=0)
    assert one_more["wilcoxon_p"] == pytest.approx(0.03125) and one_more["note"] == ""


def test_blocks_that_do_not_differ_are_no_evidence():
    found = compare(np.array([0.0, 0.0, 0.0, 0.0, 0.1, 0.1]), alpha=0.05, rope=0.01, seed=0)
    assert np.isnan(found["wilcoxon_p"]) and found["note"] == "too few blocks differ: 2 of 6"
