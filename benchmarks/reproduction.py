"""How much of the published 2-D study is reproduced: the table and sentences of docs/toy.md.

    snakemake --cores 2 --configfile config/toy.yaml
    python benchmarks/reproduction.py [--results results/toy] [--write]

Reads what that run's statistics say; nothing is computed here.
"""

import argparse
from pathlib import Path

import pandas as pd
from relevance_oracle import write

from secateur.report.published import toy_sentences

PAGE = Path(__file__).resolve().parents[1] / "docs" / "toy.md"
HEAD = (
    "| steps | set | cells | tested | reproduced | mean difference, points | found with 80 % power, points "
    "| wrong pairs that pass | of distinct pairs |"
)


def table(statistics: Path) -> str:
    """One row a kind of steps and set, with the negative control beside the count; below them the run's sentences.

    Raises:
        SystemExit: the run is not there.
    """
    path = statistics / "toy_cells.csv"
    if not path.exists():
        raise SystemExit(f"{path} is missing. Run snakemake with config/toy.yaml first.")
    cells = pd.read_csv(path)
    chosen = cells[(cells["variant"] == "authors") & (cells["references"] == "generated")]
    lines = [HEAD, "|---|---|" + "---:|" * 7]
    for row in chosen.itertuples():
        numbers = [
            row.cells, row.tested, row.reproduced, f"{100 * row.mean_absolute_difference:.1f}",
            f"{100 * row.detectable:.1f}", f"{row.wrong_passed} of {row.wrong_pairs}",
            f"{row.distinct_passed} of {row.distinct_pairs}",
        ]  # fmt: skip
        cells_of = " | ".join(map(str, numbers))
        name = f"**{row.dataset}**" if row.dataset == "all" else row.dataset
        lines.append(f"| {row.steps} | {name} | {cells_of} |")
    networks = pd.read_csv(statistics / "toy_published.csv")["networks"]
    about = f"Networks of each set and kind of steps: {networks.min():g}" + (
        f" to {networks.max():g}." if networks.max() > networks.min() else "."
    )
    return "\n".join([*lines, "", about, "", *(f"- {sentence}" for sentence in toy_sentences(statistics))])


def main() -> None:
    """Print the table, and with --write put it into docs/toy.md."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--results", type=Path, default=Path("results/toy"))
    parser.add_argument("--write", action="store_true", help=f"write the table into {PAGE.name}")
    given = parser.parse_args()
    text = table(given.results / "statistics")
    print(text)
    if given.write:
        write(PAGE, "reproduced", text)


if __name__ == "__main__":
    main()
