"""How often the analysis is wrong about simulated benchmarks: prints tables, or writes them into docs/statistics.md.

python benchmarks/calibration.py [--simulations 2000] [--write]

It exits with an error where the upper 95 % bound of a false-verdict rate exceeds alpha by more than `ALLOWED`.
"""

import argparse
import re
import sys
from pathlib import Path

from secateur.analysis import calibration, simulation
from secateur.analysis.calibration import ALPHA, Proportion
from secateur.analysis.simulation import Draw, Grid
from secateur.files import write_text

PAGE = Path(__file__).resolve().parents[1] / "docs" / "statistics.md"
CURVES = Path(__file__).with_name("measured_curves.csv")
SEEDS = (6, 8, 9, 10, 12, 15, 20)
ALLOWED = 0.015
"""By how much the upper bound of a rate may exceed its level."""
GRIDS = ((1, 3), (3, 3), (6, 4))
EFFECTS = ((0, 0), (2, 0), (0, 2), (2, 2), (4, 0), (0, 4), (4, 4))
"""Standard deviations of the effects of datasets and of networks, in points."""
TRUE = 0.04
"""A true advantage over studies, whose power is given: four points."""
COLLAPSES, MEASURED = "one seed in four collapses", "measured curves"
FEWER = (5, 6, 8, 10, 15, 20)
"""Seeds with which the tests of pairs and of many criteria are simulated."""
RUNS, MOVED = (4, 5, 6, 8), (1.0, 2.0, 3.0)
"""Seeds of each of two runs that are compared, and by how many standard deviations a criterion moved."""


class Exceeded(list[str]):
    """Cells whose false-verdict rate is too high."""

    def check(self, cell: str, found: Proportion, level: float = ALPHA) -> Proportion:
        """Note the cell if its upper bound is too high."""
        if found.interval[1] > level + ALLOWED:
            self.append(f"{cell}: {share(found)} %, at most {100 * (level + ALLOWED):g} allowed")
        return found


def share(found: Proportion) -> str:
    """A share with its interval, in per cent."""
    low, high = found.interval
    return f"{100 * found.value:.1f} ({100 * low:.1f}–{100 * high:.1f})"


def beside(wrong: Proportion, right: Proportion) -> str:
    """A share of false verdicts with its interval, and the power."""
    return f"{share(wrong)}; {100 * right.value:.0f}"


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def within_a_study(situations: dict[str, calibration.Situation], simulations: int, exceeded: Exceeded) -> str:
    """False verdicts about one study, and the power beside them."""
    rows = []
    for words, one in situations.items():
        cells = []
        for count in SEEDS:
            wrong = calibration.false_verdicts(count, words, one, simulations)
            exceeded.check(f"{words}; {count} seeds", wrong)
            cells.append(beside(wrong, calibration.true_verdicts(count, words, one, simulations)))
        rows.append([words, *cells])
    return table(["the truth", *(f"{count} seeds" for count in SEEDS)], rows)


def over_studies(draw: Draw, skewness: float, simulations: int, exceeded: Exceeded) -> tuple[str, str]:
    """False verdicts over crossed studies with the power beside them, and the same of what all studies say alike."""
    columns = [(grid, seeds) for grid in GRIDS for seeds in (6, 20)]
    overall, alike = [], []
    for dataset_sd, backbone_sd in EFFECTS:
        words = f"datasets {dataset_sd}, networks {backbone_sd}"
        cells: list[list[str]] = [[], []]
        for (datasets, backbones), seeds in columns:
            one = datasets == 1  # its verdict is about other networks, not about other datasets
            grid = Grid(datasets, backbones, 0 if one else dataset_sd / 100, backbone_sd / 100, skewness)
            options = {"beside": "dataset" if one else ""}
            null = calibration.over_studies(grid, seeds, draw, simulations, **options)
            true = calibration.over_studies(grid, seeds, draw, simulations, gain=TRUE, **options)
            cell = f"{words}, skewness {skewness:g}; {datasets} × {backbones}, {seeds} seeds"
            exceeded.check(cell, null.false)
            exceeded.check(f"{cell}, alike", null.false_alike)
            cells[0].append(beside(null.false, true.true))
            cells[1].append(beside(null.false_alike, true.alike))
        overall.append([words, *cells[0]])
        alike.append([words, *cells[1]])
    head = ["effects, in points", *(f"{d} × {b}, {seeds} seeds" for (d, b), seeds in columns)]
    return table(head, overall), table(head, alike)


