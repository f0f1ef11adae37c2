"""The page's second table: every criterion in every setting by every measure, and sentences about who leads in it."""

import math
from typing import Any

import pandas as pd

from secateur.analysis import tables
from secateur.report.drawing import samples_title
from secateur.report.page_tables import MAIN
from secateur.report.table import Cell, Table, branch_words, build, of_setting, percent, plain, row_id

KEYS = ["study", "branch", "samples_per_class"]
KEPT = "rate_keeping_95"
MEASURES = {
    MAIN: ("mean accuracy over rates", True),
    "mean_accuracy_over_macs": ("… over MACs", True),
    "mean_worst_class_over_rate": ("worst class over rates", True),
    KEPT: ("keeps 95 % to rate", True),
    "macs_left_keeping_95": ("MACs left there", False),
    "collapse_rate": ("worst class halves at rate", True),
}
"""Measure of intervals.csv → its heading, and whether more is better."""
WORST_HEAT = 3
"""Fewer criteria than this are not coloured by rank: there is nothing to see."""


def summary(intervals: pd.DataFrame, cost: pd.DataFrame) -> Table:
    """One row per criterion and setting, the best by mean accuracy first, each number with its interval.

    Args:
        intervals: intervals.csv; cost: the table `cost`, possibly empty.
    """
    chosen = intervals[intervals["measure"].isin(list(MEASURES))]
    frame = _wide(chosen, "mean")
    low, high = (_wide(chosen, side).set_index([*KEYS, "criterion"]) for side in ("low", "high"))
    counts = chosen[chosen["measure"] == MAIN].set_index([*KEYS, "criterion"])["n"]
    keys = pd.MultiIndex.from_frame(frame[[*KEYS, "criterion"]])
    frame["n"] = counts.reindex(keys).to_numpy()
    ratios = cost.groupby(["study", "criterion"])["ratio_to_gradient"].median() if len(cost) else pd.Series(dtype=float)
    pairs = zip(frame["study"], frame["criterion"], strict=True)
    frame["passes"] = [float(ratios.get(pair, math.nan)) for pair in pairs]
    frame["order"] = frame["samples_per_class"].map(tables.in_order(frame["samples_per_class"]).index)
    frame = frame.sort_values(["study", "branch", "order", MAIN], ascending=[True, True, True, False], kind="stable")
    table = build(
        "glance", "All criteria, all measures",
        "Means over seeds; small: exact 95 % intervals over seeds. The stronger a cell's colour, the better its rank "
        "in its column and setting. “Keeps 95 %”: up to this share of filters removed, accuracy stays at 95 % of the "
        "unpruned network's or more. Cost: of ranking once, in gradient passes.",
        frame, {
            "criterion": ("criterion", str), "study": ("study", str), "branch": ("retraining", branch_words),
            "samples_per_class": ("images per class", str),
            **{measure: (heading, percent) for measure, (heading, _) in MEASURES.items()},
            "passes": ("cost", plain), "n": ("seeds", plain),
        }, "statistics/intervals.csv", lambda row: of_setting(row) | {"id": glance_id(row)}, len(frame),
    )  # fmt: skip
    return _with_intervals(table, frame, low, high)


def glance_id(row: dict[str, Any]) -> str:
    """The id of a criterion's row in the summary."""
    return row_id("at", *(row[key] for key in KEYS), row["criterion"])


def _wide(intervals: pd.DataFrame, values: str) -> pd.DataFrame:
    wide = intervals.pivot(index=[*KEYS, "criterion"], columns="measure", values=values)
    return wide.reindex(columns=list(MEASURES)).reset_index()


