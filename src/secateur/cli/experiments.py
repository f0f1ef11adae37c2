"""Subcommands that run a stage of a study: ranking, and both branches."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from secateur import usage
from secateur.cli.application import (
    ConfigOption,
    CriterionOption,
    DataOption,
    MeasuredOption,
    ModelsOption,
    SamplesOption,
    SeedsOption,
    SharedOption,
    StudyOption,
    UnitsOption,
    app,
    known,
    opened,
    said,
    seed_range,
)

if TYPE_CHECKING:  # importing it takes seconds, which `secateur --help` should not
    from secateur.branches.study import Study

TunedOption = Annotated[Path | None, typer.Option(help="Options of the criterion, as `secateur tune` writes them.")]
Stage = Callable[..., Path | tuple[Path, ...]]


def of_study(stage: Stage) -> Stage:
    """Make a stage a subcommand: its first parameter is the study, for which the command line takes seven options.

    The stage returns what it wrote, and the user is told.
    """

    def command(
        config: ConfigOption,
        study: StudyOption,
        data: DataOption,
        models: ModelsOption,
        units: UnitsOption = None,
        measured: MeasuredOption = None,
        shared: SharedOption = None,
        **options: Any,
    ) -> None:
        from secateur.branches.study import open_study

        resolved = opened(config)
        with usage.work():
            name = known(resolved, "studies", study)
            written = stage(open_study(resolved, name, data, models, units, measured, shared), **options)
        said(f"wrote {' and '.join(map(str, written)) if isinstance(written, tuple) else written}")

    common = list(inspect.signature(command).parameters.values())[:-1]
    own = list(inspect.signature(stage).parameters.values())[1:]
    parameters = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in common + own]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    app.command(stage.__name__.replace("_", "-"), help=stage.__doc__)(command)
    return stage


@of_study
def rank(
    study: "Study",
    criterion: CriterionOption,
    seeds: SeedsOption,
    samples: SamplesOption,
    output: Annotated[Path, typer.Option(help="Score file to write (safetensors).")],
    tuned: TunedOption = None,
) -> Path:
    """Score every unit of the study's models by one criterion."""
    from secateur.branches.ranking import rank_study

    rank_study(study, known(study.config, "criteria", criterion), seed_range(seeds), samples, output, tuned)
    return output


@of_study
def tune(
    study: "Study",
    criterion: CriterionOption,
    seeds: SeedsOption,
    samples: SamplesOption,
    output: Annotated[Path, typer.Option(help="Table of the chosen options to write (parquet).")],
) -> Path:
    """Choose a criterion's options on further training images, and say how many were looked at and how often."""
    from secateur.branches.tuning import tune

    tune(study, known(study.config, "criteria", criterion), seed_range(seeds), samples, output)
    return output


@of_study
def case(
    study: "Study",
    seed: Annotated[int, typer.Option(help="Whose model.")],
    samples_per_class: Annotated[str, typer.Option(help="How many reference samples of each class, or all.")],
    samples: SamplesOption,
    output: Annotated[Path, typer.Option(help="Folder to write the files to.")],
    signals: Annotated[bool, typer.Option(help="Write the layers' outputs and gradients, nothing else.")] = False,
) -> Path:
    """Write a model and its reference samples as plain files, for a criterion in any language."""
    from secateur.branches.ranking import write_case

    write_case(study, seed, samples_per_class, samples, output, signals)
    return output


@of_study
def gather(
    study: "Study",
    criterion: CriterionOption,
    seeds: SeedsOption,
    cases: Annotated[Path, typer.Option(help="Folder of the study's cases, each with the table of scores.")],
    output: Annotated[Path, typer.Option(help="Score file to write (safetensors).")],
) -> Path:
    """Check the scores that a criterion in another language has written, and make them the score file."""
    from secateur.branches.ranking import gather

    gather(study, known(study.config, "criteria", criterion), seed_range(seeds), cases, output)
    return output


@of_study
def redraw(
    study: "Study",
    criterion: CriterionOption,
    output: Annotated[Path, typer.Option(help="Score file to write (safetensors).")],
) -> Path:
    """Score the units of seed 0's model on other draws of reference samples: does a criterion agree with itself?"""
    from secateur.branches.ranking import rank_redraws

    rank_redraws(study, known(study.config, "criteria", criterion), output)
    return output


@of_study
def unpruned(
    study: "Study",
    seeds: SeedsOption,
    output: Annotated[Path, typer.Option(help="Measurements to write (parquet).")],
) -> Path:
    """Evaluate the study's models as they are, for the jobs of all criteria."""
    from secateur.branches.unpruned import unpruned

    unpruned(study, seed_range(seeds), output)
    return output


