"""What all subcommands share: the application, its common options and how a job is opened.

Typer reads a command's options from its function's signature: a command has one parameter per option, however many, and
hands them on as one object where they are one thing.
"""

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from secateur import clock, usage
from secateur.cli.supervision import watched
from secateur.errors import SecateurError

if TYPE_CHECKING:  # importing it takes seconds, which `secateur --help` should not
    from secateur.branches.study import Study

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

RUNNING_CRITERIA = frozenset(
    {"rank", "tune", "redraw", "retrain", "toy", "cost", "gallery", "prune", "published", "join"}
)
"""Subcommands that run code of others, in a process that is watched."""

ConfigOption = Annotated[Path, typer.Option("--config", help="The run's config, e.g. config/demo.yaml.")]
StudyOption = Annotated[str, typer.Option(help="Name of the study in the config.")]
CriterionOption = Annotated[str, typer.Option(help="Name of the criterion in the config.")]
SeedsOption = Annotated[str, typer.Option(help="First and last seed, e.g. 0-7.")]
DataOption = Annotated[Path, typer.Option(help="Folder of the images, as `secateur data prepare` writes them.")]
ModelsOption = Annotated[Path, typer.Option(help="Weights of the task models, as `secateur transfer` writes them.")]
UnitsOption = Annotated[
    Path | None, typer.Option("--units", help="Unit groups, as `secateur units` writes them; found anew without it.")
]
MeasuredOption = Annotated[
    Path | None,
    typer.Option(
        "--unpruned",
        help="The unpruned models' measurements, as `secateur unpruned` writes them; measured anew without it.",
    ),
]
SharedOption = Annotated[
    Path | None,
    typer.Option("--shared", help="Folder in which jobs of the study tell each other what they measured and trained."),
]
ArchitecturesOption = Annotated[
    list[Path] | None,
    typer.Option("--architectures-path", help="Folder with architectures of your own (docs/backbones.md)."),
]
SamplesOption = Annotated[Path, typer.Option(help="Reference samples (CSV), as `secateur transfer` writes them.")]
RankingsOption = Annotated[Path, typer.Option(help="Score file, as `secateur rank` writes it.")]
ScoresOutput = Annotated[Path, typer.Option("--output", help="Score file to write (safetensors).")]
CurvesOutput = Annotated[Path, typer.Option("--output", help="Curves to write (parquet).")]
TableOutput = Annotated[Path, typer.Option("--output", help="Table to write (parquet).")]
TunedOption = Annotated[Path | None, typer.Option(help="Options of the criterion, as `secateur tune` writes them.")]


def _version(asked: bool) -> None:
    """Print the version, and end."""
    if asked:
        from secateur import __version__

        print(f"secateur {__version__}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    usage_file: Annotated[
        Path | None, typer.Option("--usage", help="Write the times of this command to this file.")
    ] = None,
    code: Annotated[
        str | None, typer.Option(help="Hash of the sources that the workflow planned this command with; for its jobs.")
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version, and end.")
    ] = False,
) -> None:
    """Options of every subcommand; they stand before it."""
    del version  # its callback has done it
    from secateur import loaded

    if code is not None:
        loaded.expect(code)
        context.call_on_close(loaded.verify)
    if context.invoked_subcommand in RUNNING_CRITERIA:
        watched(f"secateur {context.invoked_subcommand}")
    if usage_file is not None:
        started = time.time()
        context.call_on_close(lambda: usage.write(usage_file, started))
    context.call_on_close(clock.check_watched)


def said(text: str) -> None:
    """Tell the user what was written where."""
    print(text, file=sys.stderr, flush=True)


def opened(config: Path) -> dict[str, Any]:
    """The resolved config, with PyTorch held to its thread count and to deterministic algorithms."""
    from secateur.config import read

    return held(read(config))


def held(resolved: dict[str, Any]) -> dict[str, Any]:
    """`resolved`, with PyTorch held to its thread count and to deterministic algorithms."""
    import torch

    # What PyTorch asks for to be deterministic on CUDA; it counts only if it is there before the first use of the card.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(resolved["threads"])
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Deterministic algorithms write all that they read; filling fresh memory beforehand costs 5 to 20 % of a pass.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    return resolved


@contextlib.contextmanager
def opened_study(
    config: Path,
    study: str,
    data: Path,
    models: Path,
    units: Path | None = None,
    measured: Path | None = None,
    shared: Path | None = None,
) -> Iterator["Study"]:
    """The study that a subcommand is of, as its options name it; what is done with it counts as experiment."""
    from secateur.branches.study import open_study

    resolved = opened(config)
    with usage.work():
        yield open_study(resolved, known(resolved, "studies", study), data, models, units, measured, shared)


def seed_range(text: str) -> range:
    """ "0-7" → range(0, 8)."""
    first, dash, last = text.partition("-")
    if not (first.isdigit() and dash and last.isdigit() and int(first) <= int(last)):
        raise SecateurError(f"--seeds: '{text}' is not a range of seeds; write the first and the last, e.g. 0-7.")
    return range(int(first), int(last) + 1)


def known(config: dict[str, Any], kind: str, name: str) -> str:
    """`name`, which must be one of the config's studies, backbones or criteria."""
    names = [item["name"] for item in config[kind]] if kind == "criteria" else list(config[kind])
    if name not in names:
        raise SecateurError(f"unknown {kind} entry '{name}'; this config has: {', '.join(names)}.")
    return name
