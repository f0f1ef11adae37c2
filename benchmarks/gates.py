"""What leaving neurons inside gates alone changes: a table of docs/relevance.md.

    snakemake --cores 2 --configfile benchmarks/gates.yaml
    python benchmarks/gates.py [--results results/gates] [--write]

Of each criterion: the share of gates' neurons among what it removes at the lowest rate where they are offered, and mean
accuracy over rates with them and without.
"""

import argparse
from pathlib import Path

import pandas as pd
from relevance_oracle import PAGE, write
from signed_relevance import chosen

LEFT, OFFERED = "signal", "all"


def table(results: Path) -> str:
    """The table as Markdown, with what n and the intervals are."""
    means = chosen(results / "statistics" / "intervals.csv").set_index(["study", "criterion"])
    cuts, of_all, rate = shares(results)
    lines = [
        "| criterion | of its first cuts inside gates | accuracy, gates offered | left out |",
        "|---|---:|---:|---:|",
    ]
    for name in means.index.get_level_values("criterion").unique():
        cells = [
            "{mean:.1f} [{low:.1f}, {high:.1f}]".format(**(100 * means.loc[(study, name), ["mean", "low", "high"]]))
            for study in (OFFERED, LEFT)
        ]
        lines.append(f"| `{name}` | {cuts[name]:.0%} | " + " | ".join(cells) + " |")
    about = (
        f"First cuts: those at rate {rate:g}, of all seeds; {of_all:.0%} of all units lie inside gates. Mean accuracy "
        f"in per cent over the rates, with its exact 95 % interval; n = {int(means['n'].min())} seeds, a residual "
        "network with squeeze-and-excite blocks on digits."
    )
    return "\n".join([*lines, "", about])


def shares(results: Path) -> tuple[pd.Series, float, float]:
    """Criterion → share of gates' neurons in what goes at the lowest rate; their share of all units; that rate."""
    units = pd.read_parquet(results / "tables" / "units.parquet")
    units = units[units["study"] == OFFERED].drop_duplicates("group").set_index("group")
    removed = pd.read_parquet(results / "tables" / "profiles.parquet")
    removed = removed[(removed["study"] == OFFERED) & (removed["rate"] > 0)]
    removed = removed[removed["rate"] == removed["rate"].min()]
    inside = removed["group"].map(units["gate"]).astype(bool)
    found = removed[inside].groupby("criterion")["removed"].sum() / removed.groupby("criterion")["removed"].sum()
    return found.fillna(0), units.loc[units["gate"], "units"].sum() / units["units"].sum(), removed["rate"].min()


def main() -> None:
    """Print the table, and with --write put it into docs/relevance.md."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--results", type=Path, default=Path("results/gates"))
    parser.add_argument("--write", action="store_true", help=f"write the table into {PAGE.name}")
    given = parser.parse_args()
    text = table(given.results)
    print(text)
    if given.write:
        write(PAGE, "gates", text)


if __name__ == "__main__":
    main()
