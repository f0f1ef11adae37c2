"""A table of the page: what is shown, how numbers are written, and the same rows as a CSV download."""

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
    return "–" if math.isnan(value) else f"{100 * value:+z.1f}"


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
    setting = {"study": study, "branch": row.get("branch", ""), "samples": row.get("samples_per_class", "")}
    return {f"data-{name}": str(value) for name, value in setting.items() if value}


def branch_words(name: str) -> str:
    """A branch in words for readers."""
    return BRANCHES.get(name, name)


def in_bytes(value: float) -> str:
    return "–" if math.isnan(value) else f"{value / 1e6:,.0f} MB"
