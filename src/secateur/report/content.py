"""What the page says beside its answer: sentences, and the numbers of the protocol."""

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from secateur.analysis import tables
from secateur.analysis.measures import ACCURACY
from secateur.pruning import worded
from secateur.report.drawing import BRANCHES, counted


def sensitivity(power: pd.DataFrame) -> str:
    """What this run could have found, in a sentence; empty where it has too few seeds for any comparison."""
    in_accuracy = power[power["unit"].eq(ACCURACY) & power["detectable"].map(math.isfinite)]
    if in_accuracy.empty:
        return ""
    smallest, largest = 100 * in_accuracy["detectable"].min(), 100 * in_accuracy["detectable"].max()
    return (
        f"With the seeds and the spread of this run, a true difference beyond a claim's bound is found with 80 % power "
        f"if it is at least {smallest:.1f} to {largest:.1f} percentage points, depending on the comparison "
        "(statistics/power.csv, which also says how many seeds two points would need)."
    )


VARIED = {
    "head": ("the start of the classification head, the validation part and the order of the training images",
             "one trained head"),
    "references": ("the draw of the reference images", "one draw of reference images"),
    "pretraining": ("the pretrained backbone", "one pretrained backbone"),
    "split": ("the division into training and test images", "one division into training and test images"),
}  # fmt: skip
"""Component of a seed (`secateur.varying`) → what varies, and what all seeds share where it does not, in words."""


def conditional(vary: Sequence[str]) -> str:
    """What a seed varies, and what the intervals and verdicts of a study are therefore conditional on."""
    varied = [words[0] for name, words in VARIED.items() if name in vary]
    shared = [words[1] for name, words in VARIED.items() if name not in vary]
    text = f"A seed varies {_listed(varied)}."
    if not shared:
        return f"{text} All seeds of a study share its images and its architecture, and nothing else."
    return (
        f"{text} All seeds of a study share {_listed(shared)}: its intervals and verdicts are conditional on that, and "
        "say nothing about what another would give."
    )


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def kinds(units: pd.DataFrame) -> str:
    """What the page's word “filters” stands for, in a sentence: how many units of each kind every network can lose.

    Empty where that is filters alone, or where the run has no table `units`.
    """
    free = units[units["group"].ne("") & units["left_out"].eq("")].drop_duplicates(["study", "group"])
    if set(free["kind"]) <= {"filter"}:
        return ""
    sizes: dict[str, list[str]] = {}
    for row in tables.records(free.groupby(["study", "kind"])["units"].sum().reset_index()):
        sizes.setdefault(row["study"], []).append(counted(int(row["units"]), worded(row["kind"])))
    networks = [f"{study} {_listed(counts)}" for study, counts in sizes.items()]
    return f"“Filters” stands for every unit that can go on this page: {'; '.join(networks)}."


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
        "images": {  # of each branch
            str(branch): tables.in_order(group["samples_per_class"]) for branch, group in curves.groupby("branch")
        },
        "largest_miss": float((curves["rate"] - curves["rate_achieved"]).abs().max()),
    }
