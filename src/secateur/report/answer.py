"""The answer: a card a claim with its badges, how robust each verdict is, and what the paper's claims come to."""

from typing import Any

import pandas as pd

from secateur.analysis import tables
from secateur.analysis.claims import STRONGEST, Claim, Claims
from secateur.analysis.decisions import CONTRADICTED, SUPPORTED, UNDECIDED
from secateur.analysis.forms import criteria_of
from secateur.analysis.paired import holm
from secateur.analysis.sentences import badge

ICONS = {SUPPORTED: "✓", CONTRADICTED: "✗", UNDECIDED: "?"}
ROBUST = {
    "verdict_macs": "at equal MACs",
    "verdict_params": "at equal parameters",
    "verdict_worst_class": "by the worst class",
    "verdict_holm": "with Holm's correction over all {} together",
}
"""Column of verdicts.csv → the same test in words."""


def cards(verdicts: pd.DataFrame, claims: Claims) -> list[dict[str, Any]]:
    """One card a claim. Its badges are the overall verdicts of the paper's criterion (or where the run does not have it
    of the first that it has): against rivals as published, and beside it against their strongest forms.

    Returns:
        For each card the `claim`; `badges`, each a row of verdicts.csv with `kind` and `says` (see `sentences.badge`),
        its `icon`, a `label` where there are two, and `robust`, a sentence; `variants` and `studies`, rows with the
        first three; and `note`, a sentence or "".
    """
    by_id = {claim.id: claim for claim in claims.claims}
    on_page = []
    for claim in claims.claims:
        if claim.strongest:
            continue
        both = [one for one in (claim, by_id.get(claim.id + STRONGEST)) if one is not None]
        names = criteria_of(claim, claims, verdicts.loc[verdicts["claim"] == claim.id, "criterion"])
        shown = claims.paper if claims.paper in names else names[0]
        rows = {one.id: _rows(verdicts, one.id) for one in both}
        badges = [
            row | {"label": "" if len(both) == 1 else "against " + ("rivals at their strongest" if one.strongest else
                                                                    "rivals as published"),
                   "robust": robust(one, row)}
            for one in both for row in rows[one.id] if row["scope"] == "overall" and row["criterion"] == shown
        ]  # fmt: skip
        tested = [name for name in names if name in claims.criteria]
        every = [row for one in both for row in rows[one.id] if row["criterion"] in tested]
        on_page.append({
            "claim": claim, "badges": badges,
            "variants": [row for row in every if row["scope"] == "overall" and row["criterion"] != shown],
            "studies": [row for row in every if row["scope"] == "study"],
            "note": _passed(rows[claim.id], claims) if claim.judged_for == "all" else "",
        })  # fmt: skip
    return on_page


def robust(claim: Claim, row: dict[str, Any]) -> str:
    """The same test by other measures and with a stricter correction, in a sentence; "" where there is none."""
    over = "rivals and criteria" if claim.rivals and claim.comparison != "equivalent" else "criteria"
    over = "forms" if claim.comparison == "equivalent" else over
    parts = [f"{words.format(over)}: {row[column]}" for column, words in ROBUST.items() if row[column]]
    return f"The same test {'; '.join(parts)}." if parts and row["n"] else ""


def headline(verdicts: pd.DataFrame, claims: Claims) -> list[str]:
    """What the paper's claims come to for its own criterion, corrected for their number; beside it what each is against
    rivals at their strongest; and which criteria are variants."""
    papers = [claim.id for claim in claims.claims if not claim.ours]
    strongest = [claim.id for claim in claims.claims if claim.strongest]
    own = verdicts[verdicts["criterion"] == claims.paper]
    sentences = []
    if claims.paper not in claims.criteria or not own["claim"].isin(papers).any():
        text = f"This run does not have the paper's criterion, {claims.paper}: it says nothing about its claims."
        sentences.append(text)
    else:
        sentences.append(
            f"For {claims.paper}, the paper's own criterion, of its {len(papers)} claims: "
            f"{_counted(own, papers, claims)}, corrected for their number by Holm."
        )
        overall = tables.records(own[(own["scope"] == "overall") & own["claim"].isin(strongest)])
        if said := [f"{row['claim']} {badge(row)[1]}" for row in overall]:
            sentences.append(f"Against every form of each rival that this run has, each by itself: {', '.join(said)}.")
    if others := [name for name in claims.criteria if name != claims.paper]:
        sentences.append(
            f"{_joined(others)}: {'variants' if len(others) > 1 else 'a variant'} of LRP with verdicts of "
            f"{'their' if len(others) > 1 else 'its'} own below, not counted here."
        )
    return sentences


def _counted(own: pd.DataFrame, ids: list[str], claims: Claims) -> str:
    """How many of these claims are what, with Holm's correction over them; `own`: rows of the paper's criterion."""
    overall = tables.records(own[(own["scope"] == "overall") & own["claim"].isin(ids)])
    corrected = holm([_p(row, own) for row in overall])
    said = [badge(row)[1] if p <= claims.alpha else UNDECIDED for row, p in zip(overall, corrected, strict=True)]
    ordered = sorted(set(said), key=lambda words: (list(ICONS).index(words.split()[0]), words))
    return _joined([f"{said.count(words)} {words}" for words in ordered])


def _passed(rows: list[dict[str, Any]], claims: Claims) -> str:
    """Which criteria of the run pass, each by itself and all together: what others pass too says little about one."""
    overall = [row for row in rows if row["scope"] == "overall"]
    passing = [row["criterion"] for row in overall if row["kind"] == SUPPORTED]
    together = sum(row["verdict_holm"] == SUPPORTED for row in overall)
    shown = [f"{row['criterion']} to {100 * row['keeps_to']:.0f} %" for row in overall if row["criterion"] in passing]
    alone = "by itself" if len(passing) == 1 else "each by itself"
    text = f"Of the {len(overall)} criteria of this run, {len(passing) or 'none'} {_pass(passing)} {alone}"
    text += f": {_joined(shown)}; with Holm's correction over all of them, {together or 'none'}." if passing else "."
    others = [name for name in passing if name not in claims.criteria]
    if others and claims.paper in passing:
        text += f" Since {_joined(others)} {_pass(others)} too, this says little about {claims.paper}."
    return text


def _pass(names: list[str]) -> str:
    return "passes" if len(names) == 1 else "pass"


def _p(row: dict[str, Any], own: pd.DataFrame) -> float:
    """The p-value of what a badge says; 1 where it says nothing. What all studies say needs each of their tests."""
    kind, _ = badge(row)
    if kind == UNDECIDED:
        return 1.0
    if row["verdict"] == kind:
        return float(row["p"])
    return float(own.loc[(own["claim"] == row["claim"]) & (own["scope"] == "study"), "p"].max())


def _rows(verdicts: pd.DataFrame, claim: str) -> list[dict[str, Any]]:
    rows = []
    for row in tables.records(verdicts[verdicts["claim"] == claim]):
        kind, says = badge(row)
        rows.append(row | {"kind": kind, "says": says, "icon": ICONS[kind]})
    return rows


def _joined(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
