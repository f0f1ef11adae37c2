"""Decisions: does a test of one claim on one set of blocks support it, contradict it, or leave it undecided?

A claim compares values with an upper and a lower bound. It is *supported* when every comparison lies above the upper
bound (an intersection-union test: each must be significant, and no correction is needed), *contradicted* when at
least one lies below the lower bound (Holm over the comparisons). Each direction has level alpha / 2, so a false verdict
of either kind occurs in at most a share alpha of repetitions.
"""

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from secateur.analysis.claims import Claim
from secateur.analysis.paired import (
    blocks_needed,
    exact_interval,
    holm,
    median_interval,
    permutation_p,
    rank_biserial,
    sign_p,
    wilcoxon_p,
)

SUPPORTED, CONTRADICTED, UNDECIDED = "supported", "contradicted", "undecided"
VERDICTS = {1: SUPPORTED, 0: UNDECIDED, -1: CONTRADICTED}
"""What `directions` says → the word for it."""

TESTS: dict[str, tuple[Callable[..., Any], Callable[..., tuple[float, float]], Callable[..., Any]]] = {
    "sign": (sign_p, median_interval, np.median),
    "wilcoxon": (wilcoxon_p, exact_interval, np.mean),
    "permutation": (permutation_p, exact_interval, np.mean),
}
"""Test of a claim → its p-value, the interval that belongs to it, and the effect that it is about. The sign test asks
nothing of the differences; the others are about the mean and hold their level only where differences are symmetric."""


class Bounds(NamedTuple):
    """Above `upper` a claim holds, below `lower` it fails; between them nothing is shown either way."""

    upper: float
    lower: float


@dataclass(frozen=True)
class Tested:
    """What the test of one comparison gave: p-values of lying above its upper and below its lower bound, and the effect
    with its interval; `enough` says whether so many blocks could ever reach the level."""

    above: float
    below: float
    n: int
    effect: float
    low: float
    high: float
    rank_biserial: float
    enough: bool


@dataclass(frozen=True)
class Decision:
    """What the tests of one claim on one set of blocks gave.

    `reason` is set when it is undecided: "missing" (no data), "few" (blocks), "unclear", or over studies "levels" (one
    dataset or one network alone); `absent` names the comparisons without data. `above` and `below` are the one-sided
    p-values behind the two directions, uncorrected, one a comparison (of a sequence one each, for all that it needs);
    `passed` are the comparisons of a sequence that passed, in order.
    """

    verdict: str
    reason: str
    against: str
    n: int
    effect: float
    low: float
    high: float
    rank_biserial: float
    p: float
    absent: tuple[str, ...] = ()
    above: tuple[float, ...] = ()
    below: tuple[float, ...] = ()
    passed: tuple[str, ...] = ()


def bounds(claim: Claim) -> Bounds:
    """The two bounds that a claim's differences are tested against."""
    if claim.comparison == "better_than":
        return Bounds(claim.margin, 0.0)
    if claim.comparison == "equivalent":  # all within half the margin of one of them: any two within the margin
        return Bounds(-claim.margin / 2, -claim.margin)
    return Bounds(-claim.margin, -claim.margin)


def judge(claim: Claim, differences: dict[str, np.ndarray], alpha: float) -> Decision:
    """`decide` as the claim says."""
    return decide(differences, bounds(claim), alpha=alpha, test=claim.test, needed=in_order(claim, differences))


def in_order(claim: Claim, comparisons: Iterable[str]) -> int:
    """How many of a claim's comparisons, if tested in their order, it needs (see `decide`): 0 for those without one.

    Of rates: all up to the first that counts.
    """
    if claim.comparison != "keeps":
        return 0
    return 1 + sum(float(rate) < claim.from_rate - 1e-9 for rate in comparisons)


def decide(
    differences: dict[str, np.ndarray],
    limits: Bounds,
    *,
    alpha: float,
    test: str,
    needed: int = 0,
) -> Decision:
    """Test the differences against their bounds.

    Args:
        differences: name of the comparison → array (blocks,), positive = in favour of the claim. Missing blocks are
            not there; a comparison without any block is an empty array.
        limits: see `Bounds`.
        alpha: level of the whole decision.
        test: one of `TESTS`.
        needed: 0 where the claim is about every comparison. Else they are a sequence, tested in their order, each at
            the full level and only after all before it have passed (a fixed sequence needs no correction: Maurer,
            Hothorn and Lehmacher 1995); the claim is supported when so many have passed, and contradicted when all from
            there on lie below their bound.

    Returns:
        The decision; effect, interval and p belong to the comparison that decides: the least favourable one (of those
        that contradict, where it is contradicted), or of a sequence the last that passed if it is supported, else the
        one that it stopped at. p is two-sided and corrected.
    """
    tested = {name: _tested(values, limits, alpha, test) if values.size else None
             for name, values in differences.items()}  # fmt: skip
    return combine(tested, alpha, needed)


