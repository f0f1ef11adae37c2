"""The page's part on repair without training: what each remedy is worth, and whether the order of criteria stays."""

from typing import Any

import pandas as pd

from secateur.analysis import tables
from secateur.analysis.sentences import badge
from secateur.repair import NONE
from secateur.report.table import Table, build, in_bytes, p_value, percent, plain, signed

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


def verdicts_table(verdicts: pd.DataFrame) -> Table:
    """Every verdict on a claim about networks that are not retrained, in each cell of criterion × remedy.

    Args:
        verdicts: verdicts.csv with the rows of all remedies.
    """
    judged = set(verdicts.loc[verdicts["remedy"] != NONE, "claim"])
    frame = verdicts[verdicts["claim"].isin(judged)]
    frame = frame.assign(where=frame["where"].where(frame["scope"] != "overall", "all"))
    return build(
        "remedies-verdicts-table", "The claims with every remedy",
        "The claims about pruning without retraining, judged anew for networks repaired by each remedy, by the same "
        "tests. Effect and interval belong to the comparison that decides; 0.01 is one percentage point.",
        frame, {
            "claim": ("claim", str), "criterion": ("criterion", str), "remedy": ("remedy", str),
            "scope": ("about", str), "where": ("which", str), "verdict": ("verdict", str),
            "alike": ("each study", str), "against": ("against", str), "effect": ("effect", plain),
            "low": ("from", plain), "high": ("to", plain), "p": ("p", p_value), "n": ("n", plain),
            "source": ("from", str),
        }, "statistics/verdicts.csv",
    )  # fmt: skip


def cost_table(cost: pd.DataFrame) -> Table:
    """Median time of each remedy beside a forward and a gradient pass, and its memory; `cost`: with all remedies."""
    return build(
        "remedies-cost-table", "What a repair costs",
        "Median over repeats, each timed beside a forward pass on the same images: the repair of a network that has "
        "lost half of every layer's units. “None” needs no time.",
        _cost(cost), {
            "remedy": ("remedy", str), "study": ("study", str), "seconds": ("seconds", plain),
            "passes": ("forward passes", plain), "peak_bytes": ("peak memory", in_bytes),
            "samples": ("images", plain), "repeats": ("repeats", plain), "device": ("device", str),
        }, "tables/cost.csv",
    )  # fmt: skip


def _cost(cost: pd.DataFrame) -> pd.DataFrame:
    timed = cost[cost["remedy"] != NONE]
    timed = timed.assign(passes=timed["seconds"].astype(float) / timed["forward_seconds"].astype(float))
    return (
        timed.groupby(["study", "remedy", "device", "samples"])
        .agg(seconds=("seconds", "median"), passes=("passes", "median"), peak_bytes=("peak_bytes", "median"),
             repeats=("repeat", "nunique"))
        .reset_index()
    )  # fmt: skip


def cost_sentences(cost: pd.DataFrame) -> list[str]:
    """One sentence per study: what each remedy takes, from the rows of `cost_table`."""
    lines = []
    for study, rows in _cost(cost).groupby("study"):
        parts = [
            f"{row['remedy']} {plain(row['seconds'])} s ({plain(row['passes'])} forward passes)"
            for row in tables.records(rows)
        ]
        lines.append(f"{study}, time of a repair on {rows['samples'].iloc[0]} images: {', '.join(parts)}.")
    return lines


def verdict_sentences(verdicts: pd.DataFrame, paper: str) -> list[str]:
    """One sentence per claim: what is said of the criterion `paper` over all studies, without and with each remedy."""
    lines = []
    judged = set(verdicts.loc[verdicts["remedy"] != NONE, "claim"])
    chosen = verdicts[(verdicts["criterion"] == paper) & (verdicts["scope"] == "overall")]
    for claim, rows in chosen[chosen["claim"].isin(judged)].groupby("claim", sort=True):
        says = {row["remedy"]: badge(row)[1] for row in tables.records(rows)}
        with_each = [f"{words} with {remedy}" for remedy, words in says.items() if remedy != NONE]
        lines.append(f"{claim} for {paper}: {says.get(NONE, 'not judged')} as cut, {', '.join(with_each)}.")
    return lines


def sentences(worth: pd.DataFrame, order: pd.DataFrame) -> list[str]:
    """One sentence per study and remedy, on the largest number of images per class, from the rows of both tables."""
    lines = []
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
        lines.append(text + ".")
    return lines


def _points(row: dict[str, Any]) -> str:
    low, high = row["gain_low"], row["gain_high"]
    return f"{100 * row['gain']:+z.1f} points" + (f" [{100 * low:+z.1f}, {100 * high:+z.1f}]" if low == low else "")


def _interval(row: dict[str, Any]) -> str:
    return f" [{row['low']:.2f}, {row['high']:.2f}]" if row["low"] == row["low"] else ""
