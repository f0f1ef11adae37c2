"""The picture that README opens with: accuracy against filters removed, a row per network, a column per repair.

    python benchmarks/finding_picture.py results/published docs/finding.png

`python benchmarks/findings.py --write` draws it too, where it finds that run.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import seaborn

from secateur.files import replacing
from secateur.repair import NONE
from secateur.report import plots, style

SHOWN = ("lrp_epsilon", "lrp", "taylor_logit", "weight", "random")
"""The criteria drawn: the paper's, its strongest variant and rival, the oldest criterion, and the floor."""
TITLES = {NONE: "as cut", "least_squares": "repaired by least squares"}


def draw(run: Path, file: Path) -> None:
    """Write the picture of a run as PNG: means over the draws of images, with a band from the lowest to the highest."""
    curves = pd.read_csv(run / "tables" / "curves.csv", dtype={"samples_per_class": str})
    curves = curves[curves["branch"].eq("fewshot") & curves["choice"].eq("own") & curves["criterion"].isin(SHOWN)]
    studies = list(dict.fromkeys(curves["study"]))
    look = style.read("report/style.yaml", curves["criterion"].unique())
    with style.theme(look, "finding"):
        figure, grid = plt.subplots(
            len(studies), len(TITLES), figsize=(8, 2.9 * len(studies)), sharex=True, sharey=True, squeeze=False
        )
        for row, study in zip(grid, studies, strict=True):
            for axes, repair in zip(row, TITLES, strict=True):
                chosen = curves[curves["study"].eq(study) & curves["remedy"].eq(repair)]
                data = plots.over_rates(chosen, "accuracy")
                order = [name for name in look.colours if name in SHOWN]
                seaborn.lineplot(
                    data, x="x", y="accuracy", hue="criterion", hue_order=order,
                    palette=look.colours, errorbar=("pi", 100), ax=axes, legend=axes is grid[0][0],
                )  # fmt: skip
                axes.set(title=f"{study}\n{TITLES[repair]}", xlabel="filters removed", ylabel="accuracy", ylim=(0, 1))
                plots.percent_axis(axes.xaxis)
                plots.percent_axis(axes.yaxis)
        handles, names = grid[0][0].get_legend_handles_labels()
        grid[0][0].get_legend().remove()
        figure.legend(handles, names, loc="outside lower center", ncols=len(names))
        with replacing(file) as path:
            figure.savefig(path, dpi=100, format="png", facecolor="white", metadata={"Software": None})
        plt.close(figure)


def main() -> None:
    """Draw the picture of a run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("file", type=Path)
    given = parser.parse_args()
    draw(given.run, given.file)


if __name__ == "__main__":
    main()
