"""Subcommands beside the pipeline: criteria and scores, what a number rests on, the clock, and pruning a network."""

from pathlib import Path
from typing import Annotated

import typer

from secateur.cli.application import ArchitecturesOption, app, said
from secateur.errors import SecateurError

criteria_app = typer.Typer(help="List the criteria there are, or start a new one.", invoke_without_command=True)
scores_app = typer.Typer(help="Check scores that another program has written.", no_args_is_help=True)
app.add_typer(criteria_app, name="criteria")
app.add_typer(scores_app, name="scores")


@criteria_app.callback()
def criteria(
    context: typer.Context,
    folder: Annotated[list[Path] | None, typer.Option(help="Folder with criterion files of your own.")] = None,
) -> None:
    """List the criteria there are: what each is, where it comes from, what it needs and the options it takes."""
    if context.invoked_subcommand is not None:
        return
    from secateur.ranking import registry

    for name, source in registry.find(folder or []).items():
        criterion = registry.load(name, folder or [])
        options = ", ".join(f"{key}={value!r}" for key, value in criterion.options.items()) or "none"
        print(f"{name}\n  {registry.describe(name, folder or [])}")
        print(f"  needs: {', '.join(criterion.needs) or 'no data'}; normalisation: {criterion.normalisation}")
        print(f"  options: {options}\n  paper: {criterion.paper or '–'}")
        print(f"  source: {source.kind}{f' {source.module}' if source.module else ''}, {source.path}")


@criteria_app.command()
def new(
    name: Annotated[str, typer.Argument(help="Its name: small letters, digits and _, as in a Python file's name.")],
    folder: Annotated[Path, typer.Option(help="Where its file and its test go.")] = Path("criteria"),
) -> None:
    """Write a commented criterion that works as it is, and its test."""
    from secateur.ranking import template

    written = template.write(name, folder)
    print(f"wrote {' and '.join(map(str, written))}")
    print(f"check it:  pytest {written[1]}")
    print(f"in the config:  criteria_path: [{folder}]  and  criteria: [weight, lrp, {name}]")


@scores_app.command()
def check(
    file: Annotated[Path, typer.Argument(help="A case's table of scores (.csv), or a score file (.safetensors).")],
    network: Annotated[
        Path | None, typer.Option(help="network.json of the case; else the one beside the table.")
    ] = None,
) -> None:
    """Say what is wrong with a file of scores, or what it holds."""
    from secateur.ranking import outside, scorefile

    if file.suffix == ".safetensors":
        if network is not None:
            raise SecateurError(f"{file}: --network describes a case's table (.csv), not a score file. Leave it out.")
        print(scorefile.check(file))
        return
    scores = outside.read_scores(file, network or file.with_name(outside.NETWORK))
    print(f"{file}: {sum(map(len, scores.values()))} scores in {len(scores)} layers")


@app.command()
def trace(
    table: Annotated[Path, typer.Argument(help="A statistics table of a run, e.g. results/demo/statistics/tests.csv.")],
    line: Annotated[int, typer.Argument(help="Line of the row in it; the header is line 1.")],
) -> None:
    """Print the rows that a row of a statistics table was computed from, with their file and lines."""
    from secateur.analysis import trace as sources

    for file, rows in sources.behind(table, line).items():
        print(f"{file}\n{rows.to_csv(lineterminator=chr(10))}")


@app.command()
def clock(
    results: Annotated[Path, typer.Argument(help="Folder of one run or of all.")] = Path("results"),
) -> None:
    """Set back the times of results and data that are from the future, keeping their order: the clock was wrong then.

    Not while a run is going on. What is out of date stays so.
    """
    from secateur.clock import set_back

    said(set_back(results))


@app.command()
def prune(
    arch: Annotated[str, typer.Option(help="timm's name of the architecture, torchvision/<name>, or your own.")],
    weights: Annotated[str, typer.Option(help="Its weights: a file (safetensors or torch.save of tensors), or hub.")],
    data: Annotated[Path, typer.Option(help="Images: train/ and test/ of a folder a class, or one undivided.")],
    rate: Annotated[float, typer.Option(help="Share of the units (or of the budget) to remove, at least 0, below 1.")],
    out: Annotated[Path, typer.Option(help="Folder for the pruned network and the summary.")],
    criterion: Annotated[str, typer.Option(help="Name of the criterion; `secateur criteria` lists them.")] = "lrp",
    samples_per_class: Annotated[int, typer.Option(help="Training images of each class to look at.")] = 10,
    size: Annotated[int | None, typer.Option(help="Side of the input in pixels; else the architecture's own.")] = None,
    budget: Annotated[str, typer.Option(help="What the rate is a share of: units, params or macs.")] = "units",
    scheme: Annotated[
        str, typer.Option(help="global ranking, the same share per-layer, or of layers of one structure (isomorphic).")
    ] = "global",
    scope: Annotated[
        str,
        typer.Option(
            help="signal: all but neurons inside gates; inner: and residual streams; all; or one kind: filters, "
            "neurons, heads, head_channels, embedding."
        ),
    ] = "signal",
    remedy: Annotated[
        str, typer.Option(help="Repair on the same images, without training: none, batch_norm, bias, least_squares.")
    ] = "none",
    seed: Annotated[int, typer.Option(help="Of the draw of images and of random criteria.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:<number> or mps.")] = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Write to --out even if it holds something.")] = False,
    criteria_path: Annotated[list[Path] | None, typer.Option(help="Folder with criterion files of your own.")] = None,
    architectures_path: ArchitecturesOption = None,
    export: Annotated[list[str] | None, typer.Option(help="Write it as onnx or torch (torch.export) too.")] = None,
    licence: Annotated[str | None, typer.Option(help="Of the weights, for the model card, e.g. apache-2.0.")] = None,
) -> None:
    """Prune a network of your own on a folder of images: one command, no training, no Snakemake.

    Ranks its filters by one criterion on a few labelled images, removes the least important, and writes the smaller
    network with a summary of what went, what it costs in accuracy and what it saves.
    """
    from secateur.models import build
    from secateur.own.pruning import prune_own_network
    from secateur.own.request import Request
    from secateur.pruning.selection import Selector

    build.search(architectures_path or [])
    prune_own_network(
        Request(
            architecture=arch,
            weights=weights,
            data=data,
            criterion=criterion,
            samples_per_class=samples_per_class,
            rate=rate,
            output=out,
            size=size,
            selector=Selector(scheme, budget=budget),
            scope=scope,
            remedy=remedy,
            criteria=criteria_path or [],
            seed=seed,
            device=device,
            overwrite=overwrite,
            export=export or [],
            licence=licence,
        )
    )
    print((out / "summary.md").read_text(encoding="utf-8"))
    said(f"wrote {out}")
