"""Drawing: one function a kind of figure, from a data frame to a Matplotlib figure by seaborn."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from secateur.analysis.measures import REACHED
from secateur.analysis.measures import points as measured_points
from secateur.analysis.tables import CURVE, records
from secateur.report.style import Style

WIDTH, HEIGHT = 4.0, 3.4
"""Inches of a single panel: as wide as a phone, where its text is read at its own size."""
LETTERS = 50
"""So many fit across the legend below a panel."""
GRID = 21
"""Points of the common grid over removed MACs or params."""


class Marks(NamedTuple):
    """What curves are drawn with: the criteria whose spread is shown, and the accuracy of guessing (NaN: unknown)."""

    banded: tuple[str, ...] = ()
    chance: float = float("nan")


def over_grid(curves: pd.DataFrame, column: str, left: str = "macs_share", points: int = GRID) -> pd.DataFrame:
    """`column` of every curve, interpolated on a common grid over the removed share of MACs or params.

    Args:
        curves: rows of one study, branch and sample count.
        column: what is interpolated.
        left: "macs_share" or "params_share": the share that is left.
        points: of the grid.

    Returns:
        Columns `criterion seed x <column>`; the grid ends where the shortest curve ends.
    """
    pieces = [piece.sort_values(left, ascending=False) for _, piece in curves.groupby(CURVE) if len(piece) > 1]
    end = min(1 - piece[left].min() for piece in pieces)
    grid = np.linspace(0, end, points)
    return _interpolated([(piece, 1 - piece[left].to_numpy(), piece[column].to_numpy()) for piece in pieces], grid,
                         column)  # fmt: skip


def over_rates(curves: pd.DataFrame, column: str) -> pd.DataFrame:
    """`column` of every curve at exactly the pruning rates: the numbers that the statistics call "at a rate".

    Whole units go, so the rate that is reached differs a little from the one that was asked for; between the measured
    points the curve is a straight line, here as in `analysis.measures`.

    Args:
        curves: rows of one study, branch and sample count.
        column: what is interpolated.

    Returns:
        Columns `criterion seed x <column>`; rates that a curve has not reached are left out.
    """
    pieces = [piece for _, piece in curves.groupby(CURVE) if len(piece) > 1]
    until = min(float(piece["rate_achieved"].max()) for piece in pieces)
    rates = sorted({float(rate) for rate in curves["rate"] if rate <= until + REACHED})
    return _interpolated([(piece, *measured_points(piece, "rate", column)) for piece in pieces], rates, column)


def _interpolated(pieces: Sequence[tuple[pd.DataFrame, Any, Any]], places: Any, column: str) -> pd.DataFrame:
    rows = []
    for piece, x, y in pieces:
        first = piece.iloc[0]
        names = {"criterion": first["criterion"], "seed": first["seed"]}
        rows.append(pd.DataFrame(names | {"x": places, column: np.interp(places, x, y)}))
    return pd.concat(rows, ignore_index=True)


def curve(data: pd.DataFrame, y: str, style: Style, marks: Marks, *, title: str, x_label: str, y_label: str) -> Any:
    """Means over seeds, for a few criteria with a band from the smallest to the largest seed; the best named first.

    Args:
        data: columns `criterion seed x` and y; x and y are shares in [0, 1].
        marks: which criteria have a band, and the accuracy of guessing.
    """
    import matplotlib.pyplot as plt

    names = [name for name in style.colours if name in set(data["criterion"])]
    figure, axes, columns = panel(names)
    summary = data.groupby(["criterion", "x"])[y].agg(["mean", "min", "max"])
    for name in names:
        line = summary.loc[name]
        if name in marks.banded:
            axes.fill_between(line.index, line["min"], line["max"], color=style.colours[name], alpha=0.15, linewidth=0)
        dashes = (0, style.dashes[name]) if style.dashes[name] else "-"
        axes.plot(line.index, line["mean"], color=style.colours[name], linestyle=dashes, linewidth=1.7)
    start = data.loc[data["x"] == 0, y].mean()
    top = 1.0 if start > 0.5 else min(1.0, 1.6 * start + 0.05)
    axes.set(xlim=(0, data["x"].max()), ylim=(0, top), xlabel=x_label, ylabel=y_label, title=title)
    _level(axes, start, "unpruned", style)
    if marks.chance == marks.chance:  # known
        _level(axes, marks.chance, "chance", style)
    percent_axis(axes.xaxis)
    percent_axis(axes.yaxis)
    means = data.groupby("criterion")[y].mean()
    ranked = sorted(names, key=lambda name: -float(means[name]))
    handles = [
        plt.Line2D([], [], color=style.colours[name], linewidth=2.2,
                   linestyle=(0, style.dashes[name]) if style.dashes[name] else "-")
        for name in ranked
    ]  # fmt: skip
    figure.legend(handles, ranked, loc="outside lower left", ncols=columns, fontsize=9.5, labelcolor=style.ink,
                  handlelength=1.6, labelspacing=0.3, columnspacing=1.2, borderpad=0.1)  # fmt: skip
    return figure


def panel(names: Sequence[str]) -> tuple[Any, Any, int]:
    """A figure and its axes, tall enough for a legend of these names below, and that legend's number of columns."""
    import matplotlib.pyplot as plt

    columns = max(1, min(3, LETTERS // (4 + max(map(len, names), default=0))))
    lines = -(-len(names) // columns)
    figure, axes = plt.subplots(figsize=(WIDTH, HEIGHT + 0.19 * max(0, lines - 3)))
    return figure, axes, columns


def _level(axes: Any, height: float, words: str, style: Style) -> None:
    """A dotted line across at an accuracy, named at its right end."""
    axes.axhline(height, color=style.ink, linewidth=0.8, linestyle=(0, (2, 3)), zorder=1)
    axes.annotate(words, (1, height), (-4, 2), xycoords=("axes fraction", "data"), textcoords="offset points",
                  ha="right", va="bottom", fontsize=9.5)  # fmt: skip


def critical_differences(table: pd.DataFrame, alpha: float, style: Style, *, title: str) -> Any:
    """Average ranks on a line, with a bar over criteria that Nemenyi's test cannot tell apart (scikit-posthocs).

    Args:
        table: rows blocks, columns criteria, more is better.
    """
    import matplotlib.pyplot as plt
    import scikit_posthocs

    from secateur.analysis.ranks import nemenyi, rank

    figure, axes = plt.subplots(figsize=(1.15 * WIDTH, 1.3 + 0.24 * table.shape[1]))
    axes.grid(False)
    average = rank(table, alpha).average
    drawn = scikit_posthocs.critical_difference_diagram(
        average, nemenyi(table), alpha=alpha, ax=axes, color_palette={**style.colours},
        label_fmt_left="{label} ({rank:.1f})\u00a0", label_fmt_right="\u00a0({rank:.1f}) {label}",
        crossbar_props={"color": style.ink}, label_props={"fontsize": 9.5}, text_h_margin=0.03 * table.shape[1],
    )  # fmt: skip
    for label in drawn["labels"]:
        label.set_color(style.ink)  # criteria's colours are too light for words; their lines keep them
    for bars in drawn["crossbars"]:  # their points come in the order of a set, which differs from process to process
        for line in bars:
            line.set_xdata(sorted(line.get_xdata()))
    axes.set_title(title, pad=22)
    return figure


def compared(tests: pd.DataFrame, criteria: Sequence[str], style: Style) -> tuple[list[str], list[str]]:
    """Whose differences `effects` draws, and to whom: `criteria`, or the run's first one where it has none of them."""
    tested = [name for name in style.colours if name in {*tests["criterion"], *tests["other"]}]
    shown = [name for name in criteria if name in tested] or tested[:1]
    return shown, [name for name in tested if name not in shown[:1]]


def effects(tests: pd.DataFrame, criteria: Sequence[str], margin: float, style: Style, *, title: str) -> Any:
    """Mean differences of each of `criteria` to every other criterion with their intervals, in percentage points.

    Args:
        tests: the rows of one group of tests.csv.
        criteria: whose differences are drawn, as `compared` chooses.
        margin: half-width of the shaded band of practically equal accuracies.
    """
    import matplotlib.pyplot as plt

    shown, others = compared(tests, criteria, style)
    side = 0.36 * len(others) + 1.4
    figure, axes = plt.subplots(figsize=(WIDTH, side))
    axes.axvline(0, color=style.ink, linewidth=0.9)
    axes.axvspan(-100 * margin, 100 * margin, color=style.line, alpha=0.35, linewidth=0, zorder=0)
    shift = np.linspace(-0.16, 0.16, len(shown)) if len(shown) > 1 else [0.0] * len(shown)
    for name, offset in zip(shown, shift, strict=True):
        for height, other in enumerate(others):
            for row in records(tests):
                if {row["criterion"], row["other"]} != {name, other} or name == other:
                    continue
                sign = 1 if row["criterion"] == name else -1
                low, high = sorted((100 * sign * row["low"], 100 * sign * row["high"]))
                axes.plot([low, high], [height + offset] * 2, color=style.colours[name], linewidth=2.2,
                          solid_capstyle="round")  # fmt: skip
                axes.plot(100 * sign * row["mean_difference"], height + offset, "o", color=style.colours[name],
                          markersize=6)  # fmt: skip
    axes.set_yticks(range(len(others)), others)
    axes.set(xlabel="difference in accuracy, percentage points", ylim=(len(others) - 0.5, -0.5))
    axes.grid(axis="y", visible=False)
    handles = [plt.Line2D([], [], color=style.colours[name], marker="o", markersize=6, linewidth=2.2) for name in shown]
    axes.set_title(title, pad=26)
    axes.legend(handles, [f"{name} minus …" for name in shown], loc="lower left", bbox_to_anchor=(-0.01, 0.99),
                ncols=max(1, len(shown)), fontsize=10, labelcolor=style.ink, borderpad=0, handlelength=1.5)  # fmt: skip
    return figure


def cost(table: pd.DataFrame, limit: float | None, style: Style, *, title: str) -> Any:
    """Time of each criterion as a multiple of a gradient pass, one dot a repeat, on a logarithmic scale."""
    import matplotlib.pyplot as plt
    import seaborn as sns
    from matplotlib.ticker import LogLocator, NullLocator

    names = [str(name) for name in table.groupby("criterion")["ratio_to_gradient"].median().sort_values().index]
    figure, axes = plt.subplots(figsize=(WIDTH, 0.34 * len(names) + 1.2))
    axes.set_xscale("log")
    sns.stripplot(data=table, x="ratio_to_gradient", y="criterion", hue="criterion", order=names, hue_order=names,
                  palette=[style.colours[name] for name in names], jitter=False, alpha=0.55, size=6, legend=False,
                  ax=axes)  # fmt: skip
    for height, name in enumerate(names):
        median = table.loc[table["criterion"] == name, "ratio_to_gradient"].median()
        axes.plot(median, height, "|", color=style.ink, markersize=13, markeredgewidth=1.6)
        words = f"{median:.2g}×" if median < 10 else f"{median:,.0f}×"
        axes.annotate(words, (1.02, height), xycoords=("axes fraction", "data"), va="center", fontsize=10)
    axes.axvline(1, color=style.ink, linewidth=0.9)
    if limit is not None:
        axes.axvline(limit, color=style.ink, linewidth=0.9, linestyle=(0, (3, 3)))
    axes.set(title=title, xlabel="time to rank ÷ time of a gradient pass", ylabel="")
    wide = table["ratio_to_gradient"].max() > 50 * table["ratio_to_gradient"].min()  # the oracle's is: fewer ticks
    axes.xaxis.set_major_locator(LogLocator(10, subs=(1,) if wide else (1, 2, 5)))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}×")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid(axis="y", visible=False)
    return figure


def percent_axis(axis: Any) -> None:
    """Write the ticks of an axis of shares as per cent."""
    axis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
