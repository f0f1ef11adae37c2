"""Verdicts: is a claim supported, contradicted or undecided by the data, per study, dataset, backbone and overall?

What a test says is decided in `decisions`, what several studies say together in `overall`, which rows a claim is about
in `evidence`, and what becomes of a verdict under other measures or a stricter correction in `robustness`; here is the
table of all verdicts.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from secateur.analysis import sentences
from secateur.analysis.claims import Claim, Claims
from secateur.analysis.decisions import UNDECIDED, Decision, judge
from secateur.analysis.evidence import ABOVE, controlled, differences, evidence, source
from secateur.analysis.forms import criteria_of
from secateur.analysis.measures import MEASURES, UNPRUNED
from secateur.analysis.overall import TEST, Overall, Studies, over, places
from secateur.analysis.robustness import OTHER_MEASURES, corrected, unanimous, with_measure

COLUMNS = [
    "claim", "criterion", "scope", "where", "study", "verdict", "alike", "reason", "test", "blocks", "n", "against",
    "effect", "low", "high", "rank_biserial", "p", "at", "keeps_to", "control", "unit", "studies", *OTHER_MEASURES,
    "verdict_holm", "sentence", "source",
]  # fmt: skip
Place = tuple[str, str]
"""A scope ("study", "dataset", "backbone" or "overall") and the name of the place that it has ("" overall)."""


@dataclass(frozen=True)
class Judged:
    """What was decided at one place: beyond its studies, by each where it is about several, and on what rows."""

    overall: Overall
    each: dict[str, Decision]
    control: str
    source: str

    @property
    def decision(self) -> Decision:
        """Its decision."""
        return self.overall.decision

    @property
    def by_studies(self) -> bool:
        """Whether there is no test over the studies, so that what they say alike stands in its place."""
        return bool(self.each) and self.overall.test != TEST

    @property
    def kind(self) -> str:
        """Its verdict, or where it is undecided what all of its studies say; "" without any data."""
        if not self.decision.n:
            return ""
        return self.decision.verdict if self.decision.verdict != UNDECIDED else self.overall.alike or UNDECIDED


def verdicts(measures: pd.DataFrame, cost: pd.DataFrame, claims: Claims) -> pd.DataFrame:
    """The verdict on every claim, for every criterion it is tested for, at every scope.

    Args:
        measures: from `measures.measure_both`; may lack criteria, branches or studies. Its column `line`, and that of
            `cost`, where they have one, become the sources.
        cost: the table `cost`, possibly empty.
        claims: from `forms.of_run`.

    Returns:
        Columns `COLUMNS`. `scope` is "study", "dataset", "backbone" or "overall", `where` the name of the one that the
        verdict is about ("" overall; `study` repeats it for studies), `studies` how many stand behind it. A verdict
        over studies is about datasets or networks beyond them; `alike` is what each of these studies says by itself
        ("" where they differ). `p` is NaN where too few blocks could not reach alpha. For claims of the kind `keeps`,
        `keeps_to` is the rate up to which accuracy is kept (0: none), `control` what it is held against ("unpruned", or
        "": the network before pruning). `verdict_…` is what the same verdict (or `alike`, in its place) is by other
        measures and after a stricter correction, "" where there is no such test.
    """
    found_at, stand = _places(measures, cost), places(measures)
    measured = set(measures.loc[measures["control"] == "", "criterion"])
    rows: list[dict[str, Any]] = []
    for claim in claims.claims:
        table = cost if claim.comparison == "at_most" else measures
        held = Held(table, found_at, stand, claims.alpha)
        names = criteria_of(claim, claims, measured)
        judged = {name: _judged(claim, name, held) for name in names}
        strict = _strict(judged, held)
        for name in names:
            others = {column: with_measure(claim, column) for column in OTHER_MEASURES}
            again = {column: _judged(other, name, held) for column, other in others.items() if other is not None}
            for place, studies in found_at.items():
                row = _row(claim, name, place, judged[name][place], claims.alpha, len(studies))
                row |= {column: again[column][place].kind if column in again else "" for column in OTHER_MEASURES}
                rows.append(row | {"verdict_holm": strict[place][name]})
    return pd.DataFrame(rows, columns=COLUMNS)


@dataclass(frozen=True)
class Held:
    """What claims are held against: the table with their evidence, every place with its studies, where each study
    stands (see `overall.places`), and the level."""

    table: pd.DataFrame
    places: dict[Place, list[str]]
    stand: dict[str, dict[str, str]]
    alpha: float


def _places(measures: pd.DataFrame, cost: pd.DataFrame) -> dict[Place, list[str]]:
    """Every place → its studies; one that has a cost alone is of no known dataset or backbone."""
    studies = sorted(set(measures["study"]) | set(cost["study"]))
    studies_at = {("study", study): [study] for study in studies}
    for scope in ("dataset", "backbone"):
        of_study = measures.groupby("study")[scope].first()
        for place in sorted(of_study.unique(), key=str):
            studies_at[scope, str(place)] = sorted(of_study[of_study == place].index)
    return studies_at | {("overall", ""): studies}


def _judged(claim: Claim, criterion: str, held: Held) -> dict[Place, Judged]:
    """What is decided about one claim and criterion at every place."""
    studies = [where for scope, where in held.places if scope == "study"]
    behind = {study: evidence(claim, criterion, held.table, study) for study in studies}
    by_study = {study: differences(claim, criterion, rows) for study, rows in behind.items()}
    decided = {study: judge(claim, values, held.alpha) for study, values in by_study.items()}
    made = {}
    for (scope, where), inside in held.places.items():
        each: dict[str, Decision] = {}
        if scope == "study":
            overall = Overall(decided[where], claim.test)
        else:
            each = {study: decided[study] for study in inside}
            of_place = Studies({study: held.stand.get(study, {}) for study in inside}, beside=scope)
            overall = over(claim, {study: by_study[study] for study in inside}, each, of_place, held.alpha)
        control = UNPRUNED if inside and all(controlled(behind[study]) for study in inside) else ""
        made[scope, where] = Judged(overall, each, control, source(claim, behind, inside))
    return made


def _strict(by_criterion: dict[str, dict[Place, Judged]], held: Held) -> dict[Place, dict[str, str]]:
    """Place → criterion → its verdict when all comparisons of all criteria at that place are corrected together."""
    made: dict[Place, dict[str, str]] = {}
    for place, studies in held.places.items():  # studies come first
        here = {name: judged[place] for name, judged in by_criterion.items()}
        made[place] = corrected({name: one.decision for name, one in here.items()}, held.alpha)
        for name, one in here.items():
            if one.by_studies:
                made[place][name] = unanimous([made["study", study][name] for study in studies])
    return made


def _row(claim: Claim, criterion: str, place: Place, judged: Judged, alpha: float, studies: int) -> dict[str, Any]:
    decision, overall, (scope, where) = judged.decision, judged.overall, place
    row: dict[str, Any] = {
        "claim": claim.id, "criterion": criterion, "scope": scope, "where": where,
        "study": where if scope == "study" else "",
        "verdict": decision.verdict, "alike": overall.alike, "reason": decision.reason, "test": overall.test,
        "blocks": overall.blocks or ("repeats" if claim.comparison == "at_most" else "seeds"),
        "n": decision.n, "against": decision.against, "effect": decision.effect, "low": decision.low,
        "high": decision.high, "rank_biserial": decision.rank_biserial, "p": decision.p, "at": np.nan,
        "keeps_to": np.nan, "control": "", "unit": "accuracy", "studies": studies, "source": judged.source,
    }  # fmt: skip
    if claim.comparison == "at_most":
        row |= {
            "unit": "gradient passes" if claim.measure == "ratio_to_gradient" else claim.measure,
            "effect": claim.limit * np.exp(-decision.effect), "low": claim.limit * np.exp(-decision.high),
            "high": claim.limit * np.exp(-decision.low),
        }  # fmt: skip
    elif claim.comparison == "keeps":
        row |= {
            "at": float(decision.against) if decision.n else np.nan, "keeps_to": _kept(judged),
            "control": judged.control,
        }  # fmt: skip
    else:
        row["unit"] = MEASURES[claim.measure][1]
    if claim.comparison == "equivalent" and decision.n:  # the form minus the criterion, whichever side decided
        form, _, side = decision.against.rpartition(" ")
        row["against"] = form
        if side == ABOVE:
            row |= {"effect": -decision.effect, "low": -decision.high, "high": -decision.low}
            row["rank_biserial"] = -decision.rank_biserial
    each = {study: one.verdict for study, one in judged.each.items()}
    return row | {"sentence": sentences.verdict(claim, row, alpha, each, decision.absent, overall.alone)}


def _kept(judged: Judged) -> float:
    """Rate up to which accuracy is kept, 0 where at none; where no test is made over studies the least of theirs."""
    if not judged.decision.n:
        return np.nan
    decisions = judged.each.values() if judged.by_studies else [judged.decision]
    return min(float(one.passed[-1]) if one.passed else 0.0 for one in decisions)
