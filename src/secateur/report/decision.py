"""The page's first screen: which criterion to use on each network, how much can go, and what this was measured on."""

import math
from typing import Any

import pandas as pd

from secateur.analysis import tables
from secateur.report.drawing import counted
from secateur.report.table import percent

WORDS = {
    "none": "no training afterwards", "repaired": "repaired without labels or training", "retrained": "retrained",
}  # fmt: skip
BRANCH = {"none": "fewshot", "repaired": "fewshot", "retrained": "retrain"}
SHOWN_LEVEL = 3
"""So many criteria that are level are named in a row, the others counted."""
SMALL = 64
"""Networks that see images of at most so many pixels a side are called small."""


def rows(recommended: pd.DataFrame, cost: pd.DataFrame) -> list[dict[str, Any]]:
    """One row per treatment and study, in the words and numbers of `statistics/recommended.csv`.

    Args:
        recommended: that table; cost: the table `cost`, whose median ratio to a gradient pass is shown.
    """
    ratios = cost.groupby(["study", "criterion"])["ratio_to_gradient"].median() if len(cost) else pd.Series(dtype=float)
    recommendations = []
    for treatment, words in WORDS.items():
        for row in tables.records(recommended[recommended["treatment"] == treatment]):
            ratio = ratios.get((row["study"], row["criterion"]), math.nan)
            recommendations.append({
                "treatment": words, "branch": BRANCH[treatment],
                "remedy": row["remedy"] if treatment == "repaired" else "", "study": row["study"],
                "criterion": row["criterion"], "won": row["candidates"] == 1, "verdict": verdict(row),
                "filters": share(row, "rate"), "macs": share(row, "macs"), "params": share(row, "params"),
                "bound": row["at_limit"], "lead": lead(row), "runner_up": _text(row["runner_up"]),
                "cost": "–" if math.isnan(ratio) else f"{ratio:.1f}", "images": row["samples_per_class"], "n": row["n"],
            })  # fmt: skip
    return recommendations


def verdict(row: dict[str, Any]) -> str:
    """Whether the criterion is the clear winner, and which others are level with it."""
    if row["candidates"] == 1:
        return "clear winner" if _text(row["runner_up"]) else "the only one"
    if row["few"]:
        return f"no clear winner: {row['n']} seeds cannot tell"
    others = [name for name in str(row["level"]).split(";") if name != row["criterion"]]
    named = ", ".join(others[:SHOWN_LEVEL])
    more = f" and {len(others) - SHOWN_LEVEL} more" if len(others) > SHOWN_LEVEL else ""
    sure = "; its lead is above 0 by itself, but not sure among so many comparisons" if row["lead_low"] > 0 else ""
    return f"no clear winner: level with {named}{more}{sure}"


def share(row: dict[str, Any], name: str) -> dict[str, str]:
    """A share that can go, with its interval; "≥" where no seed's curve fell so far."""
    bound = "≥ " if row["at_limit"] == row["n"] else ""
    return {"value": bound + percent(row[name]), "interval": _interval(row, name, percent)}


def lead(row: dict[str, Any]) -> dict[str, str]:
    """How far the criterion is ahead of the next one, in points of mean accuracy."""
    if not _text(row["runner_up"]):
        return {"value": "–", "interval": ""}

    def points(value: float) -> str:
        return f"{100 * value:+z.1f}".replace("-", "−")

    return {"value": points(row["lead"]), "interval": _interval(row, "lead", points)}


def _interval(row: dict[str, Any], name: str, write: Any) -> str:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return "" if math.isnan(low) else f"{write(low).removesuffix(' %')} to {write(high)}"


def _text(value: Any) -> str:
    """A cell of a table of words, empty where there is none."""
    return "" if value is None or value != value else str(value)


def scope(facts: dict[str, Any], sizes: dict[str, int], datasets: pd.DataFrame) -> str:
    """What the numbers are about, in a line: datasets with their classes and what guessing gets, networks, seeds.

    Args:
        facts: from `content.facts`; sizes: backbone → side of its input in pixels; datasets: datasets.csv, possibly
            empty, in runs whose statistics do not have it.
    """
    about = {row["dataset"]: row for row in tables.records(datasets)}
    images = {study["dataset"]: int(study["test_samples"]) for study in facts["studies"]}
    data = []
    for name in sorted(images):
        known = about.get(name)
        classes = f"{known['classes']:,} classes of " if known else ""
        chance = f", chance {100 * known['chance']:.3g} %" if known else ""
        data.append(f"{classes}{name} ({images[name]:,} test images{chance})")
    backbones = sorted({study["backbone"] for study in facts["studies"]})
    networks = [f"{name} ({sizes[name]}×{sizes[name]} pixels)" if name in sizes else name for name in backbones]
    small = "small " if backbones and all(sizes.get(name, SMALL + 1) <= SMALL for name in backbones) else ""
    noun = "network" if len(backbones) == 1 else "networks"
    return (
        f"Measured on {', '.join(data)}; {len(backbones)} {small}{noun}: {', '.join(networks)}; "
        f"{counted(len(facts['seeds']), 'seed')}. Other data and networks may rank criteria differently."
    )
