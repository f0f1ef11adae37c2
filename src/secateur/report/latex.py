"""Tables for a paper: verdicts and measures as LaTeX with booktabs, ready to \\input."""

import math
from pathlib import Path

import pandas as pd

from secateur.analysis.sentences import badge
from secateur.analysis.tables import records
from secateur.files import write_text

SPECIAL = {"\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{",
           "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}  # fmt: skip
MEASURES = {
    "mean_accuracy_over_rate": "accuracy over rates", "mean_accuracy_over_macs": "over MACs",
    "mean_worst_class_over_rate": "worst class", "rate_keeping_95": r"keeps 95\,\%",
}  # fmt: skip


def escape(text: str) -> str:
    """Text with every character that LaTeX would act on escaped."""
    return "".join(SPECIAL.get(character, character) for character in text)


def table(head: list[str], rows: list[list[str]], columns: str, caption: str) -> str:
    """A LaTeX table; `head`, `rows` and `caption` are LaTeX already, `columns` is the alignment."""
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{caption}}}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
    ]
    lines += [" & ".join(head) + r" \\", r"\midrule", *(" & ".join(row) + r" \\" for row in rows)]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


def write(path: str | Path, intervals: pd.DataFrame, verdicts: pd.DataFrame) -> None:
    """Write a table of all verdicts, and for each setting one of measures (mean ± standard deviation, in per cent).

    Args:
        path: the .tex file, written whole or not at all.
        intervals, verdicts: the tables of the same names that the stage `statistics` wrote.
    """
    rows = [
        [row["claim"], escape(row["criterion"]), escape(row["where"] or "overall"), badge(row)[1],
         _number(row["effect"]), f"[{_number(row['low'])}, {_number(row['high'])}]", _number(row["p"]), str(row["n"])]
        for row in records(verdicts)
    ]  # fmt: skip
    head = ["claim", "criterion", "about", "verdict", "effect", r"95\,\% interval", "$p$", "$n$"]
    parts = [table(head, rows, "llllrrrr", "Verdicts. Accuracy as a share, cost in gradient passes.")]
    chosen = intervals[intervals["measure"].isin(list(MEASURES))]
    for (study, branch, samples), group in chosen.groupby(["study", "branch", "samples_per_class"]):
        cells = {(row["criterion"], row["measure"]): row for row in records(group)}
        rows = [
            [escape(name), *(_spread(cells.get((name, measure))) for measure in MEASURES)]
            for name in sorted(set(group["criterion"]))
        ]
        words = escape(f"{study}, {branch}, {samples} reference images per class")
        caption = rf"{words}: mean $\pm$ standard deviation over {group['n'].max()} seeds, in per cent."
        parts.append(table(["criterion", *MEASURES.values()], rows, "lrrrr", caption))
    write_text(path, "% Needs \\usepackage{booktabs}.\n" + "\n".join(parts))


def _number(value: float) -> str:
    return "--" if math.isnan(value) else f"{value:.3g}"


def _spread(row: dict | None) -> str:
    if row is None:
        return "--"
    spread = "" if math.isnan(row["sd"]) else rf" $\pm$ {100 * row['sd']:.1f}"
    return f"{100 * row['mean']:.1f}{spread}"
