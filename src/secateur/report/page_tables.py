"""The page's tables: what is shown, how numbers are written, and the same rows as a CSV download."""

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

from secateur.analysis import tables
from secateur.report.drawing import BRANCHES
from secateur.report.inline import data_uri

MAIN = "mean_accuracy_over_rate"
MOST_ROWS = 600
"""A table of more would make the page heavy, and nobody reads it there."""


@dataclass(frozen=True)
class Cell:
    """A table cell: the text shown and the value it is sorted by; `criterion` puts a coloured dot before it."""

    text: str
    sort: str
    numeric: bool = False
    criterion: str = ""


@dataclass(frozen=True)
class Table:
    """A table of the page: its first rows, of `count`.

    `uri` is the CSV of all of them as a download, `file` the file of the run that holds the numbers.
    """

    id: str
    title: str
    note: str
    head: list[str]
    rows: list[list[Cell]]
    numeric: list[bool]
    uri: str
    file: str
    count: int


def percent(value: float) -> str:
    """A share as per cent with one decimal, or a dash."""
    return "–" if math.isnan(value) else f"{100 * value:.1f} %"


def signed(value: float) -> str:
    """A difference of shares in percentage points, with its sign."""
    return "–" if math.isnan(value) else f"{100 * value:+.1f}"


def p_value(value: float) -> str:
    """A p-value with two digits, or a dash where no test could be made."""
    return "–" if math.isnan(value) else ("< 0.001" if value < 0.001 else f"{value:.2g}")


def plain(value: Any) -> str:
    """Anything else: numbers with three digits, text as it is."""
    if isinstance(value, float):
        return "–" if math.isnan(value) else f"{value:.3g}"
    return str(value)


def build(id: str, title: str, note: str, frame: pd.DataFrame, columns: dict[str, tuple[str, Any]], file: str) -> Table:
    """A `Table` from a data frame.

    Args:
        columns: column of the frame → (heading, function from value to text); only these are shown and downloaded,
            and `study` only where there are several.
        file: where the numbers come from, relative to the run's folder.
    """
    if "study" in frame and frame["study"].nunique() == 1:
        columns = {name: value for name, value in columns.items() if name != "study"}
    shown = frame[list(columns)]
    numeric = [bool(pd.api.types.is_numeric_dtype(shown[name])) for name in columns]
    rows = [
        [Cell(write(row[name]), "" if row[name] != row[name] else str(row[name]), number,  # NaN sorts as empty
              row[name] if name in ("criterion", "other") else "")
         for (name, (_, write)), number in zip(columns.items(), numeric, strict=True)]
        for row in tables.records(shown.head(MOST_ROWS))
    ]  # fmt: skip
    uri = data_uri(shown.to_csv(index=False, lineterminator="\n"), "text/csv")
    return Table(id, title, note, [heading for heading, _ in columns.values()], rows, numeric, uri, file, len(shown))


def glance(intervals: pd.DataFrame) -> Table:
    """One row a criterion and setting, best first: what it keeps, how far it goes, when a class is lost."""
    wanted = [MAIN, "mean_accuracy_over_macs", "rate_keeping_95", "macs_left_keeping_95", "collapse_rate"]
    keys = ["study", "branch", "samples_per_class", "criterion"]
    frame = intervals[intervals["measure"].isin(wanted)].pivot(index=keys, columns="measure", values="mean")
    frame = frame.reindex(columns=wanted).reset_index()
    counts = intervals[intervals["measure"] == MAIN].set_index(keys)["n"]
    frame["n"] = counts.reindex(pd.MultiIndex.from_frame(frame[keys])).to_numpy()
    frame["order"] = frame["samples_per_class"].map(tables.in_order(frame["samples_per_class"]).index)
    frame = frame.sort_values(["study", "branch", "order", MAIN], ascending=[True, True, True, False])
    return build(
        "glance", "All criteria at a glance",
        "Means over seeds. “Keeps 95 %”: up to this share of filters removed, accuracy stays at 95 % of the unpruned "
        "network's or more.",
        frame, {
            "criterion": ("criterion", str), "study": ("study", str), "branch": ("retraining", branch_words),
            "samples_per_class": ("images per class", str), MAIN: ("mean accuracy over rates", percent),
            "mean_accuracy_over_macs": ("… over MACs", percent), "rate_keeping_95": ("keeps 95 % to rate", percent),
            "macs_left_keeping_95": ("MACs left there", percent),
            "collapse_rate": ("worst class halves at rate", percent), "n": ("seeds", plain),
        }, "statistics/intervals.csv",
    )  # fmt: skip


def by_rate(intervals: pd.DataFrame) -> Table:
    """Accuracy at every pruning rate, one row a criterion and setting."""
    keys = ["study", "branch", "samples_per_class", "criterion"]
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
    return build("by-rate", "Accuracy at each pruning rate", "Columns: share of filters removed. Means over seeds.",
                 frame, columns, "statistics/intervals.csv")  # fmt: skip