def _tested(values: np.ndarray, limits: Bounds, alpha: float, test: str) -> Tested:
    p_of, interval_of, centre = TESTS[test]
    low, high = interval_of(values, 1 - alpha)
    return Tested(
        float(p_of(values - limits.upper, "greater")), float(p_of(values - limits.lower, "less")), int(values.size),
        float(centre(values)), low, high, rank_biserial(values), values.size >= blocks_needed(alpha / 2, "greater"),
    )  # fmt: skip


def directions(above: np.ndarray, below: np.ndarray, alpha: float, needed: int = 0) -> np.ndarray:
    """The rule of a decision alone: 1 where the p-values support, -1 where they contradict, else 0.

    Args:
        above, below: p-values of lying above the upper and below the lower bound, shape (comparisons, ...); NaN for a
            comparison that has no data. Trailing axes are decisions of their own.
        alpha, needed: as in `decide`.

    Returns:
        Integers, shape (...).
    """
    absent = np.isnan(above).reshape(len(above), -1).all(axis=1)
    tested_above, tested_below, half = above[~absent], below[~absent], alpha / 2
    if absent.all():
        return np.zeros(above.shape[1:], dtype=int)
    if needed > len(above):
        return np.zeros(above.shape[1:], dtype=int)
    if needed:
        supported = (above[:needed] <= half).all(axis=0)  # NaN is no p-value that passes
        contradicted = (below[needed - 1 :] <= half).all(axis=0)
    else:
        supported = (tested_above <= half).all(axis=0) & (not absent.any())
        contradicted = tested_below.min(axis=0) * len(tested_below) <= half
    return np.where(contradicted, -1, supported.astype(int))


def combine(tested: dict[str, Tested | None], alpha: float, needed: int = 0) -> Decision:
    """One decision from the test of each comparison (None: it has no data); see `decide`."""
    empty = tuple(name for name, one in tested.items() if one is None)
    present = {name: one for name, one in tested.items() if one is not None}
    if not present:
        return Decision(UNDECIDED, "missing", ", ".join(empty), 0, np.nan, np.nan, np.nan, np.nan, np.nan, empty)
    above = np.array([np.nan if one is None else one.above for one in tested.values()])
    below = np.array([np.nan if one is None else one.below for one in tested.values()])
    verdict = VERDICTS[int(directions(above, below, alpha, needed))]
    passed: tuple[str, ...] = ()
    if needed:
        names = list(tested)
        passed = tuple(itertools.takewhile(lambda name: name in present and present[name].above <= alpha / 2, names))
        stopped = next((name for name in names[len(passed) :] if name in present), list(present)[-1])
        against = passed[-1] if verdict == SUPPORTED else stopped
        p_above = (max(_p(one, "above") for one in list(tested.values())[:needed]),)
        p_below = (max((_p(one, "below") for one in list(tested.values())[needed - 1 :]), default=1.0),)
        p = min(p_above + p_below)
    else:
        p_above, p_below = (tuple(getattr(one, side) for one in present.values()) for side in ("above", "below"))
        corrected = dict(zip(present, holm(p_below), strict=True))
        shown = [name for name, p in corrected.items() if p <= alpha / 2]  # not empty where it is contradicted
        deciding = shown if verdict == CONTRADICTED else list(present)
        against = min(deciding, key=lambda name: present[name].effect)
        p = min(max(p_above), corrected[against] if verdict == CONTRADICTED else min(corrected.values()))
    reason = ""
    if verdict == UNDECIDED:
        enough = all(one.enough for one in present.values())
        reason = "few" if not enough else "missing" if empty or needed > len(tested) else "unclear"
    one = present[against]
    return Decision(
        verdict, reason, against, one.n, one.effect, one.low, one.high, one.rank_biserial,
        np.nan if reason == "few" else min(1.0, 2 * p), empty, p_above, p_below, passed,
    )  # fmt: skip


def _p(one: Tested | None, side: str) -> float:
    return 1.0 if one is None else float(getattr(one, side))