def other_ways(draws: dict[str, Draw], simulations: int) -> tuple[str, str]:
    """What was not chosen: other tests of one study under skew, and studies taken for independent blocks."""
    rows = [
        [f"{test}, {name}",
         *(share(calibration.other_tests(count, test, draw, simulations)) for count in SEEDS)]
        for test in ("sign", "wilcoxon", "t") for name, draw in draws.items()
    ]  # fmt: skip
    blocks = [
        [f"datasets {dataset_sd}, networks {backbone_sd}",
         share(calibration.as_blocks(grid, 6, draws[MEASURED], simulations)),
         share(calibration.over_studies(grid, 6, draws[MEASURED], simulations).false)]
        for dataset_sd, backbone_sd in EFFECTS
        for grid in [Grid(6, 4, dataset_sd / 100, backbone_sd / 100)]
    ]  # fmt: skip
    head = ["effects, in points", "24 studies as blocks, signed ranks", "datasets and networks crossed"]
    return table(["test, residuals", *(f"{count} seeds" for count in SEEDS)], rows), table(head, blocks)


def tables(simulations: int) -> tuple[dict[str, str], Exceeded]:
    """Name of the mark in the page → Markdown; and the cells whose rate is too high."""
    seeds = [f"{count} seeds" for count in FEWER]
    curves, exceeded = simulation.read(CURVES), Exceeded()
    measured = simulation.measured(curves)
    found = {}
    found["false-verdicts"] = within_a_study(calibration.situations(curves), simulations, exceeded)
    found["over-studies"], found["alike"] = over_studies(measured, 0.0, simulations, exceeded)
    found["over-skewed-studies"], _ = over_studies(measured, -1.0, simulations, exceeded)
    draws: dict[str, Draw] = {COLLAPSES: simulation.collapsing, MEASURED: measured}
    found["other-tests"], found["blocks"] = other_ways(draws, simulations)
    found["tests"] = table(
        ["test, all criteria equal", *seeds],
        [
            ["any of 6 pairs of 4 criteria, Wilcoxon with Holm",
             *(share(calibration.false_pairs(count, 4, simulations)) for count in FEWER)],
            ["any of 6 pairs of 4 criteria, permutations with Holm",
             *(share(calibration.false_pairs(count, 4, simulations, test="permutation")) for count in FEWER)],
            ["Friedman and Iman–Davenport, 4 criteria",
             *(share(calibration.false_friedman(count, 4, simulations)) for count in FEWER)],
            ["Friedman and Iman–Davenport, 8 criteria",
             *(share(calibration.false_friedman(count, 8, simulations)) for count in FEWER)],
        ],
    )  # fmt: skip
    found["shifts"] = table(
        ["how many standard deviations one of 4 criteria really moved", *(f"{count} seeds" for count in RUNS)],
        [["0 (honest runs)", *(share(calibration.false_shifts(count, simulations)) for count in RUNS)]]
        + [[f"{by:g}", *(share(calibration.true_shifts(count, by, simulations)) for count in RUNS)] for by in MOVED],
    )
    found["intervals"] = table(
        ["95 % interval contains the truth", *(f"{count} seeds" for count in SEEDS)],
        [
            [f"{words}, {name}", *(share(calibration.covered(count, kind, draw, simulations)) for count in SEEDS)]
            for kind, words in calibration.INTERVALS.items()
            for name, draw in {"skewed noise": simulation.skewed, **draws}.items()
        ],
    )  # fmt: skip
    return {name: f"{text}\n\n{simulations:,} simulations a cell." for name, text in found.items()}, exceeded


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--simulations", type=int, default=2_000)
    parser.add_argument("--write", action="store_true", help="put the tables into docs/statistics.md")
    options = parser.parse_args()
    made, exceeded = tables(options.simulations)
    text = PAGE.read_text(encoding="utf-8")
    for name, found in made.items():
        print(f"{name}\n{found}\n")
        mark = rf"(<!-- {name} -->\n).*?(<!-- end -->)"
        if options.write and not re.search(mark, text, flags=re.DOTALL):
            sys.exit(f"{PAGE}: the mark <!-- {name} --> … <!-- end --> is missing.")
        text = re.sub(mark, lambda match, found=found: match[1] + found + "\n" + match[2], text, flags=re.DOTALL)
    if options.write:
        write_text(PAGE, text)
    if exceeded:
        sys.exit("Wrong too often:\n" + "\n".join(exceeded))


if __name__ == "__main__":
    main()