def pairwise(tests: pd.DataFrame) -> Table:
    """Every pair of criteria by the main measure, with both tests; over all studies first."""
    frame = tests[tests["measure"] == MAIN].sort_values("scope", key=lambda scope: scope == "study", kind="stable")
    frame["study"] = frame["study"].where(frame["scope"] == "study", "all studies")
    return build(
        "pairs-table", "Every pair, tested",
        "Difference: criterion minus other, in percentage points; from … to: exact interval of "
        "the signed-rank test. p-values are two-sided; “Holm” is corrected for all "
        "pairs of the same setting. “≈”: probability that the two are practically equal (within one point), by the "
        "Bayesian signed-rank test. A dash: too few blocks for such a test ever to reach its level.",
        frame, {
            "criterion": ("criterion", str), "other": ("other", str), "study": ("study", str),
            "branch": ("retraining", branch_words), "samples_per_class": ("images per class", str),
            "mean_difference": ("difference", signed), "low": ("from", signed), "high": ("to", signed),
            "rank_biserial": ("rank-biserial", plain), "wilcoxon_p": ("Wilcoxon p", p_value),
            "wilcoxon_holm": ("… Holm", p_value), "permutation_p": ("permutation p", p_value),
            "permutation_holm": ("… Holm", p_value), "p_better": ("P(better)", plain), "p_equal": ("P(≈)", plain),
            "n": ("n", plain), "note": ("note", str), "source": ("from", str),
        }, "statistics/tests.csv",
    )  # fmt: skip


def verdict_table(verdicts: pd.DataFrame) -> Table:
    """Every verdict with the numbers behind it."""
    frame = verdicts.assign(where=verdicts["where"].where(verdicts["scope"] != "overall", "all"))
    return build(
        "verdicts-table", "Every verdict, with its numbers",
        "Effect, interval and p belong to the comparison that decides. Accuracy is a share (0.01 is one percentage "
        "point); cost is in gradient passes. p is two-sided; a dash: too few blocks to test. “each study”: what all "
        "of the studies behind a verdict say by themselves, where they agree. “Keeps to”: the rate "
        "up to which accuracy is kept. The last verdicts: the same test at equal MACs, equal parameters, by the worst "
        "class, and with Holm's correction over all comparisons of all criteria; empty where a claim has no such test.",
        frame, {
            "claim": ("claim", str), "criterion": ("criterion", str), "scope": ("about", str), "where": ("which", str),
            "verdict": ("verdict", str), "alike": ("each study", str), "against": ("against / at", str),
            "effect": ("effect", plain),
            "low": ("from", plain), "high": ("to", plain), "rank_biserial": ("rank-biserial", plain),
            "p": ("p", p_value), "n": ("n", plain), "blocks": ("blocks", str), "studies": ("studies", plain),
            "keeps_to": ("keeps to", percent), "verdict_macs": ("equal MACs", str),
            "verdict_params": ("equal parameters", str), "verdict_worst_class": ("worst class", str),
            "verdict_holm": ("Holm", str), "test": ("test", str), "unit": ("unit", str), "source": ("from", str),
        }, "statistics/verdicts.csv",
    )  # fmt: skip


def agreement_table(agreement: pd.DataFrame) -> Table:
    """How much the rankings of two criteria agree, or those of one on other or on more images."""
    keys = ["study", "kind", "criterion", "samples_per_class", "other", "other_samples_per_class"]
    measures = ["spearman", "kendall", "spearman_in_layer", "overlap_half"]
    frame = agreement.groupby(keys)[measures].mean().join(agreement.groupby(keys).size().rename("n"))
    return build(
        "agreement-table", "Agreement of rankings",
        "Rank correlations over all filters of a network, and within layers; the last: share that the lower halves of "
        "both rankings have in common (50 % by chance). Means over n comparisons on one network each: seeds, or for "
        "“draws” pairs of draws of reference images on the first seed's network. Layer by layer: "
        "statistics/agreement_layers.csv.",
        frame.reset_index(), {
            "kind": ("between", str), "criterion": ("criterion", str), "samples_per_class": ("images per class", str),
            "other": ("and", str), "other_samples_per_class": ("images per class", str), "study": ("study", str),
            "spearman": ("Spearman", plain), "kendall": ("Kendall", plain),
            "spearman_in_layer": ("Spearman in layers", plain), "overlap_half": ("lower half in common", percent),
            "n": ("n", plain),
        }, "statistics/agreement.csv",
    )  # fmt: skip


def units_table(units: pd.DataFrame) -> Table:
    """What of each network can be removed, layer by layer, and why the rest cannot."""
    return build(
        "units-table", "What can be removed", "Every convolution and linear layer; a group's channels go together: a "
        "group that ties several layers has a row for each.", units, {
            "study": ("study", str), "layer": ("layer", str), "group": ("group", str), "kind": ("kind", str),
            "units": ("units", str), "residual": ("tied by an addition", _yes), "left_out": ("why not", str),
        }, "tables/units.csv",
    )  # fmt: skip


