"""Subcommands about what others have published or get: checking a run, joining a criterion to it, packing a run."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from secateur import tablefile
from secateur.cli.application import app, held, opened, said
from secateur.errors import SecateurError

if TYPE_CHECKING:
    import pandas as pd

    from secateur.config import Config
    from secateur.review.cells import Curve

published = typer.Typer(no_args_is_help=True, help="Published runs, one's own and others'.")
app.add_typer(published, name="published")


@published.command()
def check(
    folder: Annotated[Path, typer.Argument(help="A published run, published/<run>.")],
    cells: Annotated[int, typer.Option(help="Cells to draw and measure again; 0 measures none.", min=0)] = 3,
    seed: Annotated[int | None, typer.Option(help="Of the draw, to repeat a check; a new one without it.")] = None,
    tolerance: Annotated[float, typer.Option(help="Largest relative difference that counts as rounding.")] = 1e-5,
) -> None:
    """Say whether a published run is whole, made by what it says, consistent with itself, and reproducible here.

    Looked at are the hash of every file; the version, config, data, reference
    samples and rankings that the run names; every seed of every measurement;
    the rules that measured numbers obey; and all statistics, computed anew
    from the tables. Then the curves of some cells drawn at random are
    measured again from the data alone: the backbone is pretrained, the
    network of that seed trained, ranked and pruned. On the run's own kind of
    machine they must come out the same, elsewhere within the seeds' spread,
    or within rounding where no network was trained. Archives and weights that
    are not where the config says are looked for in SECATEUR_MIRROR.

    Exit code: 0 nothing speaks against it; 1 refused; 2 an error.

    Example: secateur published check published/demo --cells 5
    """
    import secrets

    from secateur.review import checking
    from secateur.review.finding import HOLDS, REFUSED, UNCHECKED

    if tolerance < 0:
        raise SecateurError(f"--tolerance: {tolerance:g} is negative; the smallest allowed is 0.")
    findings = checking.kept(folder, tolerance)
    drawn = secrets.randbelow(10**6) if seed is None else seed
    if cells and not any(one.state == REFUSED for one in findings):
        said(f"measuring again what {cells} random cells lie on (--seed {drawn})")
        with _measuring(folder) as measure:
            findings += checking.measured_again(folder, cells, drawn, tolerance, measure)
    marks = {HOLDS: "ok     ", REFUSED: "REFUSED", UNCHECKED: "-      "}
    for one in findings:
        print(f"{marks[one.state]} {one.what + ':':12}{one.said}")
    wrong = sum(one.state == REFUSED for one in findings)
    print(f"{folder}: {f'refused, {wrong} finding(s) speak against it' if wrong else 'nothing speaks against it'}.")
    raise typer.Exit(1 if wrong else 0)


@published.command("spot-check")
def spot_check(
    folders: Annotated[list[Path], typer.Argument(help="Published runs.")],
    cells: Annotated[int, typer.Option(help="Cells to draw of each run.", min=1)] = 2,
    seed: Annotated[int | None, typer.Option(help="Of the draw, to repeat a check; a new one without it.")] = None,
) -> None:
    """Measure a few random cells again, from data and weights on, and say in a sentence whether they hold.

    Of what `published check` does first, only the list of files is looked at:
    this takes minutes.

    Exit code: 0 all as published; 1 refused; 2 a run cannot be measured here.

    Example: secateur published spot-check published/demo --seed 1
    """
    import secrets

    from secateur.review import checking

    drawn, wrong = secrets.randbelow(10**6) if seed is None else seed, False
    for folder in folders:
        told = checking.spot_checked(folder, cells, drawn, _measuring)
        print(f"{folder}: {told.said}", flush=True)
        wrong |= told.refused
    raise typer.Exit(1 if wrong else 0)


@published.command()
def large(folder: Annotated[Path, typer.Argument(help="A published run, published/<run>.")]) -> None:
    """Print what of a published run is too large for git, one path per line: what `make publish` hands to DVC.

    Example: dvc add $(secateur published large published/demo)
    """
    from secateur.review import manifest

    manifest.read(folder)
    print("\n".join(str(folder / name) for name in manifest.large(folder)))


@contextmanager
def _measuring(folder: Path) -> "Iterator[Callable[[Config, Curve], pd.DataFrame]]":
    """What measures curves of a published run again, with a place of its own for what is made on the way."""
    from tempfile import TemporaryDirectory

    from secateur.branches.again import Again
    from secateur.files import read_json

    with TemporaryDirectory(prefix="secateur-") as made:
        data = read_json(folder / "provenance.json")["hashes"].get("data", {})

        def measure(config: "Config", curve: "Curve") -> "pd.DataFrame":
            again = Again(held(config), Path(made), data)
            return again.curves(curve.kind, curve.study, curve.criterion, [curve.seed])

        yield measure


@app.command()
def join(
    criterion: Annotated[str, typer.Argument(help="Name of your criterion.")],
    published: Annotated[Path, typer.Option("--with", help="The published run to join, published/<run>.")],
    criteria_path: Annotated[
        list[Path] | None, typer.Option(help="Folder with criterion files of your own; criteria/ where it is there.")
    ] = None,
) -> None:
    """Compare your criterion with a published run's, running yours alone.

    It is ranked and measured on the run's own data, networks, reference
    samples and seeds, each held to the run's hash. The networks come from
    the published folder where it has them (`secateur publish --networks`),
    else they are trained again, which gives the same ones only on a machine
    like the run's. A call that was killed resumes.

    Writes results/<run>_with_<criterion>/ with tables, statistics, figures
    and report.html, in which your criterion stands beside all others.

    Example: secateur join mine --with published/demo --criteria-path criteria
    """
    from secateur.branches import joining
    from secateur.config import read
    from secateur.files import read_json, write_json
    from secateur.review import joined

    own = criteria_path or ([Path("criteria")] if Path("criteria").is_dir() else [])
    alone, both = joined.config_of(published, criterion, own)
    folder = Path("results", both["run"])
    write_json(folder / "alone.json", alone)
    alone = opened(folder / "alone.json")  # checked as every config, and PyTorch held to its threads
    known = read_json(published / "provenance.json")
    mine = joining.measure(published, alone, folder, known["hashes"])
    joining.same_start(mine["curves"], tablefile.read(published / "tables" / "curves.parquet"), 1e-5)
    write_json(folder / "config.json", both)
    said(f"wrote {joined.write(published, read(folder / 'config.json'), mine, folder)}")


@app.command()
def crate(
    results: Annotated[Path, typer.Argument(help="Folder of a complete run, results/<run>.")],
    output: Annotated[
        Path | None, typer.Option(help="A new folder, or a new .zip; <run>.crate.zip without it.")
    ] = None,
) -> None:
    """Pack a run as a Workflow Run RO-Crate: what was run, what came out, and a description of both for machines.

    Unpacked where this version of Secateur is installed, `snakemake --cores
    all` runs it again, and `secateur compare published/<run> results/<run>`
    says whether the same came out.

    Example: secateur crate results/demo
    """
    from secateur.review import crate as packing

    target = output or Path(f"{results.name}.crate.zip")
    said(f"wrote {target} ({packing.write(results, target)} files)")
