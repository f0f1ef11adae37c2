"""Every statistic on a published example: Demšar (2006), Fisher (1935), and the package of Benavoli et al. (2017).

Friedman's test, Iman and Davenport's and Nemenyi's difference on Demšar's example are in test_ranks.py.
"""

import itertools

import numpy as np
import pytest
from scipy import stats

from demsar import DEMSAR
from secateur.analysis import paired
from secateur.analysis.paired import (
    bayesian_signed_rank,
    holm,
    interval,
    permutation_p,
    rank_biserial,
    sign_p,
    wilcoxon_p,
)

IMPROVED = (DEMSAR["C4.5+m"] - DEMSAR["C4.5"]).to_numpy().round(6)
"""What tuning m adds to C4.5 on the 14 datasets (Demšar's Table 2)."""
FISHER = np.array([49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48])
"""Darwin's pairs of cross- and self-fertilised maize, in eighths of an inch (Fisher 1935, Design of Experiments)."""


def test_signed_ranks_are_those_of_the_paper():
    """Demšar splits the ranks of the two zeros: R+ = 93, R- = 12, z = -2.54 (section 3.1.3)."""
    split = stats.wilcoxon(IMPROVED, zero_method="zsplit", correction=False, method="asymptotic")
    assert split.statistic == 12
    ranks = stats.rankdata(np.abs(IMPROVED))
    assert ranks[IMPROVED > 0].sum() + ranks[IMPROVED == 0].sum() / 2 == 93
    assert (12 - 14 * 15 / 4) / np.sqrt(14 * 15 * 29 / 24) == pytest.approx(-2.54, abs=0.005)
    # Ours drops the zeros: ranks of the other twelve, 71.5 against 6.5, exact.
    changed = IMPROVED[IMPROVED != 0]
    ranks = stats.rankdata(np.abs(changed))
    against = ranks[changed < 0].sum()
    assert (ranks.sum(), against) == (78, 6.5)
    assert wilcoxon_p(IMPROVED) == pytest.approx(split.pvalue, abs=0.005) and wilcoxon_p(IMPROVED) < 0.05
    assert rank_biserial(IMPROVED) == pytest.approx((71.5 - 6.5) / 78)


def test_the_sign_test_of_the_paper():
    """Ten wins, two ties, two losses: Demšar gives each side a half of the ties (11 of 14, p < 0.10); ours gives them
    to neither, which is the more cautious reading."""
    assert stats.binomtest(11, 14).pvalue < 0.10
    assert sign_p(IMPROVED) == pytest.approx(stats.binomtest(10, 14).pvalue)


def test_holms_procedure_against_a_control_is_that_of_the_paper():
    """z of C4.5 against the others: 2.416, 2.342, 0.512; p: 0.016, 0.019, 0.607; the first two are rejected."""
    ranks = {
        name: float(value) for name, value in zip(DEMSAR, stats.rankdata(-DEMSAR, axis=1).mean(axis=0), strict=True)
    }
    error = np.sqrt(4 * 5 / (6 * 14))
    others = ("C4.5+m+cf", "C4.5+m", "C4.5+cf")
    z = [(ranks["C4.5"] - ranks[name]) / error for name in others]
    assert z == pytest.approx([2.416, 2.342, 0.512], abs=0.002)
    p = [2 * stats.norm.sf(value) for value in z]
    assert p == pytest.approx([0.016, 0.019, 0.607], abs=0.002)
    assert [value <= 0.05 for value in holm(p)] == [True, True, False]
    assert holm(p) == pytest.approx([3 * p[0], 3 * p[0], p[2]])


def test_holm_is_statsmodels():
    from statsmodels.stats.multitest import multipletests

    p = np.random.default_rng(0).random(12) ** 3
    assert holm(list(p)) == pytest.approx(multipletests(p, method="holm")[1])


def test_fishers_own_permutation_test_is_exact():
    """Of the 32,768 assignments of signs, 863 give Darwin's total of 314 or more: 2.63 % in each tail."""
    assert FISHER.sum() == 314
    assert permutation_p(FISHER.astype(float), "greater") == 863 / 32_768
    assert permutation_p(FISHER.astype(float)) == 2 * 863 / 32_768


@pytest.mark.parametrize(
    ("one", "two", "rope", "expected"),
    [
        ("C4.5", "C4.5+m", 0.0033, (0.0004, 0.0054, 0.9942)),
        ("C4.5", "C4.5+m", 0.0083, (0.0000, 0.2364, 0.7636)),
        ("C4.5+m", "C4.5+m+cf", 0.0033, (0.0893, 0.1526, 0.7581)),
        ("C4.5", "C4.5+cf", 0.0083, (0.1800, 0.5493, 0.2707)),
    ],
)
def test_the_bayesian_signed_rank_test_is_that_of_its_authors(one, two, rope, expected):
    """Made by baycomp 1.0.3: SignedRankTest.probs(x, y, rope=rope, nsamples=500000, random_state=1)."""
    differences = (DEMSAR[two] - DEMSAR[one]).to_numpy()
    assert bayesian_signed_rank(differences, rope, seed=0, draws=20_000) == pytest.approx(expected, abs=0.01)


def test_the_bayesian_signed_rank_test_sampled_from_its_definition():
    """Pairs of differences drawn one by one from a Dirichlet process made of gamma variables: no matrix anywhere."""
    generator, differences, rope = np.random.default_rng(4), IMPROVED[:6], 0.0033
    values, wins = [0.0, *differences], np.zeros(3)
    for _ in range(1500):
        weights = [generator.gamma(0.5), *(generator.gamma(1.0) for _ in differences)]
        masses = [0.0, 0.0, 0.0]
        for (w, v), (u, x) in itertools.product(zip(weights, values, strict=True), repeat=2):
            masses[0 if (v + x) / 2 < -rope else 2 if (v + x) / 2 > rope else 1] += w * u
        wins[int(np.argmax(masses))] += 1
    assert bayesian_signed_rank(differences, rope, seed=1, draws=20_000) == pytest.approx(wins / 1500, abs=0.04)


def test_the_bca_interval_is_efrons_on_every_possible_resample(monkeypatch):
    """Efron (1987): bias correction and acceleration, with all 6^6 resamples instead of drawn ones."""
    monkeypatch.setattr(paired, "RESAMPLES", 100_000)
    values = np.random.default_rng(5).gamma(2.0, size=6)
    means = np.stack(np.meshgrid(*[values] * 6)).reshape(6, -1).mean(axis=0)
    bias = stats.norm.ppf(((means < values.mean() - 1e-12).mean() + (means <= values.mean() + 1e-12).mean()) / 2)
    left_out = np.array([np.delete(values, index).mean() for index in range(6)])
    away = left_out.mean() - left_out
    acceleration = (away**3).sum() / (6 * (away**2).sum() ** 1.5)
    z = stats.norm.ppf([0.025, 0.975])
    levels = stats.norm.cdf(bias + (bias + z) / (1 - acceleration * (bias + z)))
    assert interval(values, 0.95, seed=0) == pytest.approx(np.quantile(means, levels), abs=0.02)
