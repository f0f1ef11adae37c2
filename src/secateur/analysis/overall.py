"""Verdicts over several studies: those of one dataset, of one backbone, or of all; what they say beyond these studies.

Studies that share a dataset or a backbone are not independent: an advantage on one dataset shows in all of its studies.
The model of a study's difference is that of crossed random effects,

    difference[d, b] = mean + dataset[d] + backbone[b] + rest[d, b],

and the test is about its mean. The variance of the mean over studies is estimated with both factors' levels as clusters
(Cameron, Gelbach and Miller, Robust inference with multiway clustering, 2011): that between datasets plus that between
networks minus that between their pairs, and where it is larger either of the first two alone, since the difference can
come out too small or negative (the "max-se" of MacKinnon, Nielsen and Webb, Jackknife inference with two-way
clustering, 2024).
t has as many degrees of freedom as the factor with the fewest levels allows. Effects of datasets may be as skewed as
those of seeds, so t must also pass after the transformation that takes its skewness away (Hall, On the removal of
skewness by transformation, 1992), here with the third moments of both factors added up. Over the studies of one dataset
(backbone) only the other factor counts. docs/statistics.md has what this was chosen by: measured error rates.

One level of a factor says nothing about its other levels: then there is no such verdict, and what the studies say alike
(`alike`) is about these studies alone, an intersection-union test that needs no independence.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from secateur.analysis.claims import Claim
from secateur.analysis.decisions import (
    TESTS,
    UNDECIDED,
    Decision,
    Tested,
    bounds,
    combine,
    in_order,
)
from secateur.analysis.paired import Alternative, rank_biserial

TEST = "crossed t"
"""The name of this test in tables."""
FEWEST = 2
"""Levels of a factor without which nothing is known of how much it varies."""
NAMES = {"dataset": ("dataset", "datasets"), "backbone": ("network", "networks")}
"""Factor → what one and several of its levels are called."""


SHARED = "studies share datasets or networks, so they are no independent blocks"
"""Why a table has no p-value of tests that take studies for blocks."""


class Spread(NamedTuple):
    """The mean over studies, its standard error, its skewness (third moment / error³), and degrees of freedom."""

    mean: np.ndarray
    error: np.ndarray
    skewness: np.ndarray
    freedom: int


@dataclass(frozen=True)
class Studies:
    """Where the studies of a verdict stand: study → factor → its level.

    A verdict about one level of the factor `beside` asks about the other alone, one about a whole run (`beside` is none
    of the factors) about both.
    """

    levels: dict[str, dict[str, str]]
    beside: str = ""

    @property
    def factors(self) -> list[str]:
        """The factors that the verdict is about."""
        return [factor for factor in NAMES if factor != self.beside]

    def codes(self, chosen: Iterable[str]) -> np.ndarray:
        """Levels of the `chosen` studies as numbers, shape (factors, studies)."""
        held = list(chosen)  # a study of no known place is a level of its own
        return np.array(
            [np.unique([self.levels[study].get(factor, study) for study in held], return_inverse=True)[1]
             for factor in self.factors]
        )  # fmt: skip

    @property
    def counts(self) -> dict[str, int]:
        """Factor → how many levels it has."""
        codes = self.codes(self.levels)
        return {factor: int(one.max()) + 1 for factor, one in zip(self.factors, codes, strict=True)}

    @property
    def words(self) -> str:
        """Such as "6 datasets and 4 networks"."""
        return " and ".join(f"{count} {NAMES[factor][count > 1]}" for factor, count in self.counts.items())

    @property
    def independent(self) -> bool:
        """Whether no two studies share a dataset or a network."""
        return all(count == len(self.levels) for count in self.counts.values())

    @property
    def alone(self) -> tuple[str, ...]:
        """Factors with too few levels to say anything of others."""
        return tuple(factor for factor, count in self.counts.items() if count < FEWEST)


def places(measures: pd.DataFrame) -> dict[str, dict[str, str]]:
    """Study → factor → its level, from a table with the columns `study`, `dataset` and `backbone`."""
    of_study = measures.groupby("study")[["dataset", "backbone"]].first()
    return {
        str(study): {str(factor): str(level) for factor, level in row.items()} for study, row in of_study.iterrows()
    }


class Overall(NamedTuple):
    """The decision beyond the studies, by which test; what its blocks are in words; the verdict that every study has
    ("" if they differ or are undecided); and the factors with a single level."""

    decision: Decision
    test: str = TEST
    blocks: str = ""
    alike: str = ""
    alone: tuple[str, ...] = ()


def spread(values: np.ndarray, codes: np.ndarray) -> Spread:
    """The mean over studies with an error that counts each factor's levels as the blocks.

    Args:
        values: shape (..., studies), finite; codes: shape (factors, studies), levels from 0, at least two of each.
    """
    mean = values.mean(axis=-1)
    rest = (values - mean[..., None]) / values.shape[-1]
    of_factors = [_moments(rest, of_factor) for of_factor in codes]
    variance = np.max([one.second for one in of_factors], axis=0)
    if len(codes) > 1:
        pairs = np.unique(codes, axis=1, return_inverse=True)[1]
        both = sum(one.second for one in of_factors) - _moments(rest, pairs).second
        variance = np.maximum(variance, both)
    error, third = np.sqrt(variance), sum(one.third for one in of_factors)
    cubed = error**3  # 0 where the error is, and where it is too small for its cube
    with np.errstate(divide="ignore", invalid="ignore"):
        skewness = np.where(cubed > 0, third / cubed, 0.0)
    return Spread(mean, error, skewness, int(codes.max(axis=1).min()))


class _Moments(NamedTuple):
    second: np.ndarray
    third: np.ndarray


def _moments(rest: np.ndarray, codes: np.ndarray) -> _Moments:
    """Second and third moment of a mean whose parts are independent by cluster, unbiased for equal clusters.

    `rest`: what each study adds to the mean's deviation, shape (..., studies); `codes`: its cluster.
    """
    count = int(codes.max()) + 1
    parts = rest @ (codes[:, None] == np.arange(count)).astype(float)
    second = (parts**2).sum(axis=-1) * count / (count - 1)
    wide = count**2 / ((count - 1) * (count - 2)) if count > 2 else 0.0  # two parts have no skewness
    return _Moments(second, (parts**3).sum(axis=-1) * wide)


def crossed_p(values: np.ndarray, codes: np.ndarray, alternative: Alternative) -> np.ndarray:
    """P-value of the mean over studies lying above (below) 0: the larger of that of t and of t without its skewness.

    Args:
        values, codes: as in `spread`; alternative: "greater" or "less".

    Returns:
        p in [0, 1], shape (...).
    """
    from scipy import stats

    about = spread(values, codes)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(about.error > 0, about.mean / about.error, np.where(about.mean == 0, 0, np.sign(about.mean) * 1e9))
    both = t, unskewed(t, about.skewness)
    if alternative == "greater":
        return stats.t.sf(np.minimum(*both), about.freedom)
    return stats.t.cdf(np.maximum(*both), about.freedom)


def unskewed(t: np.ndarray, skewness: np.ndarray) -> np.ndarray:
    """Hall's (1992) transformation of a t statistic: it rises with t, and has no skewness to first order."""
    return t + skewness * t**2 / 3 + skewness**2 * t**3 / 27 + skewness / 6


