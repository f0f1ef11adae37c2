"""How often the analysis is wrong about simulated benchmarks: prints tables, or writes them into docs/statistics.md.

python benchmarks/calibration.py [--simulations 2000] [--write]
"""

import argparse
import re
import sys
from pathlib import Path

from secateur.analysis import calibration
from secateur.analysis.calibration import SPREAD, Share
from secateur.files import write_text

PAGE = Path(__file__).resolve().parents[1] / "docs" / "statistics.md"
SEEDS = (5, 6, 8, 10, 15, 20)
STUDIES = (1, 2, 4, 6, 8, 12)
BEYOND = (0.005, 0.01, 0.02, 0.03)
RUNS, MOVED = (4, 5, 6, 8), (1.0, 2.0, 3.0)
"""Seeds of each of two runs that are compared, and by how many standard deviations a criterion moved."""


def share(found: Share) -> str:
    """A share with its interval, in per cent."""
    low, high = found.interval
    return f"{100 * found.value:.1f} ({100 * low:.1f}–{100 * high:.1f})"


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def tables(simulations: int) -> dict[str, str]:
    """Name of the mark in the page → Markdown."""
    seeds = [f"{count} seeds" for count in SEEDS]
    found = {}
    found["false-verdicts"] = table(
        ["the truth", *seeds],
        [
            [words, *(share(calibration.false_verdicts(count, words, simulations)) for count in SEEDS)]
            for words in calibration.SITUATIONS
        ],
    )
    found["over-studies"] = table(
        ["the truth", *(f"{count} studies" for count in STUDIES)],
        [
            ["“better” claimed, all criteria equal on average over studies",
             *(share(calibration.false_over_studies(count, simulations)) for count in STUDIES)],
        ],
    )  # fmt: skip
    found["power"] = table(
        ["true difference beyond the margin, in standard deviations of one criterion", *seeds],
        [
            [f"{beyond / SPREAD:g}", *(share(calibration.true_verdicts(count, beyond, simulations)) for count in SEEDS)]
            for beyond in BEYOND
        ],
    )
    found["tests"] = table(
        ["test, all criteria equal", *seeds],
        [
            ["any of 6 pairs of 4 criteria, Wilcoxon with Holm",
             *(share(calibration.false_pairs(count, 4, simulations)) for count in SEEDS)],
            ["any of 6 pairs of 4 criteria, permutations with Holm",
             *(share(calibration.false_pairs(count, 4, simulations, test="permutation")) for count in SEEDS)],
            ["Friedman and Iman–Davenport, 4 criteria",
             *(share(calibration.false_friedman(count, 4, simulations)) for count in SEEDS)],
            ["Friedman and Iman–Davenport, 8 criteria",
             *(share(calibration.false_friedman(count, 8, simulations)) for count in SEEDS)],
        ],
    )  # fmt: skip
    found["shifts"] = table(
        ["how many standard deviations one of 4 criteria really moved", *(f"{count} seeds" for count in RUNS)],
        [["0 (honest runs)", *(share(calibration.false_shifts(count, simulations)) for count in RUNS)]]
        + [[f"{by:g}", *(share(calibration.true_shifts(count, by, simulations)) for count in RUNS)] for by in MOVED],
    )
    exact = [share(calibration.covered(count, "exact", simulations)) if count > 5 else "none" for count in SEEDS]
    found["intervals"] = table(
        ["95 % interval contains the truth", *seeds],
        [
            ["exact, from the signed-rank test", *exact],
            ["BCa bootstrap", *(share(calibration.covered(count, "bca", simulations)) for count in SEEDS)],
        ],
    )
    return {name: f"{text}\n\n{simulations:,} simulations a cell." for name, text in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--simulations", type=int, default=2_000)
    parser.add_argument("--write", action="store_true", help="put the tables into docs/statistics.md")
    options = parser.parse_args()
    made = tables(options.simulations)
    text = PAGE.read_text(encoding="utf-8")
    for name, found in made.items():
        print(f"{name}\n{found}\n")
        mark = rf"(<!-- {name} -->\n).*?(<!-- end -->)"
        if options.write and not re.search(mark, text, flags=re.DOTALL):
            sys.exit(f"{PAGE}: the mark <!-- {name} --> … <!-- end --> is missing.")
        text = re.sub(mark, lambda match, found=found: match[1] + found + "\n" + match[2], text, flags=re.DOTALL)
    if options.write:
        write_text(PAGE, text)


if __name__ == "__main__":
    main()
