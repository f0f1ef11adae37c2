"""Matrices as coloured cells: every pair of criteria, layers by criteria, agreement of rankings."""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from secateur.analysis.tables import records
from secateur.report.style import Style

ON_LIGHT, ON_DARK = "#000000", "#FFFFFF"
"""Colours of numbers inside a coloured cell; not the page's ink, which changes with light and dark. One of the two
has a contrast of at least 4.58 to any colour, the square root of 21; less than black would not do."""

NO_KINDS: Mapping[str, str] = MappingProxyType({})


def pairs(tests: pd.DataFrame, apart: Collection[frozenset[str]], style: Style, *, title: str) -> Any:
    """Matrix of mean differences in percentage points, row minus column, with a star for the pairs of `apart`.

    Args:
        tests: the rows of one group of tests.csv.
        apart: pairs of criteria that a test corrected for all pairs tells apart.
    """
    import matplotlib.pyplot as plt
    import seaborn as sns

    present = {*tests["criterion"], *tests["other"]}
    names = [name for name in style.colours if name in present]
    difference = pd.DataFrame(np.nan, index=names, columns=names)
    words = pd.DataFrame("", index=names, columns=names)
    for row in records(tests):
        for one, other, sign in ((row["criterion"], row["other"], 1), (row["other"], row["criterion"], -1)):
            value = 100 * sign * row["mean_difference"]
            difference.loc[one, other] = value
            words.loc[one, other] = f"{value:+.1f}" + "*" * (frozenset((one, other)) in apart)
    order = difference.mean(axis=1).sort_values(ascending=False, kind="stable").index
    difference, words = difference.loc[order, order], words.loc[order, order]
    largest = max(1.0, float(np.nanmax(np.abs(difference.to_numpy()))))
    figure, axes = plt.subplots(figsize=_size(len(names)))
    sns.heatmap(
        difference, annot=words, fmt="", center=0, vmin=-largest, vmax=largest, cmap=_diverging(), cbar=False,
        linewidths=1.5, linecolor="none", annot_kws={"fontsize": 9.5}, ax=axes,
    )  # fmt: skip
    return _finished(figure, axes, title)


def profile(profiles: pd.DataFrame, style: Style, *, title: str, kinds: Mapping[str, str] = NO_KINDS) -> Any:
    """Heat map: per cent of each group (columns) that each criterion (rows) removed.

    Orange: more than the whole network lost; blue: less.

    Args:
        profiles: rows of one study, sample count and rate.
        kinds: group → what its units are, in the order of the network, which columns have within each kind; the kinds
            are named above them where there are several. Without it columns have the order of the rows.
    """
    import matplotlib.pyplot as plt
    import seaborn as sns

    data = profiles.assign(share=100 * profiles["removed"] / profiles["units"])
    named = list(dict.fromkeys(kinds.values()))
    groups = list(dict.fromkeys(data["group"]))
    if set(groups) <= set(kinds):
        groups = sorted(groups, key=lambda group: (named.index(kinds[group]), list(kinds).index(group)))
    table = data.pivot_table(index="criterion", columns="group", values="share", aggfunc="mean")
    table = table.loc[[name for name in style.colours if name in table.index], groups]
    wide = max(4.0, min(11.0, 0.5 * len(groups) + 1.8))
    figure, axes = plt.subplots(figsize=(wide, 0.36 * len(table) + 2.0))
    middle = float(100 * data["removed"].sum() / data["units"].sum())
    reach = max(15.0, float((table - middle).abs().to_numpy().max()))
    sns.heatmap(table, vmin=middle - reach, vmax=middle + reach, cmap=_diverging(), annot=len(groups) <= 22,
                fmt=".0f", linewidths=1,
                linecolor="none", annot_kws={"fontsize": 9.5}, cbar=False, ax=axes)  # fmt: skip
    _finished(figure, axes, title)
    beginnings = [next(at for at, group in enumerate(groups) if kinds.get(group) == kind) for kind in named]
    for kind, at in zip(named, beginnings, strict=True) if len(named) > 1 else ():
        axes.text(at, -0.15, kind, fontsize=9.5, ha="left", va="bottom")
        if at:
            axes.axvline(at, color=ON_DARK, linewidth=5)
    return figure


def agreement(table: pd.DataFrame, samples: str, style: Style, *, title: str) -> Any:
    """Matrix of Spearman's correlations between criteria, mean over seeds; diagonal: with itself on other images.

    Args:
        table: rows of one study of agreement.csv; samples: the sample count of the comparisons between criteria.
    """
    import matplotlib.pyplot as plt
    import seaborn as sns

    present = {*table["criterion"], *table["other"]}
    names = [name for name in style.colours if name in present]
    matrix = pd.DataFrame(np.nan, index=names, columns=names)
    chosen = table[(table["kind"] == "samples") | (table["samples_per_class"] == samples)]
    for row in records(chosen.groupby(["criterion", "other"])["spearman"].mean().reset_index()):
        matrix.loc[row["criterion"], row["other"]] = matrix.loc[row["other"], row["criterion"]] = row["spearman"]
    figure, axes = plt.subplots(figsize=_size(len(names)))
    sns.heatmap(matrix, annot=True, fmt=".2f", vmin=-1, vmax=1, cmap=_diverging(), cbar=False, linewidths=1.5,
                linecolor="none", annot_kws={"fontsize": 9.5}, ax=axes)  # fmt: skip
    return _finished(figure, axes, title)


def readable(axes: Any) -> None:
    """Write each number of a heat map in black or white, whichever stands out more from its own cell."""
    from matplotlib.colors import to_rgb

    if not axes.texts:  # too many cells for numbers
        return
    cells = axes.collections[0]
    colours = iter(cells.get_facecolors()[~np.ma.getmaskarray(np.ma.ravel(cells.get_array()))])
    for words, colour in zip(axes.texts, colours, strict=True):
        brightness = luminance(to_rgb(colour))
        light = (brightness + 0.05) / (luminance(to_rgb(ON_LIGHT)) + 0.05)
        words.set_color(ON_LIGHT if light >= 1.05 / (brightness + 0.05) else ON_DARK)


def luminance(colour: Any) -> float:
    """Relative luminance (WCAG 2.2) of a colour of three shares."""
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in colour]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def _size(names: int) -> tuple[float, float]:
    """Inches of a square matrix of so many names."""
    return max(0.44 * names + 1.3, 3.6), max(0.36 * names + 1.1, 2.4)


def _finished(figure: Any, axes: Any, title: str) -> Any:
    readable(axes)
    axes.grid(False)
    axes.set(title=title, xlabel="", ylabel="")
    axes.tick_params(axis="x", rotation=45, labelsize=9.5)
    axes.tick_params(axis="y", rotation=0, labelsize=9.5)
    for label in axes.get_xticklabels():
        label.set(ha="right", rotation_mode="anchor")
    return figure


def _diverging() -> Any:
    """Blue (less) to orange (more) through a colour that reads on light and dark pages."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("difference", ["#3B7DBB", "#C9D6E2", "#F2EFEA", "#F0CFA8", "#E07B39"])
