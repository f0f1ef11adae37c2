"""Drawing: one function a kind of figure, from a data frame to a Matplotlib figure by seaborn."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from secateur.analysis.tables import CURVE, records
from secateur.report.style import Style

WIDTH, HEIGHT = 5.6, 3.7
"""Inches of a single panel."""
GRID = 31
"""Points of the common grid over removed MACs or params."""


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
    rows = []
    for piece in pieces:
        values = np.interp(grid, 1 - piece[left], piece[column])
        first = piece.iloc[0]
        rows.append(pd.DataFrame({"criterion": first["criterion"], "seed": first["seed"], "x": grid, column: values}))
    return pd.concat(rows, ignore_index=True)


def curve(data: pd.DataFrame, y: str, style: Style, *, title: str, x_label: str, y_label: str) -> Any:
    """Means over seeds with a band from the smallest to the largest seed; beside them the criteria, best first.

    Args:
        data: columns `criterion seed x` and y; x and y are shares in [0, 1].
    """
    import matplotlib.pyplot as plt
    import seaborn as sns

    figure, axes = plt.subplots(figsize=(WIDTH, HEIGHT))
    names = [name for name in style.colours if name in set(data["criterion"])]
    sns.lineplot(
        data=data, x="x", y=y, hue="criterion", style="criterion", hue_order=names, style_order=names,
        palette=style.colours, dashes=style.dashes, errorbar=("pi", 100), err_kws={"alpha": 0.13, "linewidth": 0},
        linewidth=1.9, legend=False, ax=axes,
    )  # fmt: skip
    start = data.loc[data["x"] == 0, y].mean()
    axes.axhline(start, color=style.ink, linewidth=0.8, linestyle=(0, (2, 3)), alpha=0.6, zorder=1)
    top = 1.0 if start > 0.5 else min(1.0, 1.6 * start + 0.05)
    axes.set(xlim=(0, data["x"].max()), ylim=(0, top), xlabel=x_label, ylabel=y_label, title=title)
    axes.annotate("unpruned", (1, start), (-4, 3), xycoords=("axes fraction", "data"), textcoords="offset points",
                  ha="right", va="bottom", fontsize=9, alpha=0.75)  # fmt: skip
    percent_axis(axes.xaxis)
    percent_axis(axes.yaxis)
    means = data.groupby("criterion")[y].mean()
    ranked = sorted(names, key=lambda name: -float(means[name]))
    handles = [
        plt.Line2D([], [], color=style.colours[name], linewidth=2.4,
                   linestyle=(0, style.dashes[name]) if style.dashes[name] else "-")
        for name in ranked
    ]  # fmt: skip
    axes.legend(handles, ranked, loc="upper left", bbox_to_anchor=(1.0, 1.03), fontsize=10, labelcolor=style.ink,
                handlelength=1.8, labelspacing=0.42, borderpad=0.2)  # fmt: skip
    return figure


def critical_differences(table: pd.DataFrame, alpha: float, style: Style, *, title: str) -> Any:
    """Average ranks on a line, with a bar over criteria that Nemenyi's test cannot tell apart (scikit-posthocs).

    Args:
        table: rows blocks, columns criteria, more is better.
    """
    import matplotlib.pyplot as plt
    import scikit_posthocs

    from secateur.analysis.ranks import nemenyi, rank

    figure, axes = plt.subplots(figsize=(WIDTH, 1.3 + 0.24 * table.shape[1]))
    axes.grid(False)
    average = rank(table, alpha).average
    drawn = scikit_posthocs.critical_difference_diagram(
        average, nemenyi(table), alpha=alpha, ax=axes, color_palette={**style.colours},
        label_fmt_left="{label} ({rank:.1f})\u00a0", label_fmt_right="\u00a0({rank:.1f}) {label}",
        crossbar_props={"color": style.ink}, label_props={"fontsize": 10}, text_h_margin=0.03 * table.shape[1],
    )  # fmt: skip
    for bars in drawn["crossbars"]:  # their points come in the order of a set, which differs from process to process
        for line in bars:
            line.set_xdata(sorted(line.get_xdata()))
    axes.set_title(title, pad=22)
    return figure


def pairs(tests: pd.DataFrame, style: Style, *, title: str) -> Any:
    """Matrix of mean differences in percentage points, row minus column; a star where the interval excludes zero.

    Args:
        tests: the rows of one group of tests.csv.
    """
    import matplotlib.pyplot as plt
    import seaborn as sns

    found = {*tests["criterion"], *tests["other"]}
    names = [name for name in style.colours if name in found]
    difference = pd.DataFrame(np.nan, index=names, columns=names)
    words = pd.DataFrame("", index=names, columns=names)
    for row in records(tests):
        for one, other, sign in ((row["criterion"], row["other"], 1), (row["other"], row["criterion"], -1)):
            value = 100 * sign * row["mean_difference"]
            difference.loc[one, other] = value
            words.loc[one, other] = f"{value:+.1f}" + ("*" if row["low"] > 0 or row["high"] < 0 else "")
    order = difference.mean(axis=1).sort_values(ascending=False, kind="stable").index
    difference, words = difference.loc[order, order], words.loc[order, order]
    largest = max(1.0, float(np.nanmax(np.abs(difference.to_numpy()))))
    side = 0.62 * len(names) + 1.4
    figure, axes = plt.subplots(figsize=(max(side, 4.2), max(0.42 * len(names) + 1.1, 2.4)))
    sns.heatmap(
        difference, annot=words, fmt="", center=0, vmin=-largest, vmax=largest, cmap=_diverging(), cbar=False,
        linewidths=1.5, linecolor="none", annot_kws={"fontsize": 9.5}, ax=axes,
    )  # fmt: skip
    axes.grid(False)
    axes.set(title=title, xlabel="", ylabel="")
    axes.tick_params(axis="x", rotation=40)
    axes.tick_params(axis="y", rotation=0)
    for label in axes.get_xticklabels():
        label.set(ha="right", rotation_mode="anchor")
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


def profile(profiles: pd.DataFrame, style: Style, *, title: str) -> Any:
    """Heat map: per cent of each group (columns, in the order of the network) that each criterion (rows) removed.

    Orange: more than the whole network lost; blue: less.

    Args:
        profiles: rows of one study, sample count and rate.
    """
    import matplotlib.pyplot as plt
    import seaborn as sns

    data = profiles.assign(share=100 * profiles["removed"] / profiles["units"])
    groups = list(dict.fromkeys(data["group"]))
    table = data.pivot_table(index="criterion", columns="group", values="share", aggfunc="mean")
    table = table.loc[[name for name in style.colours if name in table.index], groups]
    wide = max(WIDTH, min(11.0, 0.5 * len(groups) + 1.8))
    figure, axes = plt.subplots(figsize=(wide, 0.36 * len(table) + 2.0))
    middle = float(100 * data["removed"].sum() / data["units"].sum())
    reach = max(15.0, float((table - middle).abs().to_numpy().max()))
    sns.heatmap(table, vmin=middle - reach, vmax=middle + reach, cmap=_diverging(), annot=len(groups) <= 22,
                fmt=".0f", linewidths=1,
                linecolor="none", annot_kws={"fontsize": 9}, cbar=False, ax=axes)  # fmt: skip
    axes.grid(False)
    axes.set(title=title, xlabel="", ylabel="")
    axes.tick_params(axis="x", rotation=50)
    axes.tick_params(axis="y", rotation=0)
    for label in axes.get_xticklabels():
        label.set(ha="right", rotation_mode="anchor", fontsize=9)
    return figure


def agreement(table: pd.DataFrame, samples: str, style: Style, *, title: str) -> Any:
    """Matrix of Spearman's correlations between criteria, mean over seeds; diagonal: with itself on other images.

    Args:
        table: rows of one study of agreement.csv; samples: the sample count of the comparisons between criteria.
    """
    import matplotlib.pyplot as plt
    import seaborn as sns

    found = {*table["criterion"], *table["other"]}
    names = [name for name in style.colours if name in found]
    matrix = pd.DataFrame(np.nan, index=names, columns=names)
    chosen = table[(table["kind"] == "samples") | (table["samples_per_class"] == samples)]
    for row in records(chosen.groupby(["criterion", "other"])["spearman"].mean().reset_index()):
        matrix.loc[row["criterion"], row["other"]] = matrix.loc[row["other"], row["criterion"]] = row["spearman"]
    figure, axes = plt.subplots(figsize=(max(0.62 * len(names) + 1.4, 4.2), max(0.42 * len(names) + 1.1, 2.4)))
    sns.heatmap(matrix, annot=True, fmt=".2f", vmin=-1, vmax=1, cmap=_diverging(), cbar=False, linewidths=1.5,
                linecolor="none", annot_kws={"fontsize": 9.5}, ax=axes)  # fmt: skip
    axes.grid(False)
    axes.set(title=title, xlabel="", ylabel="")
    axes.tick_params(axis="y", rotation=0)
    axes.tick_params(axis="x", rotation=40)
    for label in axes.get_xticklabels():
        label.set(ha="right", rotation_mode="anchor")
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


def _diverging() -> Any:
    """Blue (less) to orange (more) through a colour that reads on light and dark pages."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("difference", ["#3B7DBB", "#C9D6E2", "#F2EFEA", "#F0CFA8", "#E07B39"])
