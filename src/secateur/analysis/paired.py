"""Paired comparisons of two criteria over the same blocks: exact tests, effect sizes and intervals.

A block is what both criteria saw alike: a seed within a study (same checkpoint, reference samples and data order), or
a whole study. A difference is "criterion minus other", so positive means that the criterion is better once the measure
has been turned so that more is better.
"""

import functools
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

EXACT = 15
"""Up to so many differences every assignment of signs is gone through (2^15 of them)."""
RESAMPLES = 4_000
"""Bootstrap resamples of an interval."""
EQUAL = 1e-12
"""Differences up to this size are rounding."""
MOST = 100
"""Up to so many differences without ties the signed-rank test is exact."""
BATCH = 64
"""Samples that are resampled at once: 64 of 8 blocks take 16 MB."""
PRIOR = 0.5
"""Strength of the Bayesian test's prior: half an observation that there is no difference."""

Alternative = Literal["two-sided", "greater", "less"]


def smallest_p(blocks: int, alternative: Alternative = "two-sided") -> float:
    """The smallest p-value that a test by signs or signed ranks can give with so many blocks: 2^-n, doubled if
    two-sided. Below that number no data, however clear, can speak."""
    return min(1.0, 2.0**-blocks * (2 if alternative == "two-sided" else 1))


def blocks_needed(alpha: float, alternative: Alternative = "two-sided", comparisons: int = 1) -> int:
    """Fewest blocks with which `comparisons` tests, corrected by Holm, can give a p-value of at most `alpha`."""
    blocks = 1
    while comparisons * smallest_p(blocks, alternative) > alpha:
        blocks += 1
    return blocks


def wilcoxon_p(differences: np.ndarray, alternative: Alternative = "two-sided") -> float:
    """P-value of the Wilcoxon signed-rank test (Wilcoxon 1945; Demšar 2006, section 3.1.3).

    Zeros are dropped. Without ties it is exact up to `MOST` differences (the p-value of `scipy.stats.wilcoxon`, from a
    distribution that is kept); with ties, which get mid-ranks, the null distribution is enumerated up to `EXACT`
    differences. Above, it is SciPy's normal form.

    Args:
        differences: shape (blocks,), finite.

    Returns:
        p in (0, 1]; 1 when no block differs.
    """
    from scipy import stats

    changed = differences[differences != 0]
    if changed.size == 0:
        return 1.0
    sizes = np.abs(changed).round(12)
    tied = np.unique(sizes).size < sizes.size
    if changed.size > (EXACT if tied else MOST):
        return float(stats.wilcoxon(changed, alternative=alternative, method="asymptotic").pvalue)
    if not tied:
        tail = rank_sum_tail(changed.size)
        positive = int((np.argsort(np.argsort(sizes)) + 1)[changed > 0].sum())
        greater, less = float(tail[positive]), float(tail[tail.size - 1 - positive])
        return {"greater": greater, "less": less, "two-sided": min(1.0, 2 * min(greater, less))}[alternative]
    return _flip_signs(np.sign(changed) * stats.rankdata(sizes), alternative)


@functools.cache
def rank_sum_tail(blocks: int) -> np.ndarray:
    """P(W >= w) for every w from 0 to n (n + 1) / 2: W is the sum of the ranks 1 … n that get a positive sign by
    chance, the null distribution of Wilcoxon's signed-rank statistic."""
    ways = np.ones(1)  # ways[w]: assignments of signs with rank sum w
    for size in range(1, blocks + 1):
        ways = np.append(ways, np.zeros(size)) + np.append(np.zeros(size), ways)
    return np.cumsum(ways[::-1])[::-1] / 2.0**blocks


def permutation_p(differences: np.ndarray, alternative: Alternative = "two-sided", seed: int = 0) -> float:
    """P-value of the permutation test on the mean difference (Fisher 1935): signs are exchangeable if equal.

    Exact up to `EXACT` blocks; above, 2^15 random assignments of signs drawn with `seed`, the observed one included.
    """
    return _flip_signs(differences, alternative, seed) if np.any(differences != 0) else 1.0


