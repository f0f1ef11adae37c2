"""What the page says: badges, sentences, and the numbers of the protocol."""

import math
from typing import Any

import pandas as pd

from secateur.analysis import tables
from secateur.analysis.claims import Claims
from secateur.analysis.measures import ACCURACY
from secateur.analysis.sentences import badge
from secateur.report.drawing import BRANCHES
from secateur.report.page_tables import MAIN, branch_words

ICONS = {"supported": "✓", "contradicted": "✗", "undecided": "?"}


def sensitivity(power: pd.DataFrame) -> str:
    """What this run could have found, in a sentence; empty where it has too few seeds for any comparison."""
    found = power[power["unit"].eq(ACCURACY) & power["detectable"].map(math.isfinite)]
    if found.empty:
        return ""
    smallest, largest = 100 * found["detectable"].min(), 100 * found["detectable"].max()
    return (
        f"With the seeds and the spread of this run, a true difference beyond a claim's bound is found with 80 % power "
        f"if it is at least {smallest:.1f} to {largest:.1f} percentage points, depending on the comparison "
        "(statistics/power.csv, which also says how many seeds two points would need)."
    )


def badges(verdicts: pd.DataFrame, claims: Claims) -> list[dict[str, Any]]:
    """One badge a claim: the overall verdict of the first criterion, and those of the others and of every study."""
    found = []
    for claim in claims.claims:
        rows = verdicts[verdicts["claim"] == claim.id]
        overall = {row["criterion"]: row for row in tables.records(rows[rows["scope"] == "overall"])}
        first = _badge(overall[claims.criteria[0]])
        studies = tables.records(rows[rows["scope"] == "study"])
        found.append({
            "claim": claim, "criterion": claims.criteria[0],
            **{key: first[key] for key in ("kind", "says", "icon", "sentence")},
            "others": [_badge(row) for name, row in overall.items() if name != claims.criteria[0]],
            "studies": [_badge(row) for row in studies],
        })  # fmt: skip
    return found


def _badge(row: dict[str, Any]) -> dict[str, Any]:
    kind, says = badge(row)
    return row | {"kind": kind, "says": says, "icon": ICONS[kind]}


def headline(verdicts: pd.DataFrame, claims: Claims) -> list[str]:
    """How many of the paper's claims hold for each criterion they are tested for: a sentence each."""
    papers = [claim.id for claim in claims.claims if not claim.ours]
    overall = verdicts[(verdicts["scope"] == "overall") & verdicts["claim"].isin(papers)]
    sentences = []
    for criterion in claims.criteria:
        said = [badge(row) for row in tables.records(overall[overall["criterion"] == criterion])]
        ordered = sorted(set(said), key=lambda one: (list(ICONS).index(one[0]), one[1]))
        parts = [f"{said.count(one)} {one[1]}" for one in ordered]
        counted = f"all {parts[0]}" if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
        sentences.append(f"For {criterion}, of the paper's {len(papers)} claims: {counted}.")
    return sentences


def leaders(intervals: pd.DataFrame) -> list[str]:
    """Per branch, who leads by mean accuracy and who by how far 95 % of it is kept: each named with its own number.

    The numbers are columns of the table "All criteria at a glance", averaged over the studies where there are several,
    and only criteria that every study has can lead. Describes the means without a test; where sample counts differ,
    the smallest speaks, and the sentence says so.
    """
    sentences = []
    for branch, group in intervals.groupby("branch"):
        samples = tables.in_order(group["samples_per_class"])[0]
        chosen = group[group["samples_per_class"] == samples]
        images = "all reference images" if samples == "all" else f"{samples} reference image{'s' * (samples != '1')}"
        where = branch_words(str(branch)).replace("no ", "without ").capitalize()
        studies = chosen["study"].nunique()
        over = f", on average over {studies} studies" if studies > 1 else ""
        highest = _leader(chosen, MAIN)
        furthest = _leader(chosen, "rate_keeping_95")
        sentences.append(
            f"{where} and with {images} per class{over}: the highest mean accuracy over the rates is that of "
            f"{highest}; the largest share removed before accuracy falls below 95 % of the unpruned network's is that "
            f"of {furthest}."
        )
    return sentences


def _leader(intervals: pd.DataFrame, measure: str) -> str:
    """Who has the largest mean of `measure` over the studies, to the digits shown, with it and that of random."""
    values = intervals[intervals["measure"] == measure].pivot(index="criterion", columns="study", values="mean")
    shown = values.dropna().mean(axis=1).map(lambda mean: round(100 * mean, 1))
    best = [str(name) for name in shown[shown == shown.max()].index]
    beside = f", against {shown['random']:.1f} % at random" if "random" in shown and "random" not in best else ""
    return f"{' and '.join(best)} ({shown.max():.1f} %{beside})"


def facts(curves: pd.DataFrame) -> dict[str, Any]:
    """The numbers of the protocol as the tables show them (not as the config asked for)."""
    studies = curves.groupby("study").agg(
        dataset=("dataset", "first"), backbone=("backbone", "first"), seeds=("seed", "nunique"),
        test_samples=("test_samples", "max"), units=("units_total", "max"),
    ).reset_index()  # fmt: skip
    at_start = curves[curves["rate"] == 0].groupby("study")["accuracy"].mean()
    studies["accuracy"] = studies["study"].map(at_start)
    return {
        "studies": tables.records(studies),
        "networks": sorted({f"{study['dataset']} × {study['backbone']}" for study in tables.records(studies)}),
        "criteria": sorted(set(curves["criterion"])),
        "seeds": sorted(set(curves["seed"])),
        "branches": [(name, BRANCHES.get(name, name)) for name in sorted(set(curves["branch"]))],
        "samples": tables.in_order(curves["samples_per_class"]),
        "rates": {
            str(branch): sorted({float(rate) for rate in group["rate"] if rate > 0})
            for branch, group in curves.groupby("branch")
        },
        "largest_miss": float((curves["rate"] - curves["rate_achieved"]).abs().max()),
    }
