"""Does z⁺ relevance summed with its sign rank worse than by its size? A table of docs/relevance.md.

    snakemake --cores 2 --configfile config/signed.yaml --config mirror=<folder>
    python benchmarks/signed_relevance.py [--results results/signed] [--write]

Reads what that run measured in its few-shot branch: means over the rates with their intervals over seeds, and paired
differences with theirs. The sentence below the table counts what the intervals say.
"""

import argparse
from pathlib import Path

import pandas as pd
from relevance_oracle import PAGE, write

MEASURE = "mean_accuracy_over_rate"
SIGNED, SIZES = "signed", ("position", "sample")


def chosen(path: Path) -> pd.DataFrame:
    """Rows of a table of statistics about the measure in the few-shot branch, of single studies.

    Raises:
        SystemExit: the run is not there.
    """
    if not path.exists():
        raise SystemExit(f"{path} is missing. Run snakemake with config/signed.yaml first.")
    found = pd.read_csv(path)
    found = found[(found["branch"] == "fewshot") & (found["measure"] == MEASURE)]
    return found[found["scope"] == "study"] if "scope" in found else found


def differences(tests: pd.DataFrame, first: str, other: str) -> pd.DataFrame:
    """`first` minus `other`, in points: study → mean, low, high."""
    rows = {}
    for row in tests.itertuples():
        sign = {(first, other): 1, (other, first): -1}.get((row.criterion, row.other))
        if sign is not None:
            low, high = sorted((100 * sign * row.low, 100 * sign * row.high))
            rows[row.study] = (100 * sign * row.mean_difference, low, high)
    return pd.DataFrame.from_dict(rows, orient="index", columns=["mean", "low", "high"])


def points(row: pd.Series) -> str:
    """A difference with its interval."""
    return f"{row['mean']:+.1f} [{row['low']:+.1f}, {row['high']:+.1f}]".replace("-", "−")


def sentence(found: pd.DataFrame, words: str) -> str:
    """What the intervals of differences say, counted over the studies."""
    below, above = int((found["high"] < 0).sum()), int((found["low"] > 0).sum())
    rest = len(found) - below - above
    return f"{words}: worse in {below}, better in {above} and not told apart in {rest} of {len(found)} studies"


def table(results: Path) -> str:
    """The table as Markdown, with sentences on what it shows."""
    means = chosen(results / "statistics" / "intervals.csv").set_index(["study", "criterion"])
    tests = chosen(results / "statistics" / "tests.csv")
    names = [SIGNED, *SIZES, "random"]
    beside = {other: differences(tests, SIGNED, other) for other in (*SIZES, "random")}
    lines = [
        "| study | " + " | ".join(names) + " | " + " | ".join(f"{SIGNED} − {other}" for other in beside) + " |",
        "|---|" + "---:|" * (len(names) + len(beside)),
    ]
    for study in means.index.get_level_values("study").unique():
        cells = [f"{100 * means.loc[(study, name), 'mean']:.1f}" for name in names]
        cells += [points(found.loc[study]) for found in beside.values()]
        lines.append("| " + " | ".join([study, *cells]) + " |")
    said = [sentence(found, f"`{SIGNED}` against `{other}`") for other, found in beside.items()]
    about = (
        f"Mean accuracy in per cent over the rates, n = {int(means['n'].min())} seeds; differences in points with "
        f"their exact 95 % intervals over seeds. {'; '.join(said)}."
    )
    return "\n".join([*lines, "", about])


def main() -> None:
    """Print the table, and with --write put it into docs/relevance.md."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--results", type=Path, default=Path("results/signed"))
    parser.add_argument("--write", action="store_true", help=f"write the table into {PAGE.name}")
    given = parser.parse_args()
    text = table(given.results)
    print(text)
    if given.write:
        write(PAGE, "signed", text)


if __name__ == "__main__":
    main()
