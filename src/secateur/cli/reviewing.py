"""Subcommands for a reviewer: holding two runs against each other, and putting a run where others can get it."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from secateur.cli.application import app, said
from secateur.errors import SecateurError

if TYPE_CHECKING:
    from pandas import DataFrame
    from rich.table import Table

    from secateur.review.comparison import Comparison
    from secateur.review.surroundings import Difference

SHOWN = 20
"""Rows of a list that are printed; --output has all."""
EXIT = {"identical": 0, "reproduced": 0, "not reproduced": 1, "not judged": 3}


@app.command()
def compare(
    first: Annotated[Path, typer.Argument(metavar="A", help="Folder of a run: results/<run> or published/<run>.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="Folder of the run to hold against it.")],
    alpha: Annotated[
        float, typer.Option(help="Chance that two runs which differ in their seeds alone are said to have moved.")
    ] = 0.05,
    tolerance: Annotated[float, typer.Option(help="Largest relative difference that counts as rounding.")] = 1e-5,
    output: Annotated[Path | None, typer.Option(help="Write every number too: .json (all) or .csv (numbers).")] = None,
) -> None:
    """Hold run B against run A, number by number, and say whether B reproduces A.

    A number is a measurement in one setting over seeds: say, the accuracy
    of a criterion at a rate. Each is one of

    identical | within rounding | within the seeds' spread | moved |
    not judged (too few seeds) | only in A | only in B

    "Within the seeds' spread": for the difference of the means it does not
    matter which run a seed belongs to. All numbers are tested at once, by
    relabelling seeds, so that honest runs with other seeds are said to have
    moved with a chance of at most alpha, however many numbers there are.
    This takes four seeds a run (five beside a 2-D study with several
    networks). Small shifts go unseen; the last line says from what size on
    they would have been called moved.

    Times and memory (the tables cost and latency, claims about them) belong
    to the machine and are not compared. Configs, versions and machines are
    named where they differ. A verdict decided in one run and undecided in the
    other can be seeds alone: it is listed, no more. One that is supported here
    and contradicted there counts as moved.

    Exit code: 0 identical or reproduced; 1 not reproduced; 2 an error;
    3 nothing moved, but some numbers have too few seeds to be judged.

    Example: secateur compare published/demo results/demo
    """
    from secateur.review import comparison

    if not 0 < alpha < 1:
        raise SecateurError(f"--alpha: {alpha:g} is out of range; allowed are numbers between 0 and 1.")
    if tolerance < 0:
        raise SecateurError(f"--tolerance: {tolerance:g} is negative; the smallest allowed is 0.")
    if output is not None and output.suffix not in (".json", ".csv"):
        raise SecateurError(f"--output: {output} ends neither in .json nor in .csv.")
    result = comparison.compare(first, second, alpha, tolerance)
    _print(result, first, second)
    if output is not None:
        _write(result, output)
        said(f"wrote {output}")
    raise typer.Exit(EXIT[result.outcome])


@app.command()
def publish(
    results: Annotated[Path, typer.Argument(help="Folder of a complete run, results/<run>.")],
    output: Annotated[Path, typer.Argument(help="Folder to make or replace, published/<run>.")],
    networks: Annotated[
        bool, typer.Option("--networks", help="Copy the networks' weights too, for others to try criteria on.")
    ] = False,
) -> None:
    """Copy what others need of a run (tables, statistics, figures, report, rankings) to a folder of its own.

    The folder is for git, but for what is large: the figures (they are in
    the report too), networks, a report of more than 6 MB, and what tables
    and statistics have beyond 10 MB. `make publish` hands that to DVC.
    Whoever has a clone alone can compare, check and join the run.

    The workflow never reads the folder: a published file is not taken for a
    result of one's own.
    """
    from secateur.review import publishing

    files = publishing.publish(results, output, networks)
    large = publishing.large(output)
    apart = sum(publishing.size(output / name) for name in large)
    inside = (publishing.size(output) - apart) / 1e6
    said(f"wrote {output} ({files} files; {inside:.1f} MB for git, {apart / 1e6:.1f} MB of {', '.join(large)} for DVC)")


def _print(result: "Comparison", first: Path, second: Path) -> None:
    from rich.console import Console

    from secateur.review.numbers import MOVED, SPREAD, STATES

    console = Console(highlight=False, width=None if Console().is_terminal else 140)
    console.print(f"A  {first}\nB  {second}\n")
    for title, differences in (
        ("Configs differ", result.config), ("Made by", result.environment), ("Other data or networks", result.facts)
    ):  # fmt: skip
        if differences:
            console.print(_differences(title, differences))
    present = [state for state in STATES if result.count(state)]
    table = _table("Numbers", "table", *present, "file")
    for name, group in result.numbers.groupby("table", sort=False):
        counts = group["state"].value_counts()
        table.add_row(str(name), *(f"{counts.get(state, 0):,}" for state in present),
                      result.files[f"tables/{name}.parquet"])  # fmt: skip
    others: dict[tuple[str, str], list[str]] = {}
    counted = {f"tables/{name}.parquet" for name in result.numbers["table"]}
    for name, state in result.files.items():
        if name not in counted:
            others.setdefault((Path(name).parent.name, state), []).append(Path(name).stem)
    for (folder, state), names in others.items():
        table.add_row(f"{folder}: {', '.join(names)}", *["" for _ in present], state)
    console.print(table)
    apart = result.numbers.assign(size=(result.numbers["difference"] / result.numbers["standard_error"]).abs())
    moved = apart[apart["state"] == MOVED].sort_values(["p", "size"], ascending=[True, False])
    if len(moved):
        console.print(_list(f"Moved: {len(moved)}", moved.head(SHOWN)))
    elif result.count(SPREAD):
        largest = apart[apart["state"] == SPREAD].sort_values("size", ascending=False).head(5)
        console.print(_list("Furthest apart, yet within the seeds' spread", largest))
    if result.verdicts:
        table = _table("Verdicts that differ", "claim", "criterion", "where", "A", "B", "")
        for verdict in result.verdicts:
            word = "timing: not compared" if verdict.timing else "opposite" if verdict.opposite else ""
            table.add_row(verdict.claim, verdict.criterion, verdict.where, verdict.first or "absent",
                          verdict.second or "absent", word)  # fmt: skip
        console.print(table)
    for note in result.notes:
        console.print(f"note: {note}")
    for line in sentences(result):
        console.print(line)


def sentences(result: "Comparison") -> list[str]:
    """The outcome in words, and how large a difference could have gone unseen."""
    from secateur.review.numbers import ALL, IDENTICAL, MOVED, ROUNDING, SPREAD, UNJUDGED

    total = len(result.numbers)
    counts = {state: result.count(state) for state in (IDENTICAL, ROUNDING, SPREAD, MOVED, UNJUDGED)}
    absent = total - sum(counts.values())
    said_ = ", ".join(f"{count:,} {state}" for state, count in {**counts, "in one run only": absent}.items() if count)
    lines = [f"{result.outcome}: of {total:,} numbers, {said_}."]
    apart = 100 * result.numbers.loc[
        result.numbers["measure"].eq("accuracy") & ~result.numbers["state"].isin([IDENTICAL]), "difference"
    ].abs().dropna()  # fmt: skip
    if len(apart):
        lines.append(
            f"Accuracies that differ are {apart.median():.2g} points apart (median), at most {apart.max():.2g}."
        )
    tested = result.numbers[result.numbers["unseen"].notna() & result.numbers["measure"].eq("accuracy")]
    curves = tested[tested["table"] == "curves"]
    if len(curves):
        whole = curves["where"].str.endswith(f"rate {ALL}")
        parts = [
            f"{100 * curves.loc[chosen, 'unseen'].median():.1f} points {words}"
            for chosen, words in ((~whole, "at one rate"), (whole, "averaged over a curve"))
        ]
        lines.append(f"A shift of accuracy would have been called moved from {' or '.join(parts)} on (medians).")
    undecided = [verdict for verdict in result.verdicts if not verdict.timing and not verdict.opposite]
    if undecided:
        lines.append(f"{len(undecided)} verdicts are decided in one run and undecided in the other, as listed.")
    if counts[UNJUDGED]:
        lines.append(
            "Not judged: numbers that differ by more than rounding and have too few seeds (networks) for a test."
        )
    return lines


def _table(title: str, *columns: str) -> "Table":
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _differences(title: str, differences: "list[Difference]") -> "Table":
    table = _table(title, "", "A", "B")
    for difference in differences:
        table.add_row(difference.what, difference.first, difference.second)
    return table


def _list(title: str, rows: "DataFrame") -> "Table":
    table = _table(title, "table", "where", "measure", "A", "B", "B - A", "its error", "p")
    for row in rows.to_dict("records"):
        numbers = (f"{row[key]:.4g}" for key in ("mean_a", "mean_b", "difference", "standard_error", "p"))
        table.add_row(row["table"], row["where"], row["measure"], *numbers)
    return table


def _write(result: "Comparison", output: Path) -> None:
    import json

    from secateur.files import replacing, write_json

    if output.suffix == ".csv":
        with replacing(output) as temporary:
            result.numbers.to_csv(temporary, index=False, lineterminator="\n")
        return
    numbers = json.loads(result.numbers.to_json(orient="records", double_precision=15))
    lists = {key: [asdict(item) for item in getattr(result, key)]
             for key in ("verdicts", "facts", "config", "environment")}  # fmt: skip
    write_json(
        output, {"outcome": result.outcome, "notes": result.notes, "files": result.files, "numbers": numbers} | lists
    )
