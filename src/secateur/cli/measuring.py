"""Subcommands that measure beside the branches of a study: cost, latency, and the gallery's pictures."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from secateur.cli.application import (
    ConfigOption,
    DataOption,
    ModelsOption,
    SamplesOption,
    StudyOption,
    TableOutput,
    UnitsOption,
    app,
    opened_study,
    said,
)
from secateur.errors import SecateurError

RankingsArgument = Annotated[list[Path], typer.Argument(help="A score file of each criterion, in the config's order.")]


@app.command()
def cost(
    config: ConfigOption,
    study: StudyOption,
    data: DataOption,
    models: ModelsOption,
    output: TableOutput,
    units: UnitsOption = None,
) -> None:
    """Time each criterion beside a forward and a gradient pass, on the task model of seed 0."""
    from secateur.branches.cost import cost

    with opened_study(config, study, data, models, units) as loaded:
        cost(loaded, 0, output)
    said(f"wrote {output}")


@app.command()
def latency(
    config: ConfigOption,
    study: StudyOption,
    data: DataOption,
    models: ModelsOption,
    rankings: RankingsArgument,
    output: TableOutput,
    units: UnitsOption = None,
) -> None:
    """Time the networks that each criterion's ranking leaves, and measure their size on disk, for seed 0."""
    from secateur.branches.latency import latency

    with opened_study(config, study, data, models, units) as loaded:
        latency(loaded, 0, _by_criterion(loaded.config, rankings), output)
    said(f"wrote {output}")


@app.command()
def gallery(
    config: ConfigOption,
    study: StudyOption,
    data: DataOption,
    models: ModelsOption,
    samples: SamplesOption,
    rankings: RankingsArgument,
    output: Annotated[Path, typer.Option(help="Archive of pictures to write (npz).")],
    units: UnitsOption = None,
) -> None:
    """Relevance maps of reference images, and what each criterion's pruned network gets wrong, for seed 0."""
    from secateur.branches.gallery import gallery

    with opened_study(config, study, data, models, units) as loaded:
        gallery(loaded, 0, samples, _by_criterion(loaded.config, rankings), output)
    said(f"wrote {output}")


def _by_criterion(config: Mapping[str, Any], rankings: list[Path]) -> dict[str, Path]:
    """Criterion → its score file."""
    names = [item["name"] for item in config["criteria"]]
    if len(rankings) != len(names):
        raise SecateurError(
            f"{len(rankings)} score files for {len(names)} criteria: give one of each, in this order: "
            f"{', '.join(names)}."
        )
    return dict(zip(names, rankings, strict=True))