def sign_p(differences: np.ndarray, alternative: Alternative = "two-sided") -> np.ndarray | float:
    """P-value of the exact sign test (Demšar 2006, section 3.1.4): is more than half of all blocks positive (negative)?

    Each block is positive with probability at most 1/2 unless the median of the differences lies above 0, whatever
    their distribution: skew, collapses of single blocks and a ceiling of the measure change nothing. A block that does
    not differ (by more than `EQUAL`) counts against either direction, so that many zeros are no evidence.

    Args:
        differences: shape (..., blocks), finite; leading axes are samples of their own.

    Returns:
        p in (0, 1], shape (...); a number where there are no leading axes.
    """
    from scipy import stats

    blocks = differences.shape[-1]
    greater = stats.binom.sf(np.sum(differences > EQUAL, axis=-1) - 1, blocks, 0.5)
    less = stats.binom.sf(np.sum(differences < -EQUAL, axis=-1) - 1, blocks, 0.5)
    return {"greater": greater, "less": less, "two-sided": np.minimum(1.0, 2 * np.minimum(greater, less))}[alternative]


def _flip_signs(values: np.ndarray, alternative: Alternative, seed: int = 0) -> float:
    """P-value of the sum of `values` when each could as well have had the other sign."""
    signs = _all_signs(values.size) if values.size <= EXACT else _some_signs(values.size, seed)
    sums, observed = signs @ values, values.sum()
    slack = 1e-9 * np.abs(values).sum()  # sums that differ by rounding alone count as equal
    greater, less = float((sums >= observed - slack).mean()), float((sums <= observed + slack).mean())
    return {"greater": greater, "less": less, "two-sided": min(1.0, 2 * min(greater, less))}[alternative]


@functools.lru_cache
def _all_signs(count: int) -> np.ndarray:
    """Every assignment of signs to `count` values, shape (2^count, count)."""
    bits = np.arange(2**count)[:, None] >> np.arange(count)[None, :]
    return 1.0 - 2.0 * (bits & 1)


@functools.lru_cache(maxsize=2)
def _some_signs(count: int, seed: int) -> np.ndarray:
    """2^EXACT random assignments of signs, the observed one among them."""
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], size=(2**EXACT, count))
    signs[0] = 1.0
    return signs


def rank_biserial(differences: np.ndarray) -> float:
    """Matched-pairs rank-biserial correlation in [-1, 1] (Kerby 2014): share of rank mass for minus against.

    1: every difference is positive; 0: balanced, or no block differs.
    """
    from scipy import stats

    changed = differences[differences != 0]
    if changed.size == 0:
        return 0.0
    ranks = stats.rankdata(np.abs(changed).round(12))
    return float((ranks * np.sign(changed)).sum() / ranks.sum())


def exact_interval(values: np.ndarray, confidence: float) -> tuple[float, float]:
    """Interval of the centre of the differences that inverts the signed-rank test (Hodges and Lehmann 1963).

    Its ends are order statistics of the Walsh averages (means of any two values), chosen by the exact null
    distribution of Wilcoxon's statistic: it leaves out a value exactly where the two-sided test against that value
    has p <= 1 - confidence. For differences that are symmetric about their centre it covers that centre with at
    least the wanted confidence, however few there are.

    Args:
        values: shape (blocks,), finite; confidence: in (0, 1).

    Returns:
        (low, high); (NaN, NaN) where so few blocks have no such interval (fewer than six at 95 %).
    """
    n = values.size
    at_most = rank_sum_tail(n)[::-1]  # P(W <= w), since the distribution is symmetric
    cut = int(np.searchsorted(at_most, (1 - confidence) / 2 * (1 + 1e-12), side="right"))
    if cut == 0:
        return np.nan, np.nan
    one, two = np.triu_indices(n)
    walsh = np.sort((values[one] + values[two]) / 2)
    return float(walsh[cut - 1]), float(walsh[-cut])


def median_interval(values: np.ndarray, confidence: float) -> tuple[float, float]:
    """Interval of the median that inverts the exact sign test: two order statistics.

    Args:
        values: shape (blocks,), finite; confidence: in (0, 1).

    Returns:
        (low, high); (NaN, NaN) where so few blocks have no such interval (fewer than six at 95 %).
    """
    from scipy import stats

    left_out = int(stats.binom.ppf((1 - confidence) / 2 * (1 + 1e-12), values.size, 0.5))
    if left_out == 0:
        return np.nan, np.nan
    ordered = np.sort(values)
    return float(ordered[left_out - 1]), float(ordered[-left_out])


def interval(values: np.ndarray, confidence: float, seed: int) -> tuple[float, float]:
    """Bias-corrected and accelerated bootstrap interval of the mean (Efron 1987), from `scipy.stats.bootstrap`.

    Args:
        values: shape (blocks,), finite.
        confidence: in (0, 1).
        seed: of the resampling stream; the same seed and values give the same interval.

    Returns:
        (low, high); (NaN, NaN) for fewer than three blocks. With few blocks it is too narrow (docs/statistics.md has
        the measured coverage): for statements use `exact_interval`.
    """
    return bootstrapped([values], confidence, seed)[0]


