"""Subcommands beside the pipeline: what criteria there are, and pruning a network of one's own."""

from pathlib import Path
from typing import Annotated

import typer

from secateur.cli.application import app, said


@app.command()
def criteria(
    folder: Annotated[list[Path] | None, typer.Option(help="Folder with criterion files of your own.")] = None,
) -> None:
    """List the criteria there are, what each is, and the options it takes."""
    from secateur.ranking import registry

    for name, path in registry.find(folder or []).items():
        criterion = registry.load(name, folder or [])
        options = ", ".join(f"{key}={value!r}" for key, value in criterion.options.items()) or "none"
        print(f"{name}\n  {registry.describe(name, folder or [])}")
        print(f"  normalisation: {criterion.normalisation}; needs: {', '.join(criterion.needs) or 'no data'}")
        print(f"  options: {options}\n  {path}")


@app.command()
def prune(
    arch: Annotated[str, typer.Option(help="timm's name of the architecture, or torchvision/<name>.")],
    weights: Annotated[Path, typer.Option(help="Its weights: safetensors, or a file of torch.save with tensors only.")],
    data: Annotated[Path, typer.Option(help="Images: train/ and test/ of a folder a class, or one undivided.")],
    rate: Annotated[float, typer.Option(help="Share of the units (or of the budget) to remove, at least 0, below 1.")],
    out: Annotated[Path, typer.Option(help="Folder for the pruned network and the summary.")],
    criterion: Annotated[str, typer.Option(help="Name of the criterion; `secateur criteria` lists them.")] = "lrp",
    samples_per_class: Annotated[int, typer.Option(help="Training images of each class to look at.")] = 10,
    size: Annotated[int | None, typer.Option(help="Side of the input in pixels; else the architecture's own.")] = None,
    budget: Annotated[str, typer.Option(help="What the rate is a share of: units, params or macs.")] = "units",
    scope: Annotated[str, typer.Option(help="all units, or only those inside residual blocks (inner).")] = "all",
    seed: Annotated[int, typer.Option(help="Of the draw of images and of random criteria.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    criteria_path: Annotated[list[Path] | None, typer.Option(help="Folder with criterion files of your own.")] = None,
) -> None:
    """Prune a network of your own on a folder of images: one command, no training, no Snakemake.

    Ranks its filters by one criterion on a few labelled images, removes the least important, and writes the smaller
    network with a summary of what went, what it costs in accuracy and what it saves.
    """
    from secateur.branches.own_network import prune_own_network

    prune_own_network(
        architecture=arch,
        weights=weights,
        data=data,
        criterion=criterion,
        samples_per_class=samples_per_class,
        rate=rate,
        output=out,
        size=size,
        budget=budget,
        scope=scope,
        criteria=criteria_path or [],
        seed=seed,
        device=device,
    )
    print((out / "summary.md").read_text(encoding="utf-8"))
    said(f"wrote {out}")
