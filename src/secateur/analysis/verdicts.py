"""Verdicts: is a claim supported, contradicted or undecided by the data, per study and overall?

A claim compares values with an upper and a lower bound. It is *supported* when every comparison lies above the upper
bound (an intersection-union test: each must be significant, and no correction is needed), *contradicted* when at
least one lies below the lower bound (Holm over the comparisons). Each direction has level alpha / 2, so a false verdict
of either kind occurs in at most a share alpha of repetitions.
"""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from secateur.analysis import sentences
from secateur.analysis.claims import Claim, Claims
from secateur.analysis.measures import MEASURES, wide
from secateur.analysis.paired import blocks_needed, exact_interval, permutation_p, rank_biserial, wilcoxon_p

SUPPORTED, CONTRADICTED, UNDECIDED = "supported", "contradicted", "undecided"
COLUMNS = [
    "claim", "criterion", "scope", "study", "verdict", "reason", "test", "blocks", "n", "against", "effect", "low",
    "high", "rank_biserial", "p", "at", "unit", "sentence",
]  # fmt: skip


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
        test: "wilcoxon" or "permutation".
        exists: the claim is "for at least one comparison" instead of "for every comparison"; the comparisons are then
            tested in their order, each only after all before it have passed (a fixed sequence needs no correction).

    Returns:
        The decision; effect, interval and p belong to the comparison that decides: the least favourable one, or with
        `exists` the last that passed (the first if none did). p is two-sided and corrected.
    """
    p_of = wilcoxon_p if test == "wilcoxon" else permutation_p
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
        against = lowest if contradicted else min(present, key=lambda name: present[name].mean())
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
    low, high = exact_interval(values, 1 - alpha)
    return Decision(
        verdict, reason, against, int(values.size), float(values.mean()), low, high, rank_biserial(values),
        np.nan if reason == "few" else min(1.0, 2 * min(p_pair)), empty,
    )  # fmt: skip


def verdicts(measures: pd.DataFrame, cost: pd.DataFrame, claims: Claims) -> pd.DataFrame:
    """The verdict on every claim, for every criterion it is tested for, per study and overall.

    Args:
        measures: from `measures.measure_all`; may lack criteria, branches or studies.
        cost: the table `cost`, possibly empty.
        claims: from `claims.read`.

    Returns:
        Columns `COLUMNS`; `scope` is "study" or "overall", `p` is NaN where too few blocks could not reach alpha.
    """
    studies = sorted(set(measures["study"]) | set(cost["study"]))
    rows: list[dict[str, Any]] = []
    for claim in claims.claims:
        for criterion in claims.criteria:
            per_study: dict[str, dict[str, np.ndarray]] = {
                study: _differences(claim, criterion, measures, cost, study) for study in studies
            }
            decided = {}
            for study, differences in per_study.items():
                decided[study] = _decide(claim, differences, claims.alpha)
                rows.append(_row(claim, criterion, "study", study, decided[study], claims.alpha))
            overall, blocks = _overall(claim, per_study, decided, claims.alpha)
            rows.append(_row(claim, criterion, "overall", blocks, overall, claims.alpha, decided))
    return pd.DataFrame(rows, columns=COLUMNS)


def _decide(claim: Claim, differences: dict[str, np.ndarray], alpha: float) -> Decision:
    return decide(differences, bounds(claim), alpha=alpha, test=claim.test, exists=claim.comparison == "keeps")


def _differences(
    claim: Claim, criterion: str, measures: pd.DataFrame, cost: pd.DataFrame, study: str
) -> dict[str, np.ndarray]:
    """Comparison → one difference a block of this study, positive in favour of the claim."""
    if claim.comparison == "at_most":  # on a logarithm: twice and half the limit are equally far from it
        chosen = cost[(cost["study"] == study) & (cost["criterion"] == criterion)]
        return {f"{claim.limit:g}": np.log(claim.limit) - np.log(chosen[claim.measure].to_numpy(dtype=float))}
    chosen = measures[(measures["study"] == study) & (measures["branch"] == claim.branch)]
    if claim.samples_at_most is not None:
        counts = {text for text in chosen["samples_per_class"] if text.isdigit() and int(text) <= claim.samples_at_most}
        chosen = chosen[chosen["samples_per_class"].isin(counts)]
    if claim.comparison == "keeps":
        start = _by_seed(chosen, "unpruned_accuracy")
        rates = chosen.loc[chosen["measure"] == claim.measure, "at"]
        found = {}
        for rate in sorted(rate for rate in set(rates) if rate >= claim.from_rate - 1e-9):
            found[f"{rate:g}"] = _minus(_by_seed(chosen, claim.measure, rate), criterion, start, criterion)
        return found or {f"{claim.from_rate:g}": np.empty(0)}
    sign = 1.0 if MEASURES[claim.measure][0] == "higher" else -1.0
    values = _by_seed(chosen, claim.measure)
    return {rival: sign * _minus(values, criterion, values, rival) for rival in claim.rivals if rival != criterion}


def _by_seed(measures: pd.DataFrame, measure: str, at: float | None = None) -> pd.DataFrame:
    """Rows seeds, columns criteria; a seed's value is its mean over sample counts, where all of them are there."""
    table = wide(measures, measure, at)
    whole = table.notna().groupby(level="seed").all()
    return table.groupby(level="seed").mean().where(whole)


