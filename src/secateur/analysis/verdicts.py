"""Verdicts: is a claim supported, contradicted or undecided by the data, per study, dataset, backbone and overall?

What a test says is decided in `decisions`, what several studies say together in `overall`; here is which rows of the
tables a claim is about, and the table of all verdicts.
"""

from typing import Any

import numpy as np
import pandas as pd

from secateur.analysis import sentences, trace
from secateur.analysis.claims import Claim, Claims
from secateur.analysis.decisions import Decision, judge
from secateur.analysis.measures import MEASURES, wide
from secateur.analysis.overall import Overall, Studies, over, places

COLUMNS = [
    "claim", "criterion", "scope", "where", "study", "verdict", "alike", "reason", "test", "blocks", "n", "against",
    "effect", "low", "high", "rank_biserial", "p", "at", "unit", "studies", "sentence", "source",
]  # fmt: skip


def verdicts(measures: pd.DataFrame, cost: pd.DataFrame, claims: Claims) -> pd.DataFrame:
    """The verdict on every claim, for every criterion it is tested for, at every scope.

    Args:
        measures: from `measures.measure_all`; may lack criteria, branches or studies. Its column `line`, and that of
            `cost`, where they have one, become the sources.
        cost: the table `cost`, possibly empty.
        claims: from `claims.read`.

    Returns:
        Columns `COLUMNS`. `scope` is "study", "dataset", "backbone" or "overall", `where` the name of the one that the
        verdict is about ("" overall; `study` repeats it for studies), `studies` how many stand behind it. A verdict
        over studies is about datasets or networks beyond them; `alike` is what each of these studies says by itself
        ("" where they differ). `p` is NaN where too few blocks could not reach alpha.
    """
    scopes, stand = _scopes(measures, cost), places(measures)
    rows: list[dict[str, Any]] = []
    for claim in claims.claims:
        for criterion in claims.criteria:
            behind = {
                study: evidence(claim, criterion, cost if claim.comparison == "at_most" else measures, study)
                for study in scopes["study"]
            }
            found = {study: _differences(claim, criterion, evidence) for study, evidence in behind.items()}
            decided = {study: judge(claim, differences, claims.alpha) for study, differences in found.items()}
            for scope, wheres in scopes.items():
                for where, studies in wheres.items():
                    each = {study: decided[study] for study in studies}
                    if scope == "study":
                        judged, each = Overall(decided[where]), {}
                    else:
                        of_place = Studies({study: stand.get(study, {}) for study in studies}, beside=scope)
                        judged = over(claim, {study: found[study] for study in studies}, each, of_place, claims.alpha)
                    row = _row(claim, criterion, scope, where, judged, claims.alpha, each)
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


def _row(
    claim: Claim, criterion: str, scope: str, where: str, judged: Overall, alpha: float, decided: dict[str, Decision]
) -> dict[str, Any]:
    decision = judged.decision
    row: dict[str, Any] = {
        "claim": claim.id, "criterion": criterion, "scope": scope, "where": where,
        "study": where if scope == "study" else "",
        "verdict": decision.verdict, "alike": judged.alike, "reason": decision.reason,
        "test": claim.test if scope == "study" else judged.test,
        "blocks": judged.blocks or ("repeats" if claim.comparison == "at_most" else "seeds"),
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
    return row | {"sentence": sentences.verdict(claim, row, alpha, each, decision.absent, judged.alone)}
