"""Decisions: does a test of one claim on one set of blocks support it, contradict it, or leave it undecided?

A claim compares values with an upper and a lower bound. It is *supported* when every comparison lies above the upper
bound (an intersection-union test: each must be significant, and no correction is needed), *contradicted* when at
least one lies below the lower bound (Holm over the comparisons). Each direction has level alpha / 2, so a false verdict
of either kind occurs in at most a share alpha of repetitions.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from secateur.analysis.claims import Claim
from secateur.analysis.paired import (
    blocks_needed,
    exact_interval,
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
    dataset or one network alone); `absent` names the comparisons without data.
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


def bounds(claim: Claim) -> Bounds:
    """The two bounds that a claim's differences are tested against."""
    if claim.comparison == "better_than":
        return Bounds(claim.margin, 0.0)
    return Bounds(-claim.margin, -claim.margin)


def judge(claim: Claim, differences: dict[str, np.ndarray], alpha: float) -> Decision:
    """`decide` as the claim says."""
    return decide(differences, bounds(claim), alpha=alpha, test=claim.test, exists=in_order(claim))


def in_order(claim: Claim) -> bool:
    """Whether a claim's comparisons are tested in their order (see `decide`: `exists`)."""
    return claim.comparison == "keeps"


def decide(
    differences: dict[str, np.ndarray],
    limits: Bounds,
    *,
    alpha: float,
    test: str,
    exists: bool = False,
) -> Decision:
    """Test the differences against their bounds.

    Args:
        differences: name of the comparison → array (blocks,), positive = in favour of the claim. Missing blocks are
            not there; a comparison without any block is an empty array.
        limits: see `Bounds`.
        alpha: level of the whole decision.
        test: one of `TESTS`.
        exists: the claim is "for at least one comparison" instead of "for every comparison"; the comparisons are then
            tested in their order, each only after all before it have passed (a fixed sequence needs no correction).

    Returns:
        The decision; effect, interval and p belong to the comparison that decides: the least favourable one, or with
        `exists` the last that passed (the first if none did). p is two-sided and corrected.
    """
    found = {name: _tested(values, limits, alpha, test) if values.size else None
             for name, values in differences.items()}  # fmt: skip
    return combine(found, alpha, exists)


def _tested(values: np.ndarray, limits: Bounds, alpha: float, test: str) -> Tested:
    p_of, interval_of, centre = TESTS[test]
    low, high = interval_of(values, 1 - alpha)
    return Tested(
        float(p_of(values - limits.upper, "greater")), float(p_of(values - limits.lower, "less")), int(values.size),
        float(centre(values)), low, high, rank_biserial(values), values.size >= blocks_needed(alpha / 2, "greater"),
    )  # fmt: skip


def directions(above: np.ndarray, below: np.ndarray, alpha: float, exists: bool) -> np.ndarray:
    """The rule of a decision alone: 1 where the p-values support, -1 where they contradict, else 0.

    Args:
        above, below: p-values of lying above the upper and below the lower bound, shape (comparisons, ...); NaN for a
            comparison that has no data. Trailing axes are decisions of their own.
        alpha, exists: as in `decide`.

    Returns:
        Integers, shape (...).
    """
    absent = np.isnan(above).reshape(len(above), -1).all(axis=1)
    tested_above, tested_below, half = above[~absent], below[~absent], alpha / 2
    if absent.all():
        return np.zeros(above.shape[1:], dtype=int)
    if exists:
        supported = tested_above[0] <= half
        contradicted = (tested_below <= half).all(axis=0) & (not absent.any())
    else:
        supported = (tested_above <= half).all(axis=0) & (not absent.any())
        contradicted = tested_below.min(axis=0) * len(tested_below) <= half
    return np.where(contradicted, -1, supported.astype(int))


def combine(found: dict[str, Tested | None], alpha: float, exists: bool) -> Decision:
    """One decision from the test of each comparison (None: it has no data); see `decide`."""
    empty = tuple(name for name, one in found.items() if one is None)
    present = {name: one for name, one in found.items() if one is not None}
    if not present:
        return Decision(UNDECIDED, "missing", ", ".join(empty), 0, np.nan, np.nan, np.nan, np.nan, np.nan, empty)
    above = np.array([np.nan if one is None else one.above for one in found.values()])
    below = np.array([np.nan if one is None else one.below for one in found.values()])
    verdict = VERDICTS[int(directions(above, below, alpha, exists))]
    if exists:
        passed: list[str] = []
        for name, one in present.items():
            if one.above > alpha / 2:
                break
            passed.append(name)
        against = passed[-1] if passed else next(iter(present))
        p = min(present[against].above, max(one.below for one in present.values()))
    else:
        lowest = min(present, key=lambda name: present[name].below)
        against = lowest if verdict == CONTRADICTED else min(present, key=lambda name: present[name].effect)
        p = min(max(one.above for one in present.values()), present[lowest].below * len(present))
    reason = ""
    if verdict == UNDECIDED:
        enough = all(one.enough for one in present.values())
        reason = "few" if not enough else "missing" if empty else "unclear"
    one = present[against]
    return Decision(
        verdict, reason, against, one.n, one.effect, one.low, one.high, one.rank_biserial,
        np.nan if reason == "few" else min(1.0, 2 * p), empty,
    )  # fmt: skip
