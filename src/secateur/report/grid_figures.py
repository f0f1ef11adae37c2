"""The figures of the grid: accuracy left when two kinds of units are removed at rates of their own."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from secateur.analysis import tables
from secateur.report.drawing import Drawing, counted, setting
from secateur.report.matrices import readable
from secateur.report.style import Style

COLUMNS_AT_MOST = 4
CELL = (0.46, 0.34)
"""Width and height of a cell in inches: room for a number of three digits."""
NAMED = {"neurons": "neurons of the fully connected layers"}
KINDS = ("filters", "heads", "neurons")
LOWEST = 2.7
"""Inches: the title and the words beside the panels need this height."""


def drawings(grid: pd.DataFrame, look: Style) -> Iterator[Drawing]:
    """One heat map a study and number of reference samples, for the figures' section "grid".

    Args:
        grid: the table `grid`; no figure where it is empty.
        look: colours and order of the criteria.
    """
    for study in sorted(set(grid["study"])):
        of_study = grid[grid["study"] == study]
        for samples in tables.in_order(of_study["samples_per_class"]):
            group = of_study[of_study["samples_per_class"] == samples]
            first = group.iloc[0]
            across, up = dimensions(group)
            yield Drawing(
                "grid", (study, samples), setting(study, "fewshot", samples),
                f"Accuracy in per cent when {across} (further to the right) and {NAMED.get(up, up)} "
                "(further up) go together; darker is more, on one scale for all criteria. The further a criterion's "
                "panel stays dark to the right and up, the more it can remove; where it fades in one direction only, "
                "the network depends on that kind of unit.",
                heat_map(group, look, title=""), study, "", "",
                f"Rates are of {first[f'{across}_total']:,} {across} and {first[f'{up}_total']:,} {up}, each kind "
                f"ranked by itself. Mean over n = {counted(group['seed'].nunique(), 'seed')}, each measured on "
                f"{int(group['test_samples'].max()):,} test images.",
            )  # fmt: skip


def dimensions(grid: pd.DataFrame) -> tuple[str, str]:
    """The two kinds of units of the rows of one study, in the plural: to the right, and up."""
    across, up = (kind for kind in KINDS if grid[f"{kind}_total"].iloc[0] > 0)
    return across, up


def heat_map(grid: pd.DataFrame, look: Style, *, title: str) -> Any:
    """Mean accuracy over seeds, one panel a criterion, on one colour scale; numbers are per cent.

    Args:
        grid: rows of one study and sample count; the two kinds of `dimensions` have rates; these and accuracies as
            shares in [0, 1].
        look: order of the panels.
        title: written above them.

    Returns:
        A Matplotlib figure.
    """
    import matplotlib.pyplot as plt
    import seaborn as sns
    from matplotlib.colors import LinearSegmentedColormap

    names = [name for name in look.colours if name in set(grid["criterion"])]
    kinds = dimensions(grid)
    right, upwards = (f"{kind[:-1]}_rate" for kind in kinds)
    means = 100 * grid.groupby(["criterion", upwards, right])["accuracy"].mean()
    across, down = grid[right].nunique(), grid[upwards].nunique()
    columns = min(len(names), COLUMNS_AT_MOST)
    rows = -(-len(names) // columns)
    figure, axes = plt.subplots(
        rows, columns, squeeze=False, sharex=True, sharey=True,
        figsize=(columns * (across * CELL[0] + 0.35) + 0.7, max(rows * (down * CELL[1] + 0.45) + 0.75, LOWEST)),
    )  # fmt: skip
    colours = LinearSegmentedColormap.from_list("accuracy", ["#F2EFEA", "#C9D6E2", "#3B7DBB", "#143F66"])
    places = list(axes.flat)
    for place, name in zip(places, names, strict=False):
        table = means[name].unstack(right)
        sns.heatmap(
            table, vmin=0, vmax=100, cmap=colours, annot=True, fmt=".0f", linewidths=1, linecolor="none",
            annot_kws={"fontsize": 9.5}, cbar=False, ax=place,
            xticklabels=[f"{100 * rate:.3g}" for rate in table.columns],
            yticklabels=[f"{100 * rate:.3g}" for rate in table.index],
        )  # fmt: skip
        readable(place)
        place.grid(False)
        place.set(xlabel="", ylabel="")
        place.set_title(name, fontsize=10.5)
        place.tick_params(axis="both", rotation=0, labelsize=9.5)
        place.tick_params(axis="x", labelbottom=names.index(name) + columns >= len(names))
    for place in places[len(names) :]:
        place.set_axis_off()
    places[0].set_ylim(0, down)  # shared: nothing is removed at the bottom left
    if title:
        figure.suptitle(title, x=0.0, ha="left", fontsize=12, fontweight="bold")
    figure.supxlabel(f"{kinds[0]} removed, %", fontsize=11)
    figure.supylabel(f"{kinds[1]} removed, %", fontsize=11)
    return figure