def _minus(left: pd.DataFrame, one: str, right: pd.DataFrame, other: str) -> np.ndarray:
    if one not in left or other not in right:
        return np.empty(0)
    return (left[one] - right[other]).dropna().to_numpy(dtype=float)


def _overall(
    claim: Claim, per_study: dict[str, dict[str, np.ndarray]], decided: dict[str, Decision], alpha: float
) -> tuple[Decision, str]:
    """Over studies: a test with studies as blocks where there are enough, else what all studies say alike."""
    names = [name for name in next(iter(per_study.values()), {}) if all(name in found for found in per_study.values())]
    means = {name: np.array([found[name].mean() for found in per_study.values() if found[name].size]) for name in names}
    fewest = min((values.size for values in means.values()), default=0)
    if fewest >= blocks_needed(alpha / 2, "greater"):
        return _decide(claim, means, alpha), "studies"
    verdict_set = {decision.verdict for decision in decided.values()}
    reasons = {decision.reason for decision in decided.values() if decision.reason}
    worst = min(decided.values(), key=lambda decision: np.inf if np.isnan(decision.effect) else decision.effect,
                default=Decision(UNDECIDED, "missing", "", 0, np.nan, np.nan, np.nan, np.nan, np.nan))  # fmt: skip
    if len(verdict_set) == 1 and verdict_set != {UNDECIDED}:
        return replace(worst, verdict=verdict_set.pop(), reason=""), "all studies alike"
    reason = reasons.pop() if len(reasons) == 1 and len(verdict_set) == 1 else "mixed"
    return replace(worst, verdict=UNDECIDED, reason=reason), "all studies alike"


def _row(
    claim: Claim, criterion: str, scope: str, where: str, decision: Decision, alpha: float,
    decided: dict[str, Decision] | None = None,
) -> dict[str, Any]:  # fmt: skip
    row: dict[str, Any] = {
        "claim": claim.id, "criterion": criterion, "scope": scope, "study": where if scope == "study" else "",
        "verdict": decision.verdict, "reason": decision.reason, "test": claim.test,
        "blocks": where if scope == "overall" else ("repeats" if claim.comparison == "at_most" else "seeds"),
        "n": decision.n, "against": decision.against, "effect": decision.effect, "low": decision.low,
        "high": decision.high, "rank_biserial": decision.rank_biserial, "p": decision.p,
        "at": float(decision.against) if claim.comparison == "keeps" and decision.n else np.nan, "unit": "accuracy",
    }  # fmt: skip
    if claim.comparison == "at_most":
        row |= {
            "unit": "gradient passes" if claim.measure == "ratio_to_gradient" else claim.measure,
            "effect": claim.limit * np.exp(-decision.effect), "low": claim.limit * np.exp(-decision.high),
            "high": claim.limit * np.exp(-decision.low),
        }  # fmt: skip
    elif claim.comparison != "keeps":
        row["unit"] = MEASURES[claim.measure][1]
    each = {study: one.verdict for study, one in (decided or {}).items()}
    return row | {"sentence": sentences.verdict(claim, row, alpha, each, decision.absent)}
