"""The page's tables: what is shown, how numbers are written, and the same rows as a CSV download."""

import gzip
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from secateur.analysis import tables
from secateur.report.drawing import BRANCHES
from secateur.report.inline import data_uri
from secateur.report.numbers import told_apart

MAIN = "mean_accuracy_over_rate"
OVER_ALL = "all studies"
MOST_ROWS = 150
"""A table of more would make the page heavy, and nobody reads it there; its file has them all."""


@dataclass(frozen=True)
class Cell:
    """A table cell: the text shown and the value it is sorted by; `criterion` puts a coloured dot before it, `beside`
    stands small below it, `heat` from "0" to "1" colours it by rank ("" does not)."""

    text: str
    sort: str
    numeric: bool = False
    criterion: str = ""
    beside: str = ""
    heat: str = ""


@dataclass(frozen=True)
class Table:
    """A table of the page: its first rows, of `count`.

    `uri` is the CSV of all of them as a download (gzip), `file` the file of the run that holds the numbers, `marks` the
    attributes of each row's element: its id, and the setting that the page's selector shows it for.
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
    marks: list[dict[str, str]] = field(default_factory=list)


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


def build(
    id: str, title: str, note: str, frame: pd.DataFrame, columns: dict[str, tuple[str, Any]], file: str,
    mark: Callable[[dict[str, Any]], dict[str, str]] | None = None, most: int | None = None,
) -> Table:  # fmt: skip
    """A `Table` from a data frame.

    Args:
        columns: column of the frame → (heading, function from value to text); only these are shown and downloaded,
            and `study` only where there are several. A column of numbers without any number is not shown.
        file: where the numbers come from, relative to the run's folder.
        mark: from a row to the attributes of its element.
        most: so many rows are shown, of every setting alike where rows are marked by setting; default `MOST_ROWS`.
    """
    if "study" in frame and frame["study"].nunique() == 1:
        columns = {name: value for name, value in columns.items() if name != "study"}
    shown = frame[list(columns)]
    uri = data_uri(gzip.compress(shown.to_csv(index=False, lineterminator="\n").encode(), mtime=0), "application/gzip")
    numeric = {name: bool(pd.api.types.is_numeric_dtype(shown[name])) for name in columns}
    said = {name: about for name, about in columns.items() if not (numeric[name] and shown[name].isna().all())}
    said = said or columns
    first = _first(frame, most or MOST_ROWS, mark is of_setting)
    rows = [
        [Cell(write(row[name]), _sorted(row[name]), numeric[name],
              row[name] if name in ("criterion", "other") else "")
         for name, (_, write) in said.items()]
        for row in tables.records(first[list(columns)])
    ]  # fmt: skip
    marks = [mark(row) if mark else {} for row in tables.records(first)]
    head = [heading for heading, _ in said.values()]
    return Table(id, title, note, head, rows, [numeric[name] for name in said], uri, file, len(shown), marks)


def _first(frame: pd.DataFrame, most: int, by_setting: bool) -> pd.DataFrame:
    """The first rows of a table, of each setting the same number, so that none is left without."""
    if not by_setting or len(frame) <= most:
        return frame.head(most)
    settings = frame.groupby([name for name in ("study", "branch", "samples_per_class") if name in frame], sort=False)
    return settings.head(max(1, most // settings.ngroups))


def _sorted(value: Any) -> str:
    """What a cell is sorted by; what is missing is empty."""
    if value != value:
        return ""
    return f"{value:.7g}" if isinstance(value, float) else str(value)


def row_id(*parts: Any) -> str:
    """The id of a table's row, from what it is about; letters and digits of any alphabet stay."""
    return "-".join(re.sub(r"[^\w.]+", "-", str(part)).strip("-") or "all" for part in parts)


def of_setting(row: dict[str, Any]) -> dict[str, str]:
    """The attributes by which the page's selector shows a row; a row over all studies is shown for each of them."""
    study = "" if row.get("study") == OVER_ALL else row.get("study", "")
    found = {"study": study, "branch": row.get("branch", ""), "samples": row.get("samples_per_class", "")}
    return {f"data-{name}": str(value) for name, value in found.items() if value}


