"""The page's part on repair without training: what each remedy is worth, and whether the order of criteria stays."""

from typing import Any

import pandas as pd

from secateur.analysis import tables
from secateur.report.page_tables import Table, build, p_value, percent, plain, signed

SAMPLES = ("images per class", str)


def worth_table(worth: pd.DataFrame) -> Table:
    """One row per criterion and remedy, best first."""
    frame = worth.sort_values(["study", "samples_per_class", "mean"], ascending=[True, True, False], kind="stable")
    return build(
        "remedies-table", "Every criterion with every remedy",
        "Accuracy averaged over the pruning rates, without retraining, with its exact interval over seeds. “Gain”: "
        "against the same pruned networks as they are, in percentage points; “Holm” is corrected for all criteria of "
        "the same remedy and setting.",
        frame, {
            "criterion": ("criterion", str), "remedy": ("remedy", str), "study": ("study", str),
            "samples_per_class": SAMPLES, "mean": ("mean accuracy over rates", percent), "low": ("from", percent),
            "high": ("to", percent), "gain": ("gain", signed), "gain_low": ("gain from", signed),
            "gain_high": ("gain to", signed), "wilcoxon_holm": ("Wilcoxon p, Holm", p_value), "n": ("seeds", plain),
            "note": ("note", str),
        }, "statistics/remedies.csv",
    )  # fmt: skip


def order_table(order: pd.DataFrame) -> Table:
    """One row per remedy: does it leave the order of criteria, and how far apart are they still?"""
    return build(
        "remedies-order-table", "Does a remedy change the order of criteria?",
        "Kendall's τ between the criteria's mean accuracies with and without the remedy, within each seed: 1 is the "
        "same order, 0 no relation; mean over seeds with its exact interval. “Apart”: best minus worst criterion, in "
        "percentage points.",
        order, {
            "remedy": ("remedy", str), "study": ("study", str), "samples_per_class": SAMPLES,
            "kendall": ("Kendall's τ", plain), "low": ("from", plain), "high": ("to", plain), "best": ("best", str),
            "spread": ("apart", signed), "spread_before": ("apart without it", signed), "n": ("seeds", plain),
        }, "statistics/remedies_order.csv",
    )  # fmt: skip


def sentences(worth: pd.DataFrame, order: pd.DataFrame) -> list[str]:
    """One sentence per study and remedy, on the largest number of images per class, from the rows of both tables."""
    found = []
    worth, order = (table.astype({"samples_per_class": str}) for table in (worth, order))
    for (study, remedy), rows in worth[worth["gain"].notna()].groupby(["study", "remedy"]):
        samples = tables.in_order(rows["samples_per_class"])[-1]
        mine = tables.records(rows[rows["samples_per_class"] == samples].sort_values("gain"))
        text = (
            f"{study}, {samples} images per class, remedy {remedy}: it changes mean accuracy by "
            f"{_points(mine[0])} ({mine[0]['criterion']}) to {_points(mine[-1])} ({mine[-1]['criterion']})"
        )
        here = (order["study"] == study) & (order["remedy"] == remedy) & (order["samples_per_class"] == samples)
        for row in tables.records(order[here]):
            text += (
                f"; best and worst criterion are then {100 * row['spread']:.1f} points apart, "
                f"{100 * row['spread_before']:.1f} without it"
            )
            if row["kendall"] == row["kendall"]:  # not NaN
                text += f" (Kendall's τ of the two orders {row['kendall']:.2f}{_interval(row)}, n = {row['n']})"
        found.append(text + ".")
    return found


def _points(row: dict[str, Any]) -> str:
    low, high = row["gain_low"], row["gain_high"]
    return f"{100 * row['gain']:+.1f} points" + (f" [{100 * low:+.1f}, {100 * high:+.1f}]" if low == low else "")


def _interval(row: dict[str, Any]) -> str:
    return f" [{row['low']:.2f}, {row['high']:.2f}]" if row["low"] == row["low"] else ""