def crossed_interval(values: np.ndarray, codes: np.ndarray, confidence: float) -> tuple[float, float]:
    """Interval of the mean over studies that inverts `crossed_p`: shape (studies,) → (low, high)."""
    from scipy import stats

    about = spread(values, codes)
    cut = float(stats.t.ppf((1 + confidence) / 2, about.freedom))
    skewness = float(about.skewness)

    def back(limit: float) -> float:  # the t whose transform is `limit`
        if abs(skewness) < 1e-6:
            return limit
        return 3 / skewness * (float(np.cbrt(1 + skewness * (limit - skewness / 6))) - 1)

    below, above = max(cut, back(cut)), max(cut, -back(-cut))
    return float(about.mean - below * about.error), float(about.mean + above * about.error)


def compare(values: pd.Series, studies: Studies, alpha: float) -> dict[str, Any]:
    """What is said of a pair of criteria over studies that share datasets or networks: what `paired.compare` gives
    without the tests that take studies for independent blocks, and with the interval that does not.

    Args:
        values: the mean difference of each study, indexed by study; studies: where they stand; alpha: as there.
    """
    gaps = values.to_numpy(dtype=float)
    there = Studies({str(study): studies.levels[str(study)] for study in values.index})
    low = high = np.nan
    if not there.alone:
        low, high = crossed_interval(gaps, there.codes(there.levels), 1 - alpha)
    return {
        "n": gaps.size, "n_differ": int(np.count_nonzero(gaps)), "mean_difference": float(gaps.mean()),
        "low": low, "high": high, "rank_biserial": rank_biserial(gaps), "wilcoxon_p": np.nan, "permutation_p": np.nan,
        "p_worse": np.nan, "p_equal": np.nan, "p_better": np.nan, "note": SHARED,
    }  # fmt: skip