def pairwise(tests: pd.DataFrame, ranks: pd.DataFrame) -> Table:
    """Every pair of criteria by the main measure, with its tests.

    Args:
        tests, ranks: the statistics of these names.
    """
    frame = tests[tests["measure"] == MAIN].sort_values("scope", key=lambda scope: scope != "study", kind="stable")
    keys = ["scope", "study", "branch", "samples_per_class"]
    apart = {key: told_apart(group) for key, group in ranks[ranks["measure"] == MAIN].groupby(keys)}
    decidable = {key for key, group in ranks[ranks["measure"] == MAIN].groupby(keys) if not group["note"].iloc[0]}
    setting = list(zip(*(frame[key] for key in keys), strict=True))
    pairs = [frozenset(pair) for pair in zip(frame["criterion"], frame["other"], strict=True)]
    frame["nemenyi"] = [
        ("apart" if pair in apart[key] else "level") if key in decidable else "cannot tell"
        for key, pair in zip(setting, pairs, strict=True)
    ]
    frame["study"] = frame["study"].where(frame["scope"] == "study", OVER_ALL)
    reasons = [str(note) for note in dict.fromkeys(frame["note"]) if note]
    return build(
        "pairs-table", "Every pair, tested",
        "Difference: criterion minus other, in percentage points of mean accuracy over rates; from … to: exact "
        "interval of the signed-rank test, of this pair alone. “Nemenyi”: whether the two are told apart when all "
        "pairs are corrected for, as in the pictures. p-values are two-sided; “Holm” is corrected for all pairs of "
        "the same setting. “≈”: probability that the two are practically equal (within one point), by the Bayesian "
        "signed-rank test." + (f" Where a p-value is missing: {'; '.join(reasons)}." if reasons else ""),
        frame, {
            "criterion": ("criterion", str), "other": ("other", str), "study": ("study", str),
            "branch": ("retraining", branch_words), "samples_per_class": ("images per class", str),
            "mean_difference": ("difference", signed), "low": ("from", signed), "high": ("to", signed),
            "nemenyi": ("Nemenyi", str),
            "rank_biserial": ("rank-biserial", plain), "wilcoxon_p": ("Wilcoxon p", p_value),
            "wilcoxon_holm": ("… Holm", p_value), "permutation_p": ("permutation p", p_value),
            "permutation_holm": ("… Holm", p_value), "p_better": ("P(better)", plain), "p_equal": ("P(≈)", plain),
            "n": ("n", plain), "source": ("from", str),
        }, "statistics/tests.csv", of_setting, 450,
    )  # fmt: skip


def adding(verdicts: pd.DataFrame, studies: pd.DataFrame) -> pd.DataFrame:
    """The rows of verdicts.csv that say something of their own: a place whose studies are those of another row repeats
    it, as a dataset with one study does, or the one study of a run.

    Args:
        verdicts: verdicts.csv; studies: one row a study, columns `study dataset backbone`.
    """
    whole = frozenset(studies["study"])
    kept = {("overall", ""): whole} | ({("study", name): frozenset([name]) for name in whole} if len(whole) > 1 else {})
    for scope in ("dataset", "backbone"):
        for where, group in studies.groupby(scope):
            inside = frozenset(group["study"])
            if inside not in kept.values():
                kept[scope, str(where)] = inside
    places = zip(verdicts["scope"], verdicts["where"], strict=True)
    return verdicts[[(scope, "" if scope == "overall" else where) in kept for scope, where in places]]


def verdict_id(row: dict[str, Any]) -> str:
    """The id of a verdict's row in the table of all verdicts."""
    return row_id("verdict", row["claim"], row["criterion"], row["scope"], row["where"])


def verdict_table(verdicts: pd.DataFrame, studies: pd.DataFrame) -> Table:
    """Every verdict that adds something, with the numbers behind it."""
    frame = adding(verdicts, studies)
    left_out = len(verdicts) - len(frame)
    frame = frame.assign(place=frame["where"].where(frame["scope"] != "overall", "all"))
    return build(
        "verdicts-table", "Every verdict, with its numbers",
        "Effect, interval and p belong to the comparison that decides. Accuracy is a share (0.01 is one percentage "
        "point); cost is in gradient passes. p is two-sided; a dash: too few blocks to test. “each study”: what all "
        "of the studies behind a verdict say by themselves, where they agree. “Keeps to”: the rate "
        "up to which accuracy is kept. The last verdicts: the same test at equal MACs, equal parameters, by the worst "
        "class, and with Holm's correction over all comparisons of all criteria; empty where a claim has no such test."
        + (f" {left_out} rows that repeat others (a dataset or a network with the same studies) are in the file alone."
           if left_out else ""),
        frame, {
            "claim": ("claim", str), "criterion": ("criterion", str), "scope": ("about", str), "place": ("which", str),
            "verdict": ("verdict", str), "alike": ("each study", str), "against": ("against / at", str),
            "effect": ("effect", plain),
            "low": ("from", plain), "high": ("to", plain), "rank_biserial": ("rank-biserial", plain),
            "p": ("p", p_value), "n": ("n", plain), "blocks": ("blocks", str), "studies": ("studies", plain),
            "keeps_to": ("keeps to", percent), "verdict_macs": ("equal MACs", str),
            "verdict_params": ("equal parameters", str), "verdict_worst_class": ("worst class", str),
            "verdict_holm": ("Holm", str), "test": ("test", str), "unit": ("unit", str), "source": ("from", str),
        }, "statistics/verdicts.csv", lambda row: {"id": verdict_id(row)},
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
    frame["study"] = frame["study"].where(frame["scope"] == "study", OVER_ALL)
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


def branch_words(name: str) -> str:
    """A branch in words for readers."""
    return BRANCHES.get(name, name)


def _yes(value: bool) -> str:
    return "yes" if value else ""


def _whole(value: int) -> str:
    return f"{value:,}"


def in_bytes(value: float) -> str:
    return "–" if math.isnan(value) else f"{value / 1e6:,.0f} MB"
