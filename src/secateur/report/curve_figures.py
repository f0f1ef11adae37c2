"""Accuracy while filters go, as pictures: against filters, computation and parameters, as cut and as repaired."""

import math
from collections.abc import Iterator

import pandas as pd

from secateur.analysis import tables
from secateur.repair import NONE
from secateur.report import plots
from secateur.report.drawing import AXES, Drawing, counted, setting
from secateur.report.style import Style

MEASURED = "accuracy on test images"
SPREAD = (
    "Lines: mean over seeds; bands, of {} and of the best other criterion alone: smallest to largest seed. A curve "
    "that rises again is explained under “Can the curves be trusted?”."
)


def drawings(curves: pd.DataFrame, chances: dict[str, float], paper: str, look: Style) -> Iterator[Drawing]:
    """The curves of every study, branch, number of images and remedy.

    Args:
        curves: the tidy table with the rows of all remedies.
        chances: study → accuracy of guessing, drawn where it is known.
        paper: the criterion of the paper, whose spread is drawn.
        look: order and colours of the criteria.
    """
    cut = curves[curves["remedy"] == NONE]
    kinds = (
        ("curve", "rate", "accuracy", MEASURED,
         "The longer a curve stays up, the more filters that criterion can remove before the network forgets."),
        ("macs", "macs", "accuracy", MEASURED,
         "The same networks, compared at equal computation instead of equal number of filters."),
        ("params", "params", "accuracy", MEASURED,
         "The same networks, compared at equal number of parameters: what has to be stored."),
        ("worst", "rate", "worst_class_accuracy", "accuracy of the worst class",
         "The class that the network gets wrong most often: averages can hide that a class is lost."),
    )  # fmt: skip
    for section, axis, column, y_label, see in kinds:
        share, removed = AXES[axis]
        for study, branch, samples, group in _groups(cut):
            data = plots.over_rates(group, column) if axis == "rate" else plots.over_grid(group, column, share)
            chance = chances.get(study, math.nan) if column == "accuracy" else math.nan
            yield Drawing(
                section, (study, branch, samples), setting(study, branch, samples), f"{see} {SPREAD.format(paper)}",
                plots.curve(data, column, look, plots.Marks(_banded(data, column, paper), chance),
                            title="", x_label=f"{removed} removed", y_label=y_label),
                study, branch, samples, _measured(group),
            )  # fmt: skip
    for remedy in sorted(set(curves["remedy"]) - {NONE}):
        for study, branch, samples, group in _groups(curves[curves["remedy"] == remedy]):
            data = plots.over_rates(group, "accuracy")
            marks = plots.Marks(_banded(data, "accuracy", paper), chances.get(study, math.nan))
            yield Drawing(
                "repaired", (study, branch, samples, remedy), f"{setting(study, branch, samples)} · {remedy}",
                "The networks of “By filters removed” after a repair with the same reference images: no labels are "
                f"used, and no gradient step is taken. {SPREAD.format(paper)}",
                plots.curve(data, "accuracy", look, marks, title="", x_label=f"{AXES['rate'][1]} removed",
                            y_label=MEASURED),
                study, branch, samples, _measured(group),
            )  # fmt: skip


def _groups(curves: pd.DataFrame) -> Iterator[tuple[str, str, str, pd.DataFrame]]:
    """Study, branch, number of images and their rows, where anything was removed."""
    for study in sorted(set(curves["study"])):
        for branch in sorted(set(curves["branch"])):
            chosen = curves[(curves["study"] == study) & (curves["branch"] == branch)]
            for samples in tables.in_order(chosen["samples_per_class"]):
                group = chosen[chosen["samples_per_class"] == samples]
                if (group["rate"] > 0).any():
                    yield study, branch, samples, group


def _measured(group: pd.DataFrame) -> str:
    seeds, images = counted(group["seed"].nunique(), "seed"), int(group["test_samples"].max())
    return f"Mean over {seeds}, each measured on {images:,} test images."


def _banded(data: pd.DataFrame, column: str, paper: str) -> tuple[str, ...]:
    """Whose spread is drawn: the paper's criterion and the best of the others; more bands hide each other."""
    means = data.groupby("criterion")[column].mean()
    others = means.drop(index=paper, errors="ignore")
    return tuple(name for name in (paper, *others.nlargest(1).index) if name in means.index)