@of_study
def retrain_unpruned(
    study: "Study",
    seeds: SeedsOption,
    state: Annotated[Path, typer.Option(help="Folder for finished rounds, from which a killed job goes on.")],
    output: Annotated[Path, typer.Option(help="Curves to write (parquet).")],
) -> Path:
    """Train the study's models further, as the pruned ones are, without removing anything: what pruning is held to."""
    from secateur.branches.controls import retrain_unpruned

    retrain_unpruned(study, seed_range(seeds), state, output)
    return output


@of_study
def fewshot(
    study: "Study",
    criterion: CriterionOption,
    seeds: SeedsOption,
    rankings: Annotated[Path, typer.Option(help="Score file, as `secateur rank` writes it.")],
    curves: Annotated[Path, typer.Option(help="Curves to write (parquet).")],
    profiles: Annotated[Path, typer.Option(help="Units removed by group to write (parquet).")],
) -> tuple[Path, ...]:
    """Remove units at every rate and evaluate, without any training."""
    from secateur.branches.fewshot import fewshot

    fewshot(study, known(study.config, "criteria", criterion), seed_range(seeds), rankings, curves, profiles)
    return curves, profiles


@of_study
def repair(
    study: "Study",
    criterion: CriterionOption,
    seeds: SeedsOption,
    samples: SamplesOption,
    rankings: Annotated[Path, typer.Option(help="Score file, as `secateur rank` writes it.")],
    output: Annotated[Path, typer.Option(help="Curves to write (parquet).")],
) -> Path:
    """Repair the networks of the few-shot branch without training, by every remedy of the config, and evaluate."""
    from secateur.branches.repairing import repair_study

    repair_study(study, known(study.config, "criteria", criterion), seed_range(seeds), samples, rankings, output)
    return output


@of_study
def decompose(
    study: "Study",
    criterion: CriterionOption,
    seeds: SeedsOption,
    rankings: Annotated[Path, typer.Option(help="Score file, as `secateur rank` writes it.")],
    output: Annotated[Path, typer.Option(help="Curves to write (parquet).")],
) -> Path:
    """Evaluate networks of which the criterion chose the layers alone, the filters within them alone, or neither."""
    from secateur.branches.decomposition import decompose

    decompose(study, known(study.config, "criteria", criterion), seed_range(seeds), rankings, output)
    return output


@of_study
def grid(
    study: "Study",
    criterion: CriterionOption,
    seeds: SeedsOption,
    rankings: Annotated[Path, typer.Option(help="Score file, as `secateur rank` writes it.")],
    output: Annotated[Path, typer.Option(help="Table to write (parquet).")],
) -> Path:
    """Remove filters and fully connected neurons at every pair of rates and evaluate, without any training."""
    from secateur.branches.grid import grid

    grid(study, known(study.config, "criteria", criterion), seed_range(seeds), rankings, output)
    return output


@of_study
def retrain(
    study: "Study",
    criterion: CriterionOption,
    seeds: SeedsOption,
    samples: SamplesOption,
    state: Annotated[Path, typer.Option(help="Folder for finished rounds, from which a killed job goes on.")],
    output: Annotated[Path, typer.Option(help="Curves to write (parquet).")],
    tuned: TunedOption = None,
    shapes: Annotated[Path | None, typer.Option(help="Units removed by group and round to write (parquet).")] = None,
) -> Path:
    """Rank, remove a step, fine-tune, evaluate; again until the last rate."""
    from secateur.branches.retrain import retrain

    retrain(study, known(study.config, "criteria", criterion), seed_range(seeds), samples, state, output, tuned, shapes)
    return output


@of_study
def scratch(
    study: "Study",
    criterion: CriterionOption,
    seeds: SeedsOption,
    shapes: Annotated[Path, typer.Option(help="Units removed by group and round, as `secateur retrain` writes them.")],
    backbone: Annotated[
        Path, typer.Option(help="Where the backbone is from (JSON), as `secateur backbone` writes it.")
    ],
    state: Annotated[Path, typer.Option(help="Folder for trainings, from which a killed job goes on.")],
    output: Annotated[Path, typer.Option(help="Curves to write (parquet).")],
) -> Path:
    """Train the shapes that a criterion's rounds have left from scratch, for as many steps: a control."""
    from secateur.branches.scratch import scratch

    name = known(study.config, "criteria", criterion)
    scratch(study, name, seed_range(seeds), shapes, backbone, state, output)
    return output