def over(
    claim: Claim,
    by_study: dict[str, dict[str, np.ndarray]],
    decided: dict[str, Decision],
    studies: Studies,
    alpha: float,
) -> Overall:
    """The decision over studies.

    Args:
        claim: the claim; found: study → the differences of each of its comparisons, as for `decisions.decide`;
        decided: study → its own decision; studies: where each stands; alpha: the level.

    Returns:
        See `Overall`. With a single level of a factor it is undecided: for the reason that all studies share, where
        none has data ("missing") or seeds enough ("few"), else for the reason "levels"; its numbers are those of the
        study where the claim looks worst.
    """
    verdicts, reasons = ({getattr(one, key) for one in decided.values()} for key in ("verdict", "reason"))
    alike = verdicts.pop() if len(verdicts) == 1 and verdicts != {UNDECIDED} else ""
    names = [name for name in next(iter(by_study.values()), {}) if all(name in one for one in by_study.values())]
    if studies.alone:
        worst = min(decided.values(), key=lambda one: np.inf if np.isnan(one.effect) else one.effect)
        reason = worst.reason if len(reasons) == 1 and worst.reason in ("missing", "few") else "levels"
        return Overall(
            replace(worst, verdict=UNDECIDED, reason=reason), claim.test, studies.words, alike, studies.alone
        )
    tested = {name: _tested(claim, name, by_study, studies, alpha) for name in names}
    return Overall(combine(tested, alpha, in_order(claim, tested)), TEST, studies.words, alike)


def _tested(
    claim: Claim, name: str, by_study: dict[str, dict[str, np.ndarray]], studies: Studies, alpha: float
) -> Tested | None:
    """The test of one comparison, on the studies that have data for it; None where none has."""
    centre, limits = TESTS[claim.test][2], bounds(claim)
    there = {study: float(centre(one[name])) for study, one in by_study.items() if one[name].size}
    if not there:
        return None
    values, codes = np.array(list(there.values())), studies.codes(there)
    effect, biserial = float(values.mean()), rank_biserial(values)
    if codes.max(axis=1).min() + 1 < FEWEST:
        return Tested(1.0, 1.0, values.size, effect, np.nan, np.nan, biserial, enough=False)
    above, below = crossed_p(values - limits.upper, codes, "greater"), crossed_p(values - limits.lower, codes, "less")
    low, high = crossed_interval(values, codes, 1 - alpha)
    return Tested(float(above), float(below), values.size, effect, low, high, biserial, enough=True)
