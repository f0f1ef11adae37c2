"""What the runs of config/ found, as the tables of docs/findings.md, from the statistics that each run wrote.

    snakemake --cores all --configfile config/zoo.yaml     # and the others that the page names
    python benchmarks/findings.py [--results results] [--only zoo,ablations] [--write]

A run that is not there keeps the table that the page has.
"""

import argparse
import json
from pathlib import Path

import pandas as pd
from relevance_oracle import write

PAGE = Path(__file__).resolve().parents[1] / "docs" / "findings.md"
MEASURE = "mean_accuracy_over_rate"
BRANCHES = {"fewshot": "not retrained", "retrain": "retrained"}
LEVEL = 0.05


def compared(run: Path) -> str:
    """A row a criterion, best first: mean accuracy over the rates of each study and branch; cost; the oracle's word."""
    found = pd.read_csv(run / "statistics" / "intervals.csv")
    found = found[found["measure"] == MEASURE]
    samples = found["samples_per_class"].max()  # where a run has several numbers of images, the largest
    found = found[found["samples_per_class"] == samples].set_index(["study", "branch", "criterion"]).sort_index()
    settings = [(study, branch) for study in found.index.unique("study") for branch in BRANCHES]
    columns = {
        f"{study}: {BRANCHES[branch]}": {str(name): _interval(row) for name, row in found.loc[study, branch].iterrows()}
        for study, branch in settings
    }
    cost = pd.read_csv(run / "tables" / "cost.csv").groupby("criterion")["ratio_to_gradient"].median()
    columns["cost ÷ gradient"] = {name: f"{ratio:.1f}" for name, ratio in cost.items()}
    if (run / "statistics" / "oracle.csv").exists():
        oracle = pd.read_csv(run / "statistics" / "oracle.csv")
        for study, rows in oracle.groupby("study", sort=False):
            columns[f"{study}: ρ with the oracle"] = {row.criterion: f"{row.spearman:.2f}" for row in rows.itertuples()}
    without = found.xs("fewshot", level="branch")["mean"].groupby("criterion").mean()
    names = [str(name) for name in without.sort_values(ascending=False).index]
    table = _table("criterion", names, columns)
    seeds = found["n"].min()
    return (
        f"{table}\n\nMean accuracy in per cent over all rates with its exact 95 % interval over n = {seeds} seeds; "
        f"{samples} reference images per class. {_made(run)}"
    )


def choices(run: Path) -> str:
    """A row a choice: what it changes in each study and branch; bold where the corrected test says so."""
    found = pd.read_csv(run / "statistics" / "choices.csv")
    samples = found["samples_per_class"].max()
    found = found[found["samples_per_class"] == samples]
    found["what"] = found["criterion"] + ", " + found["choice"]
    columns: dict[str, dict[str, str]] = {}
    for (study, branch), rows in found.groupby(["study", "branch"], sort=False):
        columns[f"{study}: {BRANCHES[branch]}"] = {row.what: _difference(row) for row in rows.itertuples()}
    table = _table("criterion, choice", list(dict.fromkeys(found["what"])), columns)
    return (
        f"{table}\n\nThe variant minus the criterion as it is, in points of mean accuracy over the rates; "
        f"n = {found['n'].min()} seeds, {samples} reference images per class. Bold: Wilcoxon's signed-rank test, "
        f"corrected by Holm for all choices of the column, is below {LEVEL:g}. {_made(run)}"
    )


TABLES = {"zoo": compared, "ablations": choices, "scene15_local": compared, "cifar10_local": compared}


def _interval(row: pd.Series) -> str:
    bounds = f" [{100 * row['low']:.1f}, {100 * row['high']:.1f}]" if pd.notna(row["low"]) else ""  # six seeds at least
    return f"{100 * row['mean']:.1f}{bounds}"


def _difference(row: object) -> str:
    words = f"{100 * row.mean_difference:+.1f}".replace("-", "−")  # type: ignore[attr-defined]
    return f"**{words}**" if row.wilcoxon_holm < LEVEL else words  # type: ignore[attr-defined]


def _table(first: str, names: list[str], columns: dict[str, dict[str, str]]) -> str:
    lines = ["| " + " | ".join([first, *columns]) + " |", "|---|" + "---:|" * len(columns)]
    lines += ["| " + " | ".join([name, *(cells.get(name, "–") for cells in columns.values())]) + " |" for name in names]
    return "\n".join(lines)


def _made(run: Path) -> str:
    """With what a run was made."""
    about = json.loads((run / "provenance.json").read_text(encoding="utf-8"))
    return f"Config `{run.name}`, hash {about['config_hash']}, commit {about['commit']}."


def main() -> None:
    """Print each table whose run is there, and with --write put it into docs/findings.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=Path("results"), help="the folder of the runs")
    parser.add_argument("--only", default=",".join(TABLES), help="runs, by comma")
    parser.add_argument("--write", action="store_true", help=f"write the tables into {PAGE.name}")
    given = parser.parse_args()
    for name in given.only.split(","):
        if not (given.results / name / "provenance.json").exists():
            print(f"{given.results / name}: not run. snakemake --cores all --configfile config/{name}.yaml\n")
            continue
        text = TABLES[name](given.results / name)
        print(f"{name}\n\n{text}\n")
        if given.write:
            write(PAGE, name, text)


if __name__ == "__main__":
    main()
