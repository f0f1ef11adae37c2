"""Further figures of the 2-D study: the published cells, where references come from, curves over rates, stability."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from secateur.analysis.toy_reproduction import PUBLISHED_REMOVED
from secateur.report.drawing import Drawing
from secateur.report.style import Style
from secateur.report.toy_accuracy import REFERENCES, STEPS, VARIANTS, panel

DATASETS = ("moons", "circles", "spirals")
CHECKS = {
    "overlap_first": "first 1,000 in common",
    "spearman": "Spearman on ranks",
    "spearman_argsort": "Spearman on argsort lists",
}
FILLS = {"reproduced": "#60BD68", "not reproduced": "#F2A33A", "too few networks": "none", "not measured": "none"}
BAND = "Lines: mean over networks and draws; bands: one standard deviation; dotted: before pruning."


def drawings(
    measured: pd.DataFrame, comparison: pd.DataFrame, stability: pd.DataFrame, look: Style
) -> Iterator[Drawing]:
    """Every figure that the data allow, those of one variant together.

    Args:
        measured: from `analysis.toy_reproduction.read_measured`.
        comparison: from `analysis.toy_reproduction.compare`.
        stability: from `analysis.toy_reproduction.average_stability`; may be empty.
        look: colours of the criteria.
    """
    for steps, variant in ((steps, variant) for steps in STEPS for variant in VARIANTS):
        own = measured[(measured["variant"] == variant) & (measured["evaluated_on"] == "train")]
        own = own[own["steps"] == steps]
        first = next((name for name in REFERENCES if name in set(own["references"])), "")
        beside = [table[table["steps"] == steps] if len(table) else table for table in (comparison, stability)]
        for name, title, caption, figure in _of_variant(own, first, beside[0], beside[1], look):
            yield Drawing("toy", (steps, variant, name), f"{title} · {panel(variant, first, steps)}", caption, figure)


def _of_variant(
    own: pd.DataFrame, first: str, comparison: pd.DataFrame, stability: pd.DataFrame, look: Style
) -> Iterator[tuple[str, str, str, Any]]:
    """(name, title, caption, figure); `own`: one variant on the training set, `first`: its main kind of references."""
    if own.empty:
        return
    variant = own["variant"].iloc[0]
    main = own[own["removed"] == PUBLISHED_REMOVED]
    mine = own[own["references"] == first]
    cells = _alike(comparison, variant, first)
    cells = cells[cells["evaluated_on"] == "train"]
    if not cells.empty:
        yield (
            "cells", "Published and ours, cell by cell",
            "Accuracy on the training set in per cent, mean ± standard deviation, after 1,000 of 3,000 neurons are "
            "removed: published above, ours below. Green: reproduced, the published mean lies in the 95 % prediction "
            "interval for one more network of ours; orange: it does not; white: too few networks to say.",
            cells_table(cells),
        )  # fmt: skip
    if main["references"].nunique() > 1:
        yield (
            "references", "Where reference samples come from",
            "Mean accuracy on the training set. Full lines: reference samples evenly spaced along the curves, as in "
            "the published study; dashed: drawn at random from the training set.", both_references(main, look),
        )  # fmt: skip
    curves = mine[mine["removed"] != PUBLISHED_REMOVED]
    if curves["rate"].nunique() > 1:
        few = curves["samples_per_class"].iloc[0]
        yield (
            "rates", "Accuracy over the pruning rate",
            f"Accuracy on the training set, {few} reference samples per class. {BAND}",
            over_rates(mine[mine["samples_per_class"] == few], look),
        )  # fmt: skip
    agreeing = _alike(stability, variant, first) if len(stability) else stability
    if not agreeing.empty:
        yield (
            "stability", "How stable the rankings are",
            "Agreement of two rankings by the same criterion from different reference samples. Top: share that the "
            "first 1,000 neurons to go have in common (by chance a third). Middle: Spearman's correlation of the "
            "neurons' ranks. Bottom: the same correlation between argsort lists, as the authors' code took it. Such a "
            "list holds the arbitrary numbers of the neurons, so the bottom row says nothing about how well rankings "
            "agree.",
            agreement(agreeing, look),
        )  # fmt: skip


def _alike(table: pd.DataFrame, variant: str, references: str) -> pd.DataFrame:
    return table[(table["variant"] == variant) & (table["references"] == references)]


def both_references(main: pd.DataFrame, look: Style) -> Any:
    """Mean accuracy against samples per class, full lines for generated references and dashed ones for drawn ones."""
    figure, panels, names = _panels(main)
    means = main.groupby(["dataset", "references", "criterion", "samples_per_class"])["accuracy"].mean().reset_index()
    for axes, name in zip(panels, names, strict=True):
        for (references, criterion), rows in means[means["dataset"] == name].groupby(["references", "criterion"]):
            axes.plot(
                rows["samples_per_class"], rows["accuracy"], color=look.colours[str(criterion)],
                linestyle="-" if references == "generated" else (0, (4, 2)), linewidth=1.6,
            )  # fmt: skip
        _logarithmic(axes, main["samples_per_class"])
        axes.set(title=name, xlabel="reference samples per class")
    _finish(figure, panels, look, main)
    return figure


def over_rates(curves: pd.DataFrame, look: Style) -> Any:
    """Accuracy against the pruning rate, one panel a dataset."""
    figure, panels, names = _panels(curves)
    for axes, name in zip(panels, names, strict=True):
        _lines(axes, curves[curves["dataset"] == name], "rate", look)
        axes.set(title=name, xlabel="share of neurons removed", xlim=(0, 1))
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25 %", "50 %", "75 %", "100 %"], fontsize=9)
    _finish(figure, panels, look, curves)
    return figure


def agreement(stability: pd.DataFrame, look: Style) -> Any:
    """Stability between repetitions: overlap and both kinds of rank correlation, one row each, one column a dataset."""
    import matplotlib.pyplot as plt

    own = stability[(stability["criterion"] == stability["other"]) & stability["k"].isin([0, PUBLISHED_REMOVED])]
    names = _names(own)
    figure, grid = plt.subplots(
        len(CHECKS), len(names), figsize=(3.3 * len(names), 2.2 * len(CHECKS)), sharey="row", sharex=True, squeeze=False
    )
    for row, (measure, words) in zip(grid, CHECKS.items(), strict=True):
        for axes, name in zip(row, names, strict=True):
            rows = own[(own["dataset"] == name) & (own["measure"] == measure)]
            for criterion in look.colours:
                line = rows[rows["criterion"] == criterion].sort_values("samples_per_class")
                axes.plot(line["samples_per_class"], line["mean"], color=look.colours[criterion], linewidth=1.6)
            _logarithmic(axes, own["samples_per_class"])
            axes.set(ylim=(-0.08, 1.05))
        row[0].set_ylabel(words)
    for axes, name in zip(grid[0], names, strict=True):
        axes.set_title(name)
    for axes in grid[-1]:
        axes.set_xlabel("reference samples per class")
    _legend(figure, look, own)
    return figure


def cells_table(cells: pd.DataFrame) -> Any:
    """The published cells as a table of pictures: published above ours, coloured by verdict; one block a dataset."""
    import matplotlib.pyplot as plt

    names = _names(cells)
    counts = sorted(cells["samples_per_class"].unique())
    criteria = [name for name in ("lrp", "weight", "taylor", "gradient") if name in set(cells["criterion"])]
    figure, blocks = plt.subplots(
        len(names), 1, figsize=(0.95 * len(counts) + 1.1, 0.62 * len(criteria) * len(names) + 1), squeeze=False
    )
    for axes, name in zip(blocks[:, 0], names, strict=True):
        for row in cells[cells["dataset"] == name].to_dict("records"):
            column, line = counts.index(row["samples_per_class"]), criteria.index(row["criterion"])
            box = plt.Rectangle((column, line), 0.96, 0.94, facecolor=FILLS[row["verdict"]], alpha=0.45, linewidth=0)
            axes.add_patch(box)
            ours = "–" if np.isnan(row["ours_mean"]) else f"{100 * row['ours_mean']:.1f} ± {100 * row['ours_std']:.1f}"
            text = f"{100 * row['published_mean']:.1f} ± {100 * row['published_std']:.1f}\n{ours}"
            axes.text(column + 0.48, line + 0.47, text, ha="center", va="center", fontsize=8.5)
        axes.set(xlim=(0, len(counts)), ylim=(len(criteria), 0))
        axes.set_yticks(np.arange(len(criteria)) + 0.47, criteria)
        axes.set_xticks(np.arange(len(counts)) + 0.48, counts)
        axes.set_title(name)
        axes.grid(visible=False)
        for side in axes.spines.values():
            side.set_visible(False)
    blocks[-1, 0].set_xlabel("reference samples per class")
    return figure


def _names(table: pd.DataFrame) -> list[str]:
    present = set(table["dataset"])
    return [name for name in DATASETS if name in present] + sorted(present - set(DATASETS))


def _panels(table: pd.DataFrame) -> tuple[Any, list[Any], list[str]]:
    import matplotlib.pyplot as plt

    names = _names(table)
    figure, grid = plt.subplots(1, len(names), figsize=(3.3 * len(names), 3.1), squeeze=False)
    return figure, list(grid[0]), names


def _lines(axes: Any, table: pd.DataFrame, x: str, look: Style) -> None:
    """Mean and band of one standard deviation for each criterion (cut at 0 and 1, where accuracies end)."""
    import seaborn as sns

    present = [name for name in look.colours if name in set(table["criterion"])]
    sns.lineplot(data=table, x=x, y="accuracy", hue="criterion", hue_order=present, palette=look.colours, errorbar="sd",
                 err_kws={"alpha": 0.13, "linewidth": 0}, linewidth=1.6, legend=False, ax=axes)  # fmt: skip
    axes.axhline(table["accuracy_unpruned"].mean(), color=look.ink, linewidth=0.8, linestyle=(0, (2, 2)))


def _logarithmic(axes: Any, counts: pd.Series) -> None:
    axes.set_xscale("log")
    ticks = sorted(set(counts))
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks], fontsize=9)
    axes.minorticks_off()


def _finish(figure: Any, panels: list[Any], look: Style, table: pd.DataFrame) -> None:
    for axes in panels:
        axes.set(ylabel="", ylim=(max(0.0, axes.get_ylim()[0]), 1.02))
        axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    panels[0].set_ylabel("accuracy after pruning")
    _legend(figure, look, table)


def _legend(figure: Any, look: Style, table: pd.DataFrame) -> None:
    from matplotlib.lines import Line2D

    present = [name for name in look.colours if name in set(table["criterion"])]
    handles = [Line2D([], [], color=look.colours[name], linewidth=2, label=name) for name in present]
    figure.legend(handles=handles, ncols=len(present), loc="outside lower center", fontsize=9, labelcolor=look.ink)
