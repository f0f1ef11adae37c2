"""Subcommands that make models, and find what of them can be removed."""

from pathlib import Path
from typing import Annotated

import typer

from secateur import usage
from secateur.cli.application import (
    ConfigOption,
    DataOption,
    SeedsOption,
    StudyOption,
    app,
    known,
    opened,
    said,
    seed_range,
)


@app.command()
def backbone(
    config: ConfigOption,
    backbone: Annotated[str, typer.Option(help="Name of the backbone in the config.")],
    state: Annotated[Path, typer.Option(help="Folder for an unfinished pretraining, from which a killed job goes on.")],
    output: Annotated[Path, typer.Option(help="Weights to write (safetensors).")],
    about: Annotated[Path, typer.Option(help="Where they came from, to write (JSON).")],
    data: Annotated[Path | None, typer.Option(help="Folder of the dataset to pretrain on, if it is.")] = None,
    draw: Annotated[int | None, typer.Option(help="Which of several pretrainings, where the config varies it.")] = None,
) -> None:
    """Fetch, read or pretrain a backbone's weights."""
    from secateur.models import backbones

    resolved = opened(config)
    with usage.work():
        line = backbones.make(resolved, known(resolved, "backbones", backbone), data, state, output, about, draw)
    said(f"{line}; wrote {output}")


@app.command()
def transfer(
    config: ConfigOption,
    study: StudyOption,
    seeds: SeedsOption,
    data: DataOption,
    backbone: Annotated[
        list[Path], typer.Option(help="Weights, as `secateur backbone` writes them: for all seeds, or one for each.")
    ],
    state: Annotated[Path, typer.Option(help="Folder for unfinished training, from which a killed job goes on.")],
    models: Annotated[Path, typer.Option(help="Weights of the task models to write (safetensors).")],
    samples: Annotated[Path, typer.Option(help="Reference samples to write (CSV).")],
    history: Annotated[Path, typer.Option(help="What each epoch measured, to write (CSV).")],
) -> None:
    """Fine-tune the backbone to the study's task for every seed, and draw the reference samples."""
    from secateur.models.transfer import Transferred, transfer

    resolved = opened(config)
    with usage.work():
        name = known(resolved, "studies", study)
        transfer(resolved, name, seed_range(seeds), data, backbone, state, Transferred(models, samples, history))
    said(f"wrote {models}, {samples} and {history}")


@app.command()
def units(
    config: ConfigOption,
    study: StudyOption,
    data: DataOption,
    output: Annotated[Path, typer.Option(help="Unit groups to write (safetensors).")],
    table: Annotated[Path, typer.Option(help="Table of the layers to write (parquet).")],
) -> None:
    """Find what of the study's network can be removed, and say why the rest cannot."""
    from secateur.branches.inventory import units

    resolved = opened(config)
    with usage.work():
        units(resolved, known(resolved, "studies", study), data, output, table)
    said(f"wrote {output} and {table}")
