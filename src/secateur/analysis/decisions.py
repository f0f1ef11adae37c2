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

TESTS: dict[str, tuple[Callable[..., float], Callable[..., tuple[float, float]], Callable[..., Any]]] = {
    "wilcoxon": (wilcoxon_p, exact_interval, np.mean),
    "permutation": (permutation_p, exact_interval, np.mean),
    "sign": (sign_p, median_interval, np.median),
}
"""Test of a claim → its p-value, the interval that belongs to it, and the effect that it is about."""


class Bounds(NamedTuple):
    """Above `upper` a claim holds, below `lower` it fails; between them nothing is shown either way."""

    upper: float
    lower: float


@dataclass(frozen=True)
class Decision:
    """What the test of one claim on one set of blocks gave.

    `reason` is set when it is undecided: "missing" (no data), "few" (blocks), "unclear", or "mixed" (over studies);
    `absent` names the comparisons without data.
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
    p_of, interval_of, centre = TESTS[test]
    empty = tuple(name for name, values in differences.items() if values.size == 0)
    present = {name: values for name, values in differences.items() if values.size}
    if not present:
        return Decision(UNDECIDED, "missing", ", ".join(empty), 0, np.nan, np.nan, np.nan, np.nan, np.nan, empty)
    above = {name: p_of(values - limits.upper, "greater") for name, values in present.items()}
    below = {name: p_of(values - limits.lower, "less") for name, values in present.items()}
    fewest = min(values.size for values in present.values())
    enough = fewest >= blocks_needed(alpha / 2, "greater")
    if exists:
        passed: list[str] = []
        for name, p in above.items():
            if p > alpha / 2:
                break
            passed.append(name)
        supported, contradicted = bool(passed), not empty and all(p <= alpha / 2 for p in below.values())
        against = passed[-1] if passed else next(iter(present))
        p_pair = above[against], max(below.values())
    else:
        supported = not empty and all(p <= alpha / 2 for p in above.values())
        lowest = min(below, key=lambda name: below[name])
        corrected = min(1.0, below[lowest] * len(present))
        contradicted = corrected <= alpha / 2
        against = lowest if contradicted else min(present, key=lambda name: float(centre(present[name])))
        p_pair = max(above.values()), corrected
    verdict, reason = UNDECIDED, ""
    if supported and not contradicted:
        verdict = SUPPORTED
    elif contradicted:
        verdict = CONTRADICTED
    elif not enough:
        reason = "few"
    elif empty:
        reason = "missing"
    else:
        reason = "unclear"
    values = present[against]
    low, high = interval_of(values, 1 - alpha)
    return Decision(
        verdict, reason, against, int(values.size), float(centre(values)), low, high, rank_biserial(values),
        np.nan if reason == "few" else min(1.0, 2 * min(p_pair)), empty,
    )  # fmt: skip


def judge(claim: Claim, differences: dict[str, np.ndarray], alpha: float) -> Decision:
    """`decide` as the claim says."""
    return decide(differences, bounds(claim), alpha=alpha, test=claim.test, exists=claim.comparison == "keeps")
