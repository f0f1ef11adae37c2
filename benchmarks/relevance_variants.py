"""What rule, split at additions and aggregation do to LRP as a pruning criterion: the table of docs/relevance.md.

    snakemake --cores 2 --configfile config/relevance.yaml --config mirror=<folder>
    python benchmarks/relevance_variants.py [--results results/relevance] [--write]

Reads what that run measured in its few-shot branch: each cell is the mean accuracy over the rates, in per cent, with
its standard deviation over seeds.
"""

import argparse
from pathlib import Path

import pandas as pd
import yaml
from relevance_oracle import PAGE, write

MEASURE = "mean_accuracy_over_rate"
SPLITS = ("value", "positive", "absolute")


def table(results: Path, config: Path) -> str:
    """The table as Markdown, with a sentence on what was run below it.

    Raises:
        SystemExit: the run is not there.
    """
    path = results / "statistics" / "intervals.csv"
    if not path.exists():
        raise SystemExit(f"{path} is missing. Run snakemake with {config} first.")
    found = pd.read_csv(path)
    found = found[(found["branch"] == "fewshot") & (found["measure"] == MEASURE)].set_index(["study", "criterion"])
    run = yaml.safe_load(config.read_text(encoding="utf-8"))
    studies = list(run["studies"])
    variants = [item for item in run["criteria"] if isinstance(item, dict)]
    pairs = dict.fromkeys((item["options"]["rule"], item["options"]["aggregation"]) for item in variants)
    names = {
        tuple(item["options"][key] for key in ("rule", "aggregation", "additions")): item["name"] for item in variants
    }

    def cell(study: str, criterion: str) -> str:
        row = found.loc[(study, criterion)]
        return f"{100 * row['mean']:.1f} ± {100 * row['sd']:.1f}"

    head = ["rule", "aggregation", *(f"{study}: {split}" for study in studies for split in SPLITS)]
    lines = ["| " + " | ".join(head) + " |", "|---|---|" + "---:|" * (len(head) - 2)]
    for rule, aggregation in pairs:
        cells = [cell(study, names[rule, aggregation, split]) for study in studies for split in SPLITS]
        lines.append("| " + " | ".join([rule, aggregation, *cells]) + " |")
    for criterion in (item for item in run["criteria"] if isinstance(item, str)):
        cells = [text for study in studies for text in (cell(study, criterion), *[""] * (len(SPLITS) - 1))]
        lines.append("| " + " | ".join([criterion, "", *cells]) + " |")
    samples, rates = run["fewshot"]["samples_per_class"], run["fewshot"]["rates"]
    seeds = int(found["n"].min())
    about = (
        f"Mean accuracy in per cent over rates {min(rates)} to {max(rates)} ± standard deviation over {seeds} seeds; "
        f"{samples[0]} reference samples per class, all units (scope `all`). LRP's scores are not normalised per layer."
    )
    return "\n".join([*lines, "", about])


def main() -> None:
    """Print the table, and with --write put it into docs/relevance.md."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--results", type=Path, default=Path("results/relevance"))
    parser.add_argument("--config", type=Path, default=Path("config/relevance.yaml"))
    parser.add_argument("--write", action="store_true", help=f"write the table into {PAGE.name}")
    given = parser.parse_args()
    text = table(given.results, given.config)
    print(text)
    if given.write:
        write(PAGE, "variants", text)


if __name__ == "__main__":
    main()
