"""The 2-D study beside the published figures: its tables and sentences on the page."""

from pathlib import Path
from typing import Any

from secateur.analysis.reproduction import LEAST_NETWORKS, WRONG_ALLOWED
from secateur.analysis.tables import records
from secateur.report.drawing import read_statistics
from secateur.report.table import Table, build, p_value, percent, plain, signed

TRAINED = {
    "fitted": "large steps whose size was fitted (chosen so that the published picture comes back)",
    "published": "the authors' own 10,000 steps of 0.001, which were not fitted",
}


def points(value: float) -> str:
    """A share as percentage points with one decimal, or a dash."""
    return percent(value).removesuffix(" %")


def toy_tables(statistics: Path) -> list[Table]:
    """The 2-D study's comparison with the published figures and its ordering, where the run has them."""
    tables = []
    if (statistics / "toy_published.csv").exists():
        tables.append(build(
            "toy-published", "Published beside reproduced",
            "Accuracy after pruning. “Within”: half the 95 % prediction interval for one more network of ours, from "
            "both spreads and their numbers of networks, draws and points; reproduced: the difference lies within it. "
            "“Detects”: a true difference of this size would be found in 80 % of the cases. Notes are explained in "
            "report/published/toy_differences.yaml.",
            read_statistics(statistics, "toy_published"), {
                "dataset": ("set", str), "criterion": ("criterion", str), "samples_per_class": ("samples", str),
                "variant": ("network", str), "references": ("references", str), "steps": ("steps", str),
                "evaluated_on": ("on", str), "noise_sigma": ("noise", plain), "published_mean": ("published", percent),
                "ours_mean": ("ours", percent), "difference": ("difference", signed), "half_width": ("within", points),
                "detectable": ("detects", points), "networks": ("n", plain), "verdict": ("verdict", str),
                "note": ("note", str),
            }, "statistics/toy_published.csv",
        ))  # fmt: skip
    if (statistics / "toy_cells.csv").exists():
        tables.append(build(
            "toy-cells", "How many cells are reproduced, and how much that says",
            "Cells on the training points. The negative control: how often the published cell of another criterion "
            "would pass in place of the right one; “distinct” are the pairs whose published means differ by more than "
            "their own draws and points can.",
            read_statistics(statistics, "toy_cells"), {
                "dataset": ("set", str), "variant": ("network", str), "references": ("references", str),
                "steps": ("steps", str), "cells": ("published cells", plain), "tested": ("tested", plain),
                "reproduced": ("reproduced", plain), "mean_absolute_difference": ("mean difference", points),
                "detectable": ("detects (median)", points), "wrong_pairs": ("wrong pairs", plain),
                "wrong_passed": ("… that pass", plain), "distinct_pairs": ("distinct pairs", plain),
                "distinct_passed": ("… that pass", plain),
            }, "statistics/toy_cells.csv",
        ))  # fmt: skip
    if (statistics / "toy_ordering.csv").exists():
        tables.append(build(
            "toy-ordering", "The published ordering, tested",
            "LRP at least as good as weight, weight better than Taylor, Taylor better than gradient: one-sided "
            "permutation tests with networks as blocks.",
            read_statistics(statistics, "toy_ordering"), {
                "dataset": ("set", str), "variant": ("network", str), "references": ("references", str),
                "steps": ("steps", str), "samples_per_class": ("samples", str), "better": ("better", str),
                "other": ("than", str),
                "difference": ("difference", signed), "low": ("from", signed), "high": ("to", signed),
                "p": ("p", p_value), "networks": ("n", plain), "pair": ("pair", str), "ordering": ("ordering", str),
            }, "statistics/toy_ordering.csv",
        ))  # fmt: skip
    return tables


def toy_sentences(statistics: Path) -> list[str]:
    """How much of the published 2-D study is reproduced by the network that the authors ran, in words.

    Every number is one of a row of toy_cells.csv: that of all sets, the variant "authors", and generated references.
    """
    if not (statistics / "toy_cells.csv").exists():
        return []
    cells = read_statistics(statistics, "toy_cells")
    chosen = cells[(cells["dataset"] == "all") & (cells["variant"] == "authors") & (cells["references"] == "generated")]
    return [_counted(row) for row in records(chosen)]


def _counted(row: dict[str, Any]) -> str:
    how = TRAINED[str(row["steps"])]
    if not row["tested"]:
        return (
            f"Published figures are not judged for networks trained with {how}: that takes at least {LEAST_NETWORKS} "
            "networks of each set (config/toy.yaml has more)."
        )
    passed = row["wrong_passed"] / row["wrong_pairs"]
    text = (
        f"With {how}, {row['reproduced']} of the {row['tested']} published accuracies on the training points that were "
        f"tested lie within the 95 % prediction interval for one more network of ours; on average ours differ by "
        f"{100 * row['mean_absolute_difference']:.1f} points, and a difference of {100 * row['detectable']:.1f} points "
        f"(median) would be found with 80 % power. The negative control: the published accuracy of another criterion "
        f"would pass in {row['wrong_passed']} of {row['wrong_pairs']} pairs ({100 * passed:.0f} %)"
    )
    if passed <= WRONG_ALLOWED:
        return f"{text}."
    alike = row["wrong_pairs"] - row["distinct_pairs"]
    return (
        f"{text}, more than {100 * WRONG_ALLOWED:.0f} %: in {alike} pairs the published figures do not differ by more "
        f"than their own draws and points can; of the {row['distinct_pairs']} others {row['distinct_passed']} pass, "
        "since the interval is as wide as networks differ that were trained alike."
    )
