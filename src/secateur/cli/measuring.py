"""Subcommands that measure beside the branches of a study: cost, latency, and the gallery's pictures."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from secateur.cli.application import SamplesOption
from secateur.cli.experiments import of_study
from secateur.errors import SecateurError

if TYPE_CHECKING:  # importing it takes seconds, which `secateur --help` should not
    from secateur.branches.study import Study


@of_study
def cost(
    study: "Study",
    output: Annotated[Path, typer.Option(help="Table to write (parquet).")],
) -> Path:
    """Time each criterion beside a forward and a gradient pass, on the task model of seed 0."""
    from secateur.branches.cost import cost

    cost(study, 0, output)
    return output


@of_study
def latency(
    study: "Study",
    rankings: Annotated[list[Path], typer.Argument(help="A score file of each criterion, in the config's order.")],
    output: Annotated[Path, typer.Option(help="Table to write (parquet).")],
) -> Path:
    """Time the networks that each criterion's ranking leaves, and measure their size on disk, for seed 0."""
    from secateur.branches.latency import latency

    by_criterion = _by_criterion(study.config, rankings)
    latency(study, 0, by_criterion, output)
    return output


@of_study
def gallery(
    study: "Study",
    samples: SamplesOption,
    rankings: Annotated[list[Path], typer.Argument(help="A score file of each criterion, in the config's order.")],
    output: Annotated[Path, typer.Option(help="Archive of pictures to write (npz).")],
) -> Path:
    """Relevance maps of reference images, and what each criterion's pruned network gets wrong, for seed 0."""
    from secateur.branches.gallery import gallery

    by_criterion = _by_criterion(study.config, rankings)
    gallery(study, 0, samples, by_criterion, output)
    return output


def _by_criterion(config: Mapping[str, Any], rankings: list[Path]) -> dict[str, Path]:
    """Criterion → its score file."""
    names = [item["name"] for item in config["criteria"]]
    if len(rankings) != len(names):
        raise SecateurError(
            f"{len(rankings)} score files for {len(names)} criteria: give one of each, in this order: "
            f"{', '.join(names)}."
        )
    return dict(zip(names, rankings, strict=True))
