"""Verdicts: is a claim supported, contradicted or undecided by the data, per study, dataset, backbone and overall?

A claim compares values with an upper and a lower bound. It is *supported* when every comparison lies above the upper
bound (an intersection-union test: each must be significant, and no correction is needed), *contradicted* when at
least one lies below the lower bound (Holm over the comparisons). Each direction has level alpha / 2, so a false verdict
of either kind occurs in at most a share alpha of repetitions.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from secateur.analysis import sentences, trace
from secateur.analysis.claims import Claim, Claims
from secateur.analysis.measures import MEASURES, wide
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
COLUMNS = [
    "claim", "criterion", "scope", "where", "study", "verdict", "reason", "test", "blocks", "n", "against", "effect",
    "low", "high", "rank_biserial", "p", "at", "unit", "studies", "sentence", "source",
]  # fmt: skip


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


def verdicts(measures: pd.DataFrame, cost: pd.DataFrame, claims: Claims) -> pd.DataFrame:
    """The verdict on every claim, for every criterion it is tested for, at every scope.

    Args:
        measures: from `measures.measure_all`; may lack criteria, branches or studies. Its column `line`, and that of
            `cost`, where they have one, become the sources.
        cost: the table `cost`, possibly empty.
        claims: from `claims.read`.

    Returns:
        Columns `COLUMNS`. `scope` is "study", "dataset", "backbone" or "overall", `where` the name of the one that the
        verdict is about ("" overall; `study` repeats it for studies), `studies` how many stand behind it, `p` is NaN
        where too few blocks could not reach alpha.
    """
    scopes = _scopes(measures, cost)
    rows: list[dict[str, Any]] = []
    for claim in claims.claims:
        for criterion in claims.criteria:
            behind = {
                study: evidence(claim, criterion, cost if claim.comparison == "at_most" else measures, study)
                for study in scopes["study"]
            }
            found = {study: _differences(claim, criterion, evidence) for study, evidence in behind.items()}
            decided = {study: judge(claim, differences, claims.alpha) for study, differences in found.items()}
            for scope, places in scopes.items():
                for where, studies in places.items():
                    if scope == "study":
                        decision, blocks, each = decided[where], "", {}
                    else:
                        each = {study: decided[study] for study in studies}
                        decision, blocks = over(claim, [found[study] for study in studies], each, claims.alpha)
                    row = _row(claim, criterion, scope, where, blocks, decision, claims.alpha, each)
                    rows.append(row | {"studies": len(studies), "source": _source(claim, behind, studies)})
    return pd.DataFrame(rows, columns=COLUMNS)


def _scopes(measures: pd.DataFrame, cost: pd.DataFrame) -> dict[str, dict[str, list[str]]]:
    """Scope → the places that it has → their studies; one that has a cost alone is of no known dataset or backbone."""
    studies = sorted(set(measures["study"]) | set(cost["study"]))
    found: dict[str, dict[str, list[str]]] = {"study": {study: [study] for study in studies}}
    for scope in ("dataset", "backbone"):
        of_study = measures.groupby("study")[scope].first()
        found[scope] = {
            str(place): sorted(of_study[of_study == place].index) for place in sorted(of_study.unique(), key=str)
        }
    return found | {"overall": {"": studies}}


def judge(claim: Claim, differences: dict[str, np.ndarray], alpha: float) -> Decision:
    """`decide` as the claim says."""
    return decide(differences, bounds(claim), alpha=alpha, test=claim.test, exists=claim.comparison == "keeps")


def evidence(claim: Claim, criterion: str, table: pd.DataFrame, study: str) -> pd.DataFrame:
    """The rows of one study that the claim is decided by; `table` holds the measures, for `at_most` the cost."""
    if claim.comparison == "at_most":
        return table[(table["study"] == study) & (table["criterion"] == criterion)]
    wanted = [claim.measure] + ["unpruned_accuracy"] * (claim.comparison == "keeps")
    chosen = table[
        (table["study"] == study)
        & (table["branch"] == claim.branch)
        & table["measure"].isin(wanted)
        & table["criterion"].isin([criterion, *claim.rivals])
    ]
    if claim.comparison == "keeps":
        chosen = chosen[~(chosen["at"] < claim.from_rate - 1e-9)]
    if claim.samples_at_most is None:
        return chosen
    counts = {text for text in chosen["samples_per_class"] if text.isdigit() and int(text) <= claim.samples_at_most}
    return chosen[chosen["samples_per_class"].isin(counts)]


def _source(claim: Claim, behind: dict[str, pd.DataFrame], studies: list[str]) -> str:
    file = trace.COST if claim.comparison == "at_most" else trace.MEASURES
    return trace.source(file, [line for study in studies for line in behind[study].get("line", [])])


def _differences(claim: Claim, criterion: str, rows: pd.DataFrame) -> dict[str, np.ndarray]:
    """Comparison → one difference a block of a study, positive in favour of the claim; rows from `evidence`."""
    if claim.comparison == "at_most":  # on a logarithm: twice and half the limit are equally far from it
        return {f"{claim.limit:g}": np.log(claim.limit) - np.log(rows[claim.measure].to_numpy(dtype=float))}
    if claim.comparison == "keeps":
        start = _by_seed(rows, "unpruned_accuracy")
        found = {
            f"{rate:g}": _minus(_by_seed(rows, claim.measure, rate), criterion, start, criterion)
            for rate in sorted(set(rows.loc[rows["measure"] == claim.measure, "at"]))
        }
        return found or {f"{claim.from_rate:g}": np.empty(0)}
    sign = 1.0 if MEASURES[claim.measure][0] == "higher" else -1.0
    values = _by_seed(rows, claim.measure)
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


def _row(
    claim: Claim, criterion: str, scope: str, where: str, blocks: str, decision: Decision, alpha: float,
    decided: dict[str, Decision],
) -> dict[str, Any]:  # fmt: skip
    row: dict[str, Any] = {
        "claim": claim.id, "criterion": criterion, "scope": scope, "where": where,
        "study": where if scope == "study" else "",
        "verdict": decision.verdict, "reason": decision.reason, "test": claim.test,
        "blocks": blocks or ("repeats" if claim.comparison == "at_most" else "seeds"),
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
    each = {study: one.verdict for study, one in decided.items()}
    return row | {"sentence": sentences.verdict(claim, row, alpha, each, decision.absent)}
