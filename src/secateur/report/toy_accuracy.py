"""The 2-D study's figures: accuracy against the number of reference samples, and what the networks decide."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from secateur.errors import SecateurError
from secateur.report.drawing import Drawing, counted, read_arrays, read_statistics
from secateur.report.plots import percent_axis
from secateur.report.style import Style

VARIANTS = {"authors": "the network as the authors ran it", "text": "the network as the paper's text says"}
REFERENCES = {"generated": "references evenly spaced", "training": "references drawn from the training set"}
STEPS = {"fitted": "steps of fitted size", "published": "the authors' own steps"}
CLASSES = ("#7FB3D9", "#F2B36B", "#B9B4DC", "#A8CF9B", "#E3A3B5", "#C9C39A")
"""Background colours of the decided classes."""


def drawings(table: pd.DataFrame, statistics: Path, folder: str | Path | None, look: Style) -> Iterator[Drawing]:
    """Every figure that there are data for.

    Args:
        table: the table `toy`, possibly empty.
        statistics: folder that may hold toy_published.csv: published means beside ours.
        folder: the toy branch's folder with `<dataset>.npz`, or None.
        look: colours of the criteria.
    """
    if folder is not None:
        for path in sorted(Path(folder).glob("*.npz")):
            yield from _boundaries(path)
    if table.empty:
        return
    published = read_statistics(statistics, "toy_published") if (statistics / "toy_published.csv").exists() else None
    main = table[(table["evaluated_on"] == "train") & (table["removed"] == table["removed"].mode().iloc[0])]
    for steps, variant, references, dataset in sorted(
        {*zip(main["steps"], main["variant"], main["references"], main["dataset"], strict=True)}
    ):
        here = {"steps": steps, "variant": variant, "references": references, "dataset": dataset}
        chosen = main[(main[list(here)] == list(here.values())).all(axis=1)]
        marks = None
        if published is not None and variant == "authors" and references == "generated":
            marks = published[(published[list(here)] == list(here.values())).all(axis=1)]
            marks = marks[marks["evaluated_on"] == "train"]
        networks, draws = chosen["model_seed"].nunique(), chosen["repetition"].nunique()
        beside = "" if marks is None else " With the published means."
        removed, rate = int(chosen["removed"].iloc[0]), float(chosen["rate"].iloc[0])
        yield Drawing(
            "toy", (steps, variant, references, dataset), f"{dataset} · {panel(variant, references, steps)}",
            f"Accuracy on the training points after {removed:,} hidden neurons ({100 * rate:.0f} %) are removed at "
            "once, by number of reference samples per class. Lines: mean of networks and draws; bands: the middle half "
            "of them; diamonds, where there are any: the published means.",
            accuracy(chosen, marks, look, title=""),
            note=f"Mean of n = {networks * draws} ({counted(networks, 'network')} × {counted(draws, 'draw')}).{beside}",
        )  # fmt: skip


def panel(variant: str, references: str, steps: str) -> str:
    """What the figures of one panel have in common."""
    return ", ".join([VARIANTS.get(variant, variant), REFERENCES.get(references, references), STEPS.get(steps, steps)])


def accuracy(table: pd.DataFrame, marks: pd.DataFrame | None, look: Style, *, title: str) -> Any:
    """Mean accuracy and the middle half of its draws against the number of reference samples; diamonds at `marks`.

    Args:
        table: columns `criterion samples_per_class accuracy`; marks: `criterion samples_per_class published_mean`.
    """
    import matplotlib.pyplot as plt
    import seaborn as sns

    names = [name for name in look.colours if name in set(table["criterion"])]
    figure, axes = plt.subplots(figsize=(4.0, 3.4))
    data = table.assign(samples_per_class=pd.to_numeric(table["samples_per_class"]))
    sns.lineplot(data=data, x="samples_per_class", y="accuracy", hue="criterion", hue_order=names,
                 palette=look.colours, errorbar=("pi", 50), err_kws={"alpha": 0.14, "linewidth": 0}, marker="o",
                 markeredgewidth=0, markersize=4.5, ax=axes)  # fmt: skip
    if marks is not None:
        shown = marks[marks["criterion"].isin(names)]
        axes.scatter(pd.to_numeric(shown["samples_per_class"]), shown["published_mean"], marker="D", s=34, zorder=5,
                     facecolors="none", edgecolors=[look.colours[name] for name in shown["criterion"]])  # fmt: skip
    axes.set_xscale("log")
    counts = sorted(set(data["samples_per_class"]))
    axes.set_xticks(counts, [f"{count:g}" for count in counts])
    axes.minorticks_off()
    axes.set(title=title, xlabel="reference samples per class", ylabel="accuracy after pruning")
    axes.set_ylim(top=1.02)
    axes.legend(title=None, fontsize=9.5, ncols=3, loc="upper center", bbox_to_anchor=(0.45, -0.17),
                labelcolor=look.ink)  # fmt: skip
    percent_axis(axes.yaxis)
    return figure


def _boundaries(path: Path) -> Iterator[Drawing]:
    """One figure for each variant and kind of references in an archive of the toy branch."""
    arrays = read_arrays(path, "decision boundaries")
    if "samples_per_class" not in arrays:
        raise SecateurError(f"{path}: not an archive of decision boundaries. Remove it and run again.")
    samples = int(arrays["samples_per_class"])
    kinds = [name.removesuffix("/reference_inputs") for name in arrays if name.endswith("/reference_inputs")]
    for kind in sorted(kinds):
        variant, _, references = kind.partition("/")
        criteria = [name for name in arrays if name.startswith(f"{kind}/") and f"{name}/accuracy" in arrays]
        yield Drawing(
            "boundary", (path.stem, variant, references),
            f"{path.stem} · {VARIANTS.get(variant, variant)}, {REFERENCES.get(references, references)}",
            "Background: the class that the network decides for at each place; dots: training points; white rings: the "
            f"reference samples of one draw ({samples} per class); number: accuracy on the training points. The first "
            "picture is the unpruned network; in the others one criterion has removed its neurons.",
            boundaries(arrays, [f"{variant}/unpruned", *criteria], kind, title=""), note="n = 1 network.",
        )  # fmt: skip


def boundaries(arrays: dict[str, np.ndarray], keys: list[str], kind: str, *, title: str) -> Any:
    """A row of small pictures of the plane, one for each of `keys`, coloured by the decided class.

    Args:
        arrays: `grid_x` (X), `grid_y` (Y), `train_inputs` (N × 2), `train_labels` (N), and for each key the decided
            classes (Y × X) and `<key>/accuracy`.
        kind: prefix of `reference_inputs` (n × 2).
    """
    import matplotlib.pyplot as plt
    from matplotlib.colors import ListedColormap

    columns = min(3, len(keys))
    rows = -(-len(keys) // columns)
    x, y = arrays["grid_x"], arrays["grid_y"]
    tall = float((y[-1] - y[0]) / (x[-1] - x[0]))
    figure, axes = plt.subplots(rows, columns, figsize=(1.7 * columns, (1.7 * tall + 0.35) * rows + 0.3), squeeze=False)
    colours = ListedColormap(CLASSES)
    every = max(1, len(arrays["train_inputs"]) // 400)  # enough points to see the shape
    points, labels = arrays["train_inputs"][::every], arrays["train_labels"][::every]
    for place in axes.flat[len(keys) :]:
        place.set_visible(False)
    for place, key in zip(axes.flat, keys, strict=False):
        place.imshow(arrays[key], origin="lower", extent=(x[0], x[-1], y[0], y[-1]), cmap=colours, vmin=-0.5,
                     vmax=len(CLASSES) - 0.5, interpolation="nearest", aspect="auto")  # fmt: skip
        place.scatter(*points.T, c=[np.array(colours(int(label)))[:3] * 0.55 for label in labels], s=2, linewidths=0,
                      rasterized=True)  # fmt: skip
        place.scatter(*arrays[f"{kind}/reference_inputs"].T, s=16, facecolors="none", edgecolors="white",
                      linewidths=1.2, rasterized=True)  # fmt: skip
        place.set(xticks=[], yticks=[])
        place.grid(False)
        share = 100 * float(arrays[f"{key}/accuracy"])
        place.set_title(f"{key.rpartition('/')[2]}  {share:.1f} %", fontsize=9.5)
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
    return figure