def bootstrapped(samples: Sequence[np.ndarray], confidence: float, seed: int) -> list[tuple[float, float]]:
    """`interval` of every sample; samples of one size share their resamples, which is many times faster."""
    from scipy import stats

    intervals = [(np.nan, np.nan) if values.size < 3 else (float(values[0]),) * 2 for values in samples]
    varied = [index for index, values in enumerate(samples) if values.size >= 3 and np.ptp(values) >= 1e-12]
    for size in sorted({samples[index].size for index in varied}):
        alike = [index for index in varied if samples[index].size == size]
        for start in range(0, len(alike), BATCH):
            batch = alike[start : start + BATCH]
            made = stats.bootstrap(
                (np.stack([samples[index] for index in batch]),), np.mean, axis=-1, n_resamples=RESAMPLES,
                confidence_level=confidence, method="BCa", rng=np.random.default_rng(seed),
            ).confidence_interval  # fmt: skip
            for index, low, high in zip(batch, made.low, made.high, strict=True):
                intervals[index] = float(low), float(high)
    return intervals


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction (Holm 1979); NaN stays NaN and does not count as a comparison."""
    p = np.asarray(p_values, dtype=float)
    adjusted = np.full(p.shape, np.nan)
    order = [index for index in np.argsort(p, kind="stable") if not np.isnan(p[index])]
    running = 0.0
    for position, index in enumerate(order):
        running = max(running, min(1.0, (len(order) - position) * p[index]))
        adjusted[index] = running
    return adjusted.tolist()


def bayesian_signed_rank(
    differences: np.ndarray, rope: float, seed: int, draws: int = 2_000
) -> tuple[float, float, float]:
    """Bayesian signed-rank test with a region of practical equivalence (Benavoli et al. 2017, section 4.2.2).

    A Dirichlet process prior of strength `PRIOR` with its pseudo-observation at 0, as in the authors' package baycomp;
    the posterior of where the mean of two random differences lies relative to the region is sampled with Dirichlet
    weights over all pairs of observations.

    Args:
        differences: shape (blocks,); rope: half-width of the region, in the units of the differences, at least 0.

    Returns:
        Probabilities (other better, practically equal, criterion better); they sum to 1.
    """
    values = np.append(0.0, differences)
    middle = (values[:, None] + values[None, :]) / 2  # Walsh averages
    weights = np.random.default_rng(seed).dirichlet(np.append(PRIOR, np.ones(differences.size)), size=draws)
    masses = np.stack(
        [np.einsum("di,ij,dj->d", weights, region.astype(float), weights)
         for region in (middle < -rope, np.abs(middle) <= rope, middle > rope)], axis=1,
    )  # fmt: skip
    winners = np.bincount(masses.argmax(axis=1), minlength=3) / draws
    return float(winners[0]), float(winners[1]), float(winners[2])


def compare(differences: np.ndarray, *, alpha: float, rope: float, seed: int) -> dict[str, Any]:
    """Everything said about one pair: effect sizes, interval, two-sided p-values where they can reach `alpha`.

    Args:
        differences: shape (blocks,), turned so that positive = the criterion is better.
        alpha: level in (0, 1); the interval has confidence 1 - alpha.
        rope: half-width of the region of practical equivalence.
        seed: of the resampling streams.

    Returns:
        `n n_differ mean_difference low high rank_biserial wilcoxon_p permutation_p p_worse p_equal p_better note`.
        A p-value is NaN, and `note` says why, when so few blocks could not reach alpha.
    """
    changed = int(np.count_nonzero(differences))
    low, high = exact_interval(differences, 1 - alpha)
    reachable = smallest_p(changed) <= alpha
    note = ""
    if not reachable and changed == differences.size:
        note = f"too few blocks: {changed}; the smallest possible p is {smallest_p(changed):.3g}"
    elif not reachable:
        note = f"too few blocks differ: {changed} of {differences.size}"
    worse, equal, better = bayesian_signed_rank(differences, rope, seed)
    return {
        "n": int(differences.size), "n_differ": changed, "mean_difference": float(differences.mean()),
        "low": low, "high": high,
        "rank_biserial": rank_biserial(differences),
        "wilcoxon_p": wilcoxon_p(differences) if reachable else np.nan,
        "permutation_p": permutation_p(differences, seed=seed) if reachable else np.nan,
        "p_worse": worse, "p_equal": equal, "p_better": better, "note": note,
    }  # fmt: skip
