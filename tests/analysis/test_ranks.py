"""Ranks, Friedman's test and Nemenyi's difference on the example of Demšar (2006, Table 6)."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from demsar import DEMSAR
from secateur.analysis.ranks import critical_difference, nemenyi, rank


def test_average_ranks_are_those_of_the_paper():
    found = rank(DEMSAR, 0.05).average
    assert found == pytest.approx({"C4.5": 3.143, "C4.5+m": 2.000, "C4.5+cf": 2.893, "C4.5+m+cf": 1.964}, abs=5e-4)
    assert next(iter(found)) == "C4.5+m+cf"


def test_friedman_and_iman_davenport_are_those_of_the_paper_up_to_the_correction_for_ties():
    found = rank(DEMSAR, 0.05)
    ranks = stats.rankdata(-DEMSAR, axis=1)
    ties = sum((count**3 - count) for row in ranks for count in np.unique(row, return_counts=True)[1])
    uncorrected = found.chi_square * (1 - ties / (14 * 4 * 15))
    assert uncorrected == pytest.approx(9.28, abs=0.005)
    assert 13 * uncorrected / (14 * 3 - uncorrected) == pytest.approx(3.69, abs=0.005)
    assert found.f == pytest.approx(13 * found.chi_square / (14 * 3 - found.chi_square))
    assert found.p == pytest.approx(stats.f.sf(found.f, 3, 39), abs=0.01) and found.p < 0.05


def test_from_fifteen_blocks_on_the_p_value_is_that_of_the_f_distribution():
    found = rank(pd.concat([DEMSAR, DEMSAR]), 0.05)
    assert found.p == stats.f.sf(found.f, 3, 81)


def test_few_blocks_are_permuted_and_agree_with_every_permutation_counted():
    table = pd.DataFrame([[3, 2, 1], [3, 2, 1], [3, 2, 1], [3, 1, 2], [2, 3, 1]])
    orders = np.array(list(itertools.permutations([1, 2, 3])))
    sums = np.array([np.sum([orders[i] for i in chosen], axis=0) for chosen in itertools.product(range(6), repeat=5)])
    expected = ((sums**2).sum(axis=1) >= (table.sum() ** 2).sum()).mean()
    assert rank(table, 0.05).p == pytest.approx(expected, abs=0.01)


def test_friedmans_chi_square_is_scipys():
    assert rank(DEMSAR, 0.05).chi_square == pytest.approx(stats.friedmanchisquare(*DEMSAR.to_numpy().T).statistic)


def test_critical_differences_are_those_of_the_paper():
    # Demšar's table 5: q at 0.05 is 2.569 for four, at 0.10 it is 2.291; the example's differences are 1.25 and 1.12.
    assert critical_difference(4, 14, 0.05) == pytest.approx(1.25, abs=0.005)
    assert critical_difference(4, 14, 0.10) == pytest.approx(1.12, abs=0.005)


def test_pairs_beyond_the_critical_difference_are_those_nemenyi_finds():
    found, p = rank(DEMSAR, 0.05), nemenyi(DEMSAR)
    for one in DEMSAR:
        for two in DEMSAR:
            apart = abs(found.average[one] - found.average[two])
            if one != two:
                assert (p.loc[one, two] < 0.05) == (apart > found.critical_difference)


def test_too_few_blocks_or_criteria_give_ranks_and_words_only():
    few = rank(DEMSAR.head(4), 0.05)
    assert np.isnan([few.p, few.critical_difference]).all() and "too few blocks: 4" in few.note
    assert set(few.average) == set(DEMSAR.columns)
    two = rank(DEMSAR[["C4.5", "C4.5+m"]], 0.05)
    assert np.isnan(two.p) and "fewer than three criteria" in two.note


def test_equal_criteria_have_equal_ranks_and_no_effect():
    equal = pd.DataFrame(np.repeat(np.random.default_rng(0).random((8, 1)), 4, axis=1), columns=list("abcd"))
    found = rank(equal, 0.05)
    assert set(found.average.values()) == {2.5} and found.p == pytest.approx(1.0)


def test_blocks_with_a_missing_value_are_left_out():
    holey = DEMSAR.copy()
    holey.iloc[3, 1] = np.nan
    assert rank(holey, 0.05) == rank(DEMSAR.drop(index=3), 0.05)