def variance_table(variance: pd.DataFrame) -> Table:
    """What the main measure varies by: within each study, and between them."""
    frame = variance[variance["measure"] == MAIN].copy()
    frame["study"] = frame["study"].where(frame["scope"] == "study", "all studies")
    frame["varied"] = frame["varied"].replace("", "all")
    return build(
        "variance-table", "What varies",
        "Variance components of the mean accuracy over rates, as standard deviations. A seed shifts all criteria "
        "alike; paired differences within a study contain “criterion × seed” alone, over studies “criterion × study” "
        "too. Seeds of one study are never counted as studies. “varied”: what was drawn anew in a pair of "
        "networks that share all else, and its part of what varies where all of them are; parts overlap.",
        frame, {
            "study": ("study", str), "branch": ("retraining", branch_words),
            "samples_per_class": ("images per class", str), "varied": ("varied", str), "component": ("between", str),
            "sd": ("sd", percent), "share": ("share of variance", percent),
            "degrees_of_freedom": ("degrees of freedom", plain),
            "source": ("from", str),
        }, "statistics/variance.csv",
    )  # fmt: skip


def cost_table(cost: pd.DataFrame) -> Table:
    """Median time and memory of each criterion."""
    frame = (
        cost.groupby(["study", "criterion", "device"])
        .agg(ratio=("ratio_to_gradient", "median"), seconds=("seconds", "median"), peak=("peak_bytes", "median"),
             gradient=("gradient_peak_bytes", "median"), repeats=("repeat", "nunique"))
        .reset_index().sort_values(["study", "ratio"])
    )  # fmt: skip
    return build(
        "cost-table", "Cost of ranking once", "Medians over repeats, each timed beside a gradient pass.", frame, {
            "criterion": ("criterion", str), "study": ("study", str), "ratio": ("gradient passes", plain),
            "seconds": ("seconds", plain), "peak": ("peak memory", in_bytes), "gradient": ("… of a gradient", in_bytes),
            "repeats": ("repeats", plain), "device": ("device", str),
        }, "tables/cost.csv",
    )  # fmt: skip


def latency_table(latency: pd.DataFrame) -> Table:
    """How much faster and smaller the pruned networks are, measured, beside the MACs that they save."""
    frame = latency[latency["rate"] > 0].sort_values(
        ["study", "rate", "batch", "speed_up"], ascending=[True, True, True, False]
    )
    frame = frame.assign(mac_ratio=1 / frame["macs_share"])
    return build(
        "latency-table", "What removal gains", "Medians over warm runs, in one process with the unpruned network; "
        "fewer MACs are not the same gain in time.", frame, {
            "criterion": ("criterion", str), "study": ("study", str), "rate": ("rate", plain), "batch": ("batch", str),
            "speed_up": ("times faster", plain), "mac_ratio": ("times fewer MACs", plain),
            "seconds": ("seconds", plain), "seconds_lower": ("lower quartile", plain),
            "seconds_upper": ("upper quartile", plain), "runs": ("runs", str), "disk_bytes": ("on disk", in_bytes),
            "disk_share": ("of the size before", percent), "device": ("device", str),
        }, "tables/latency.csv",
    )  # fmt: skip


def studies_table(studies: list[dict[str, Any]]) -> Table:
    """The studies as the tables show them; see content.facts."""
    frame = pd.DataFrame(studies).rename(columns={"study": "name"})  # shown also where there is only one
    return build(
        "studies-table", "Studies", "Accuracy: mean over seeds of the unpruned network.", frame, {
            "name": ("study", str), "dataset": ("dataset", str), "backbone": ("network", str),
            "units": ("removable filters", _whole), "accuracy": ("unpruned accuracy", percent),
            "test_samples": ("test images", _whole), "seeds": ("seeds", plain),
        }, "tables/curves.csv",
    )  # fmt: skip


def times_table(rules: dict[str, dict[str, float]]) -> Table:
    """How many jobs each rule of the workflow had and how long they took; see running.times."""
    frame = pd.DataFrame.from_dict(rules, orient="index", columns=["jobs", "wall_seconds", "cpu_seconds"])
    return build(
        "times-table", "Run times", "Summed over the jobs of a rule; jobs that write no times, and the one that makes "
        "this page, count as 0.",
        frame.rename_axis("rule").reset_index(), {
            "rule": ("rule", str), "jobs": ("jobs", plain), "wall_seconds": ("seconds", _seconds),
            "cpu_seconds": ("processor seconds", _seconds),
        }, "usage/",
    )  # fmt: skip


def branch_words(name: str) -> str:
    """A branch in words for readers."""
    return BRANCHES.get(name, name)


def _yes(value: bool) -> str:
    return "yes" if value else ""


def _whole(value: int) -> str:
    return f"{value:,}"


def _seconds(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:,.1f}"


def in_bytes(value: float) -> str:
    return "–" if math.isnan(value) else f"{value / 1e6:,.0f} MB"