def _with_intervals(table: Table, frame: pd.DataFrame, low: pd.DataFrame, high: pd.DataFrame) -> Table:
    """The same table with each measure's interval below its mean, and coloured by its rank in its setting."""
    places = {heading: number for number, heading in enumerate(table.head)}
    groups = frame.groupby(KEYS, sort=False)
    for measure, (heading, more) in MEASURES.items():
        if heading not in places:  # a measure that no curve of this run has
            continue
        ranks = groups[measure].rank(ascending=not more, method="min")
        most = groups[measure].transform("count")
        for number, row in enumerate(tables.records(frame.head(len(table.rows)))):
            key = (*(row[name] for name in KEYS), row["criterion"])
            cell = table.rows[number][places[heading]]
            span = (low.loc[key, measure], high.loc[key, measure])
            beside = "" if math.isnan(span[0]) else f"{100 * span[0]:.1f}–{100 * span[1]:.1f}"
            rank, of = float(ranks.iloc[number]), int(most.iloc[number])
            coloured = of >= WORST_HEAT and not math.isnan(rank)
            heat = f"{(of - rank) / (of - 1):.2f}".rstrip("0").rstrip(".") if coloured else ""
            table.rows[number][places[heading]] = Cell(cell.text, cell.sort, True, "", beside, heat)
    return table


def by_rate(intervals: pd.DataFrame) -> Table:
    """Accuracy at every pruning rate, one row a criterion and setting."""
    keys = [*KEYS, "criterion"]
    chosen = intervals[intervals["measure"] == "accuracy_at_rate"]
    frame = chosen.pivot(index=keys, columns="at", values="mean")
    rates = [float(rate) for rate in frame.columns]
    if len(rates) > 12:  # a table of forty columns helps nobody; the file has them all
        rates = rates[:: math.ceil(len(rates) / 12)]
    frame = frame[rates].rename(columns=lambda rate: f"{rate:g}").reset_index()
    frame["order"] = frame["samples_per_class"].map(tables.in_order(frame["samples_per_class"]).index)
    frame = frame.sort_values(["study", "branch", "order", "criterion"])
    columns: dict[str, tuple[str, Any]] = {
        "criterion": ("criterion", str), "study": ("study", str), "branch": ("retraining", branch_words),
        "samples_per_class": ("images per class", str),
    }  # fmt: skip
    columns |= {f"{rate:g}": (f"{100 * rate:.0f} %", percent) for rate in rates}
    return build(
        "by-rate", "Accuracy at each pruning rate",
        "Columns: share of filters removed. Means over seeds, the numbers of the curves. “–”: a rate that not every "
        "criterion has been measured at.",
        frame, columns, "statistics/intervals.csv", of_setting, 300,
    )  # fmt: skip


def leaders(intervals: pd.DataFrame) -> list[dict[str, Any]]:
    """Per setting, who leads by mean accuracy and who by how far 95 % of it is kept, each with the number it leads by.

    Describes the means of the summary, without a test.

    Returns:
        `study`, `branch`, `samples`; `where`, the setting in words; and `parts`: for each measure `words`, `names` (all
        that have the largest number as it is shown), `value`, `beside` ("" or what random has), and `row`, the id of
        the leader's row.
    """
    leading = []
    for (study, branch, samples), group in intervals.groupby(KEYS, sort=False):
        where = branch_words(str(branch)).replace("no ", "without ")
        parts = [
            _leader(group, MAIN, "the highest mean accuracy over the rates is that of"),
            _leader(group, KEPT, "the largest share removed before accuracy falls below 95 % of the unpruned network's "
                                 "is that of"),
        ]  # fmt: skip
        leading.append({
            "study": str(study), "branch": str(branch), "samples": str(samples),
            "where": f"{study}, {where}, {samples_title(str(samples))}", "parts": [part for part in parts if part],
        })  # fmt: skip
    order = tables.in_order(str(row["samples"]) for row in leading)
    return sorted(leading, key=lambda row: (row["study"], row["branch"], order.index(row["samples"])))


def _leader(intervals: pd.DataFrame, measure: str, words: str) -> dict[str, Any] | None:
    """Who has the largest mean of `measure`, to the digits shown, with it and that of random."""
    rows = intervals[(intervals["measure"] == measure) & intervals["mean"].notna()]
    if rows.empty:
        return None
    shown = rows.set_index("criterion")["mean"].map(lambda mean: round(100 * mean, 1))
    best = rows[rows["criterion"].map(shown) == shown.max()]
    names = [str(name) for name in best["criterion"]]
    beside = f"{shown['random']:.1f} % at random" if "random" in shown and "random" not in names else ""
    return {
        "words": words, "names": names, "value": f"{shown.max():.1f} %", "beside": beside,
        "row": glance_id(tables.records(best)[0]),
    }  # fmt: skip
