"""What accuracy costs: every pruned network by its accuracy and its computation, or its measured time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from secateur.analysis import tables
from secateur.analysis.recommended import SHARE
from secateur.repair import NONE
from secateur.report.drawing import Drawing, counted, read_statistics, setting
from secateur.report.plots import panel, percent_axis
from secateur.report.style import Style

TREATMENTS = {"fewshot": "none", "retrain": "retrained"}
"""Branch → what recommended.csv calls it."""


def drawings(
    curves: pd.DataFrame, latency: pd.DataFrame, statistics: Path, chances: dict[str, float], look: Style
) -> Iterator[Drawing]:
    """Accuracy against MACs for every study, branch and number of images, and against time where it was measured.

    Args:
        curves: the table `curves`; latency: the table `latency`, possibly empty.
        statistics: folder with recommended.csv, whose points are marked.
        chances: study → accuracy of guessing.
        look: colours of the criteria.
    """
    recommended = read_statistics(statistics, "recommended", None)
    recommended = recommended[recommended["remedy"] == NONE]
    for (study, branch), group in curves.groupby(["study", "branch"]):
        samples = tables.in_order(group["samples_per_class"])[-1]
        group = group[group["samples_per_class"] == samples]
        points = by_macs(group)
        if points.empty:
            continue
        marked = recommended[
            (recommended["study"] == study) & (recommended["treatment"] == TREATMENTS.get(str(branch), branch))
        ]
        start = group.loc[group["rate"] == 0, "accuracy"].mean()
        chosen = [(row["criterion"], 1 - row["macs"], SHARE * start) for row in tables.records(marked)]
        yield Drawing(
            "pareto", (str(study), str(branch)), setting(str(study), str(branch), str(samples)),
            "Every dot is a criterion at a pruning rate: up is more accurate, left is less computation. The line joins "
            "the networks that no other one beats in both; the star is the recommended criterion where "
            f"{100 * SHARE:.0f} % of the unpruned accuracy is left, as in the first table.",
            scatter(points, chosen, chances.get(str(study), np.nan), look, x_label="MACs left"),
            str(study), str(branch), "",
            f"Means over {counted(group['seed'].nunique(), 'seed')}; "
            f"{counted(group['criterion'].nunique(), 'criterion').replace('criterions', 'criteria')}.",
        )  # fmt: skip
    for study, timed in latency.groupby("study"):
        winners = recommended[(recommended["study"] == study) & (recommended["treatment"] == TREATMENTS["fewshot"])]
        for batch, group in timed.groupby("batch"):
            points = by_time(group, curves[(curves["study"] == study) & (curves["branch"] == "fewshot")])
            if points.empty:
                continue
            chosen = [
                (row["criterion"], row["x"], row["accuracy"])
                for row in tables.records(points[points["criterion"].isin(winners["criterion"])])
            ]
            samples = str(group["samples_per_class"].iloc[0])
            yield Drawing(
                "speed", (str(study), str(batch)),
                f"{setting(str(study), 'fewshot', samples)} · batch of {batch}",
                "The same question by measured time: a forward pass of the pruned network against its accuracy. Bars: "
                "the middle half of the timed passes (cut off at the edge); where they overlap, a difference in time "
                "is noise. Dotted: the "
                "unpruned network's time. Stars: the recommended criterion.",
                scatter(points, chosen, chances.get(str(study), np.nan), look, x_label="time, of the unpruned",
                        whole=True), str(study), "", "",
                f"n = 1 network (seed {int(group['seed'].iloc[0])}), {int(group['runs'].min())} timed passes each on "
                f"{group['device'].iloc[0]}.",
            )  # fmt: skip


def by_macs(curves: pd.DataFrame) -> pd.DataFrame:
    """One row per criterion and rate of pruned networks: `criterion rate x accuracy`, means over seeds, x MACs left."""
    pruned = curves[curves["rate"] > 0]
    means = pruned.groupby(["criterion", "rate"])[["macs_share", "accuracy"]].mean().reset_index()
    return means.rename(columns={"macs_share": "x"})


def by_time(latency: pd.DataFrame, curves: pd.DataFrame) -> pd.DataFrame:
    """The timed networks of one study and batch size with their own accuracy, time relative to the unpruned network's.

    Args:
        latency: rows of the table `latency`; curves: rows of that study's few-shot branch.

    Returns:
        Columns `criterion rate x low high accuracy`; x the median, low and high the quartiles of the pruned network's
        passes divided by the median of the unpruned one timed beside it.
    """
    whole = latency[latency["rate"] == 0].set_index("criterion")["seconds"]
    pruned = latency[latency["rate"] > 0].copy()
    before = pruned["criterion"].map(whole)
    for name, column in (("x", "seconds"), ("low", "seconds_lower"), ("high", "seconds_upper")):
        pruned[name] = pruned[column] / before
    keys = ["criterion", "seed", "samples_per_class", "rate"]
    timed = pruned.assign(rate=pruned["rate"].round(9)).merge(
        curves.assign(rate=curves["rate"].round(9))[[*keys, "accuracy"]], on=keys, how="inner"
    )
    return timed[["criterion", "rate", "x", "low", "high", "accuracy"]]


def front(points: pd.DataFrame) -> pd.DataFrame:
    """The rows that no other row beats: none has at most their x and more accuracy, or less x and as much accuracy."""
    ordered = points.sort_values(["x", "accuracy"], ascending=[True, False], kind="stable")
    best = ordered["accuracy"].cummax().shift(fill_value=-np.inf)
    return ordered[ordered["accuracy"] > best]


def scatter(
    points: pd.DataFrame, chosen: list[tuple[str, float, float]], chance: float, look: Style, *, x_label: str,
    whole: bool = False,
) -> Any:  # fmt: skip
    """Dots of `points`, the line of those that nothing beats, stars at `chosen` (criterion, x, accuracy).

    Args:
        points: columns `criterion x accuracy`, and `low high` where x has a spread.
        chance: accuracy of guessing, NaN if unknown.
        whole: mark the unpruned network's place, x = 1.

    Returns:
        A Matplotlib figure.
    """
    import matplotlib.pyplot as plt

    names = [name for name in look.colours if name in set(points["criterion"])]
    figure, axes, columns = panel(names)
    best = front(points)
    axes.step(best["x"], best["accuracy"], where="post", color=look.ink, linewidth=0.9, zorder=1)
    for name in names:
        own = points[points["criterion"] == name]
        if "low" in own:
            axes.hlines(own["accuracy"], own["low"], own["high"], color=look.colours[name], linewidth=1.1)
        axes.plot(own["x"], own["accuracy"], "o", color=look.colours[name], markersize=4.5)
    for name, x, accuracy in chosen:
        axes.plot(x, accuracy, "*", color=look.colours[name], markeredgecolor=look.ink, markersize=13, zorder=4)
    if chance == chance:
        axes.axhline(chance, color=look.ink, linewidth=0.8, linestyle=(0, (2, 3)), zorder=0)
        axes.annotate("chance", (1, chance), (-4, 2), xycoords=("axes fraction", "data"), textcoords="offset points",
                      ha="right", va="bottom", fontsize=9.5)  # fmt: skip
    if whole:
        axes.axvline(1, color=look.ink, linewidth=0.9, linestyle=(0, (2, 3)), zorder=0)
    axes.set(
        xlabel=x_label,
        ylabel="accuracy on test images",
        ylim=(0, 1),
        xlim=(0, max(1.05, 1.08 * float(points["x"].max()))),
    )
    percent_axis(axes.xaxis)
    percent_axis(axes.yaxis)
    handles = [plt.Line2D([], [], color=look.colours[name], marker="o", markersize=5, linewidth=0) for name in names]
    figure.legend(handles, names, loc="outside lower left", ncols=columns, fontsize=9.5, labelcolor=look.ink,
                  handlelength=0.8, labelspacing=0.3, columnspacing=1.2, borderpad=0.1)  # fmt: skip
    return figure
