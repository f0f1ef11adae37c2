"""Verdicts over several studies: those of one dataset, those of one backbone, or all of a run."""

from dataclasses import replace

import numpy as np

from secateur.analysis.claims import Claim
from secateur.analysis.decisions import UNDECIDED, Decision, judge
from secateur.analysis.paired import blocks_needed


def over(
    claim: Claim, found: list[dict[str, np.ndarray]], decided: dict[str, Decision], alpha: float
) -> tuple[Decision, str]:
    """The decision over studies: a test with studies as blocks where there are enough, else what all say alike.

    Args:
        claim: the claim; found: the differences of each study; decided: study → its own decision; alpha: the level.

    Returns:
        The decision, and what its blocks are in words.
    """
    names = [name for name in next(iter(found), {}) if all(name in one for one in found)]
    means = {name: np.array([one[name].mean() for one in found if one[name].size]) for name in names}
    fewest = min((values.size for values in means.values()), default=0)
    if fewest >= blocks_needed(alpha / 2, "greater"):
        return judge(claim, means, alpha), "studies"
    verdict_set = {decision.verdict for decision in decided.values()}
    reasons = {decision.reason for decision in decided.values() if decision.reason}
    worst = min(decided.values(), key=lambda decision: np.inf if np.isnan(decision.effect) else decision.effect,
                default=Decision(UNDECIDED, "missing", "", 0, np.nan, np.nan, np.nan, np.nan, np.nan))  # fmt: skip
    if len(verdict_set) == 1 and verdict_set != {UNDECIDED}:
        return replace(worst, verdict=verdict_set.pop(), reason=""), "all studies alike"
    reason = reasons.pop() if len(reasons) == 1 and len(verdict_set) == 1 else "mixed"
    return replace(worst, verdict=UNDECIDED, reason=reason), "all studies alike"
