"""Where a number comes from: each row of a statistics table names the file and the lines that it was computed from.

A source is text such as `tables/curves.csv:2-12` or `statistics/measures.csv:40-47,88-95`: a file of the run and its
lines as an editor counts them (the header is line 1). Several files are separated by a space.
"""

from collections.abc import Iterable
from io import StringIO
from itertools import pairwise
from pathlib import Path

import pandas as pd

from secateur.errors import SecateurError

CURVES, COST, MEASURES = "tables/curves.csv", "tables/cost.csv", "statistics/measures.csv"
FIRST = 2
"""The line of a CSV file's first row."""


def source(file: str, lines: Iterable[int]) -> str:
    """The text for `lines` of `file`; "" where there are none.

    Args:
        file: path relative to the run's folder; lines: line numbers, in any order.
    """
    ordered = sorted(set(map(int, lines)))
    if not ordered:
        return ""
    starts = [ordered[0], *(after for before, after in pairwise(ordered) if after > before + 1)]
    ends = [*(before for before, after in pairwise(ordered) if after > before + 1), ordered[-1]]
    spans = (str(start) if start == end else f"{start}-{end}" for start, end in zip(starts, ends, strict=True))
    return f"{file}:{','.join(spans)}"


def lines_of(text: str) -> dict[str, list[int]]:
    """File → line numbers of a source's text, in rising order; the inverse of `source`.

    Raises:
        SecateurError: text that is no source.
    """
    by_file: dict[str, list[int]] = {}
    for part in text.split():
        file, _, spans = part.rpartition(":")
        try:
            bounds = [[int(number) for number in span.split("-")] for span in spans.split(",")]
        except ValueError:
            raise SecateurError(f"'{part}' is not a source; one looks like {MEASURES}:40-47,88-95.") from None
        by_file.setdefault(file, []).extend(line for span in bounds for line in range(span[0], span[-1] + 1))
    return by_file


def behind(table: str | Path, line: int) -> dict[str, pd.DataFrame]:
    """The rows that line `line` of a statistics table was computed from; see `rows`.

    Raises:
        SecateurError: not a CSV table of statistics, or a line that it does not have.
    """
    path = Path(table)
    run, name = path.parent.parent, f"{path.parent.name}/{path.name}"
    row = rows(run, f"{name}:{line}")[name].iloc[0]
    text = row.get("source")
    if not isinstance(text, str) or ".safetensors" in text:
        what = f"its rankings are {text}" if isinstance(text, str) else "it has no sources"
        raise SecateurError(f"{path}: no table stands behind line {line}: {what}.")
    return rows(run, text)


def rows(run: str | Path, text: str) -> dict[str, pd.DataFrame]:
    """The rows that a source names, file → table with the file's columns and, as index, the line numbers.

    Args:
        run: the run's folder, results/<run>; text: a source.

    Raises:
        SecateurError: a file that cannot be read or has fewer lines.
    """
    by_file = {}
    for file, numbers in lines_of(text).items():
        path = Path(run) / file
        try:
            written = path.read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise SecateurError(f"{path}: cannot be read ({error.strerror}). Run the stage that writes it.") from None
        if numbers[-1] > len(written) or numbers[0] < FIRST:
            raise SecateurError(f"{path}: has lines {FIRST} to {len(written)}, but {text} was asked for.")
        chosen = "\n".join([written[0], *(written[number - 1] for number in numbers)])
        table = pd.read_csv(StringIO(chosen), dtype={"samples_per_class": str})
        by_file[file] = table.set_index(pd.Index(numbers, name="line"))
    return by_file
