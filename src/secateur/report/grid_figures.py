"""The figures of the grid: accuracy left when filters and fully connected neurons are removed at rates of their own."""

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
            yield Drawing(
                "grid", (study, samples), setting(study, "fewshot", samples),
                "Accuracy in per cent when filters (further to the right) and neurons of the fully connected layers "
                "(further up) go together; darker is more, on one scale for all criteria. The further a criterion's "
                "panel stays dark to the right and up, the more it can remove; where it fades in one direction only, "
                "the network depends on that kind of unit.",
                heat_map(group, look, title=""), study, "", "",
                f"Rates are of {first['filters_total']:,} filters and {first['neurons_total']:,} neurons, each kind "
                f"ranked by itself. Mean over n = {counted(group['seed'].nunique(), 'seed')}, each measured on "
                f"{int(group['test_samples'].max()):,} test images.",
            )  # fmt: skip


def heat_map(grid: pd.DataFrame, look: Style, *, title: str) -> Any:
    """Mean accuracy over seeds, one panel a criterion, on one colour scale; numbers are per cent.

    Args:
        grid: rows of one study and sample count; columns `criterion seed filter_rate neuron_rate accuracy`, rates and
            accuracies as shares in [0, 1].
        look: order of the panels.
        title: written above them.

    Returns:
        A Matplotlib figure.
    """
    import matplotlib.pyplot as plt
    import seaborn as sns
    from matplotlib.colors import LinearSegmentedColormap

    names = [name for name in look.colours if name in set(grid["criterion"])]
    means = 100 * grid.groupby(["criterion", "neuron_rate", "filter_rate"])["accuracy"].mean()
    across, down = grid["filter_rate"].nunique(), grid["neuron_rate"].nunique()
    columns = min(len(names), COLUMNS_AT_MOST)
    rows = -(-len(names) // columns)
    figure, axes = plt.subplots(
        rows, columns, squeeze=False, sharex=True, sharey=True,
        figsize=(columns * (across * CELL[0] + 0.35) + 0.7, max(rows * (down * CELL[1] + 0.45) + 0.75, LOWEST)),
    )  # fmt: skip
    colours = LinearSegmentedColormap.from_list("accuracy", ["#F2EFEA", "#C9D6E2", "#3B7DBB", "#143F66"])
    places = list(axes.flat)
    for place, name in zip(places, names, strict=False):
        table = means[name].unstack("filter_rate")
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
    figure.supxlabel("filters removed, %", fontsize=11)
    figure.supylabel("neurons removed, %", fontsize=11)
    return figure
