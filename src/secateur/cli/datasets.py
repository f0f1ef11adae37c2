"""Subcommands about datasets: fetching, making and preparing one, and pinning and verifying those of a run."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from secateur import usage
from secateur.cli.application import ArchitecturesOption, app, said
from secateur.errors import SecateurError

data_app = typer.Typer(
    no_args_is_help=True, help="Fetch, make and prepare a dataset; pin and verify the bytes of a run's datasets."
)
app.add_typer(data_app, name="data")

RunArgument = Annotated[str, typer.Argument(help="The run: the name of a file in config/, or a path to a config.")]
PinsOption = Annotated[
    Path, typer.Option(help="The main .dvc file that pins what the bytes must be; data.<run>.dvc lie beside it.")
]
FolderOption = Annotated[Path, typer.Option("--data", help="Folder of the datasets.")]
DatasetArgument = Annotated[str, typer.Argument(help="Dataset, an entry of config/datasets.yaml.")]
EntryOption = Annotated[
    str | None, typer.Option(help="The dataset's entry as JSON, in place of that in config/datasets.yaml.")
]
PINS, FOLDER = Path("data.dvc"), Path("data")


@data_app.command()
def fetch(
    name: DatasetArgument,
    output: Annotated[Path, typer.Option(help="Folder for its files; appears whole or not at all.")],
    entry: EntryOption = None,
    mirror: Annotated[
        str | None, typer.Option(envvar="SECATEUR_MIRROR", help="Folder that is looked into before the network.")
    ] = None,
) -> None:
    """Get a dataset's files: from the mirror folder, else from their source.

    What broke off is resumed, and every file is checked against the hash in the dataset's entry.
    """
    from secateur.data import fetching

    known = _entry(name, entry)
    if not known.get("files"):
        raise SecateurError(f"dataset '{name}': nothing is to be fetched for it.")
    with usage.work():
        lines = fetching.fetch(name, known, output, mirror or None)
    said("\n".join([*lines, f"wrote {output}"]))


@data_app.command()
def make(
    name: DatasetArgument,
    output: Annotated[Path, typer.Option(help="Folder to make; appears whole or not at all.")],
    pins: PinsOption = PINS,
    source: Annotated[
        Path | None, typer.Option(help="What it is made from: the folder of `data fetch`, or your own images.")
    ] = None,
    entry: EntryOption = None,
) -> None:
    """Make a dataset and check it against its pinned hash."""
    from secateur.data import store

    known = _entry(name, entry)
    files: list[Path] = []
    if known.get("files") or known.get("path"):
        if source is None:
            raise SecateurError(f"dataset '{name}' is made from files: give their folder as --source.")
        files = [source / item["name"] for item in known["files"]] if known.get("files") else [source]
    with usage.work():
        outcome = store.make(name, known, output, pins, files)
    said(f"wrote {output} ({outcome})")


@data_app.command()
def prepare(
    data: Annotated[Path, typer.Option(help="Folder of the dataset, as `secateur data make` makes it.")],
    architecture: Annotated[str, typer.Option(help="Name of the network that is to see the images.")],
    size: Annotated[int, typer.Option(help="Side in pixels of its input.")],
    output: Annotated[Path, typer.Option(help="Folder to make; appears whole or not at all.")],
    colour: Annotated[str, typer.Option(help="rgb or grey.")] = "rgb",
    threads: Annotated[int, typer.Option(help="Images to decode at the same time.")] = 1,
    architectures_path: ArchitecturesOption = None,
) -> None:
    """Decode, scale and crop a dataset's images once, as timm does for the network."""
    from secateur.data import preparation
    from secateur.models import build
    from secateur.models.transforms import transform_of

    build.search(architectures_path or [])
    if colour not in preparation.COLOURS:
        raise SecateurError(f"--colour: {colour!r} is not known; known are {', '.join(preparation.COLOURS)}.")
    with usage.work():
        transform = transform_of(architecture, size, colour)
        line = preparation.prepare(data, transform, output, threads)
    said(f"{line}; wrote {output}")


@data_app.command()
def pin(
    run: RunArgument,
    renew: Annotated[
        bool, typer.Option("--renew", help="Replace this run's pins where the data have changed.")
    ] = False,
    data: FolderOption = FOLDER,
    pins: PinsOption = PINS,
) -> None:
    """Write down what the bytes of a run's datasets are: data.<run>.dvc, to be committed with the config.

    From then on the rule that makes a dataset refuses other bytes, and `secateur data verify` finds them. DVC can
    read the file; nothing is copied into its cache (that is `dvc commit data.<run>.dvc`, then `dvc push`).
    """
    from secateur.data import pins as stage

    config, name, entries = _datasets_of(run)
    before = stage.pin_run(name, entries, data, pins, renew, config)
    now = {result.name: result for result in stage.verify(entries, data, pins)}
    for result in before:
        done = f"already in {result.pin.file}" if result.state == "as pinned" and result.pin else "pinned"
        print(f"{result.name}: {done} ({now[result.name].found})")


@data_app.command()
def verify(run: RunArgument, data: FolderOption = FOLDER, pins: PinsOption = PINS) -> None:
    """Check that the bytes of a run's datasets are the pinned ones; exit code 1 where one is not.

    Needs no network, no DVC remote and no cache: the files on disk are hashed as DVC does.
    """
    from secateur.data import pins as stage

    results = stage.verify(_datasets_of(run)[2], data, pins)
    for result in results:
        line = f"{result.name}: {result.state}"
        if result.pin:
            line += f" ({result.pin.file} says {result.pin.hash}"
            line += f", found {result.found})" if result.state == "differs" else ")"
        print(line)
    if any(result.state != "as pinned" for result in results):
        raise typer.Exit(1)


def _entry(name: str, text: str | None) -> dict[str, Any]:
    """The dataset's entry: the one that is given as JSON, or that of config/datasets.yaml."""
    from secateur.config import check_entry
    from secateur.config_datasets import datasets

    if text is not None:
        try:
            entry = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise SecateurError(f"--entry: not JSON ({error}). Give what config/datasets.yaml would hold.") from None
        check_entry(name, entry)
        return entry
    entries = datasets()
    if name not in entries:
        raise SecateurError(f"unknown dataset '{name}'; known are {', '.join(entries)}.")
    return entries[name]


def _datasets_of(run: str) -> tuple[Path, str, dict[str, dict]]:
    """The run's config, its name and the entries of its datasets; `run` is a name in config/ or a path."""
    from secateur.config import read
    from secateur.config_datasets import datasets, datasets_of

    path = Path("config", f"{run}.yaml")
    if not path.exists():
        path = Path(run)
    if not path.exists():
        known = ", ".join(sorted(path.stem for path in Path("config").glob("*.yaml"))) or "none"
        raise SecateurError(f"run '{run}': neither config/{run}.yaml nor a file of that name is there; known: {known}.")
    config = read(path)
    entries = datasets(config)
    return path, config["run"], {name: entries[name] for name in datasets_of(config)}
