"""Average ranks of many criteria over blocks: Friedman's test, Nemenyi's critical difference (Demšar 2006)."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

LEAST_BLOCKS = 5
"""Below this hardly anything but a perfect order would show."""
ENOUGH_BLOCKS, PERMUTATIONS = 15, 5_000
"""Below so many blocks the F distribution gives too small p-values, so ranks are permuted within blocks instead."""


@dataclass(frozen=True)
class AverageRanks:
    """Average ranks (1 = best) and what they show; numbers that too few blocks cannot give are NaN, `note` says why."""

    average: dict[str, float]
    blocks: int
    chi_square: float
    f: float
    p: float
    critical_difference: float
    note: str


def rank(table: pd.DataFrame, alpha: float, seed: int = 0) -> AverageRanks:
    """Rank criteria within every block, and test whether they differ at all.

    Args:
        table: rows blocks, columns criteria, more is better. Blocks with a missing value are left out.
        alpha: level of Nemenyi's critical difference.
        seed: of the permutations.

    Returns:
        Average ranks with mid-ranks for ties; Friedman's chi-square (Demšar 2006, eq. 6, corrected for ties), Iman
        and Davenport's F (eq. 7) with its p-value, from the F distribution or, below `ENOUGH_BLOCKS`, from permutations
        within blocks (exact up to simulation), and the critical difference q sqrt(k (k + 1) / 6N).
    """
    from scipy import stats

    complete = table.dropna()
    n, k = complete.shape
    ranks = pd.DataFrame(
        stats.rankdata(-complete.to_numpy(dtype=float).round(12), axis=1) if n else np.empty((0, k)),
        columns=complete.columns,
    )
    average = {str(name): float(value) for name, value in ranks.mean().sort_values(kind="stable").items()} if n else {}
    if k < 3 or n < LEAST_BLOCKS:
        note = f"fewer than three criteria ({k})" if k < 3 else f"too few blocks: {n}, at least {LEAST_BLOCKS} needed"
        return AverageRanks(average, n, np.nan, np.nan, np.nan, np.nan, note)
    chi_square = 0.0
    if (ranks.nunique(axis=1) > 1).any():
        chi_square = float(stats.friedmanchisquare(*(complete[name] for name in complete.columns)).statistic)
    remaining = n * (k - 1) - chi_square
    f = (n - 1) * chi_square / remaining if remaining > 1e-9 else np.inf
    few = n < ENOUGH_BLOCKS
    p = _permuted(ranks.to_numpy(), seed) if few else float(stats.f.sf(f, k - 1, (k - 1) * (n - 1)))
    critical = critical_difference(k, n, alpha)
    note = ""
    if critical > k - 1:
        note = f"Nemenyi's critical difference ({critical:.1f}) exceeds the largest possible difference ({k - 1})"
    return AverageRanks(average, n, chi_square, f, p, critical, note)


def _permuted(ranks: np.ndarray, seed: int) -> float:
    """Share of permutations within blocks whose average ranks spread at least as much as the observed ones.

    Friedman's statistic and that of Iman and Davenport rise with the squared rank sums, so the p-value is that of both.
    """
    generator = np.random.default_rng(seed)
    shuffled = generator.permuted(np.broadcast_to(ranks, (PERMUTATIONS, *ranks.shape)), axis=2)
    spread = (shuffled.sum(axis=1) ** 2).sum(axis=1)
    observed = (ranks.sum(axis=0) ** 2).sum()
    return float((1 + (spread >= observed - 1e-9).sum()) / (1 + PERMUTATIONS))


def critical_difference(criteria: int, blocks: int, alpha: float) -> float:
    """Nemenyi's critical difference of average ranks: q_alpha sqrt(k (k + 1) / (6 N)) (Demšar 2006, section 3.2.2)."""
    from scipy import stats

    q = stats.studentized_range.ppf(1 - alpha, criteria, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(criteria * (criteria + 1) / (6 * blocks)))


def nemenyi(table: pd.DataFrame) -> pd.DataFrame:
    """P-value of every pair by Nemenyi's test, from scikit-posthocs: a symmetric table of criteria × criteria.

    Args:
        table: rows blocks, columns criteria; blocks with a missing value are left out.
    """
    import scikit_posthocs

    complete = table.dropna()
    p_values = scikit_posthocs.posthoc_nemenyi_friedman(-complete.to_numpy(dtype=float).round(12))
    return pd.DataFrame(p_values.to_numpy(), index=complete.columns, columns=complete.columns)
