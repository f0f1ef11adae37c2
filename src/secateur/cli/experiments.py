"""Subcommands that prepare images, make models and run the experiments."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from secateur import usage
from secateur.cli.application import (
    ConfigOption,
    CriterionOption,
    DataOption,
    ModelsOption,
    SamplesOption,
    SeedsOption,
    StudyOption,
    UnitsOption,
    app,
    known,
    opened,
    said,
    seed_range,
)
from secateur.errors import SecateurError

TunedOption = Annotated[Path | None, typer.Option(help="Options of the criterion, as `secateur tune` writes them.")]


@app.command()
def backbone(
    config: ConfigOption,
    backbone: Annotated[str, typer.Option(help="Name of the backbone in the config.")],
    state: Annotated[Path, typer.Option(help="Folder for an unfinished pretraining, from which a killed job goes on.")],
    output: Annotated[Path, typer.Option(help="Weights to write (safetensors).")],
    about: Annotated[Path, typer.Option(help="Where they came from, to write (JSON).")],
    data: Annotated[Path | None, typer.Option(help="Folder of the dataset to pretrain on, if it is.")] = None,
) -> None:
    """Fetch, read or pretrain a backbone's weights."""
    from secateur.models import backbones as stage

    resolved = opened(config)
    with usage.work():
        line = stage.make(resolved, known(resolved, "backbones", backbone), data, state, output, about)
    said(f"{line}; wrote {output}")


@app.command()
def transfer(
    config: ConfigOption,
    study: StudyOption,
    seeds: SeedsOption,
    data: DataOption,
    backbone: Annotated[Path, typer.Option(help="Weights of the backbone, as `secateur backbone` writes them.")],
    state: Annotated[Path, typer.Option(help="Folder for unfinished training, from which a killed job goes on.")],
    models: Annotated[Path, typer.Option(help="Weights of the task models to write (safetensors).")],
    samples: Annotated[Path, typer.Option(help="Reference samples to write (CSV).")],
    history: Annotated[Path, typer.Option(help="What each epoch measured, to write (CSV).")],
) -> None:
    """Fine-tune the backbone to the study's task for every seed, and draw the reference samples."""
    from secateur.models import transfer as stage

    resolved = opened(config)
    with usage.work():
        name = known(resolved, "studies", study)
        stage.transfer(resolved, name, seed_range(seeds), data, backbone, state, models, samples, history)
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
    from secateur.branches.units import units as stage

    resolved = opened(config)
    with usage.work():
        stage(resolved, known(resolved, "studies", study), data, output, table)
    said(f"wrote {output} and {table}")


@app.command()
def rank(
    config: ConfigOption,
    study: StudyOption,
    criterion: CriterionOption,
    seeds: SeedsOption,
    data: DataOption,
    models: ModelsOption,
    samples: SamplesOption,
    output: Annotated[Path, typer.Option(help="Score file to write (safetensors).")],
    units: UnitsOption = None,
    tuned: TunedOption = None,
) -> None:
    """Score every unit of the study's models by one criterion."""
    from secateur.branches.ranking import rank_study
    from secateur.branches.study import open_study

    resolved = opened(config)
    with usage.work():
        opened_study = open_study(resolved, known(resolved, "studies", study), data, models, units)
        rank_study(opened_study, known(resolved, "criteria", criterion), seed_range(seeds), samples, output, tuned)
    said(f"wrote {output}")


@app.command()
def tune(
    config: ConfigOption,
    study: StudyOption,
    criterion: CriterionOption,
    seeds: SeedsOption,
    data: DataOption,
    models: ModelsOption,
    samples: SamplesOption,
    output: Annotated[Path, typer.Option(help="Table of the chosen options to write (parquet).")],
    units: UnitsOption = None,
) -> None:
    """Choose a criterion's options on further training images, and say how many were looked at and how often."""
    from secateur.branches.study import open_study
    from secateur.branches.tuning import tune as stage

    resolved = opened(config)
    with usage.work():
        opened_study = open_study(resolved, known(resolved, "studies", study), data, models, units)
        stage(opened_study, known(resolved, "criteria", criterion), seed_range(seeds), samples, output)
    said(f"wrote {output}")


@app.command()
def case(
    config: ConfigOption,
    study: StudyOption,
    seed: Annotated[int, typer.Option(help="Whose model.")],
    samples_per_class: Annotated[str, typer.Option(help="How many reference samples of each class, or all.")],
    data: DataOption,
    models: ModelsOption,
    samples: SamplesOption,
    output: Annotated[Path, typer.Option(help="Folder to write the files to.")],
    signals: Annotated[bool, typer.Option(help="Write the layers' outputs and gradients, nothing else.")] = False,
    units: UnitsOption = None,
) -> None:
    """Write a model and its reference samples as plain files, for a criterion in any language."""
    from secateur.branches.ranking import write_case
    from secateur.branches.study import open_study

    resolved = opened(config)
    with usage.work():
        opened_study = open_study(resolved, known(resolved, "studies", study), data, models, units)
        write_case(opened_study, seed, samples_per_class, samples, output, signals)
    said(f"wrote {output}")


@app.command()
def gather(
    config: ConfigOption,
    study: StudyOption,
    criterion: CriterionOption,
    seeds: SeedsOption,
    data: DataOption,
    models: ModelsOption,
    cases: Annotated[Path, typer.Option(help="Folder of the study's cases, each with the table of scores.")],
    output: Annotated[Path, typer.Option(help="Score file to write (safetensors).")],
    units: UnitsOption = None,
) -> None:
    """Check the scores that a criterion in another language has written, and make them the score file."""
    from secateur.branches.ranking import gather as stage
    from secateur.branches.study import open_study

    resolved = opened(config)
    with usage.work():
        opened_study = open_study(resolved, known(resolved, "studies", study), data, models, units)
        stage(opened_study, known(resolved, "criteria", criterion), seed_range(seeds), cases, output)
    said(f"wrote {output}")


@app.command()
def redraw(
    config: ConfigOption,
    study: StudyOption,
    criterion: CriterionOption,
    data: DataOption,
    models: ModelsOption,
    output: Annotated[Path, typer.Option(help="Score file to write (safetensors).")],
) -> None:
    """Score the units of seed 0's model on other draws of reference samples: does a criterion agree with itself?"""
    from secateur.branches.ranking import rank_redraws
    from secateur.branches.study import open_study

    resolved = opened(config)
    with usage.work():
        opened_study = open_study(resolved, known(resolved, "studies", study), data, models)
        rank_redraws(opened_study, known(resolved, "criteria", criterion), output)
    said(f"wrote {output}")


@app.command()
def fewshot(
    config: ConfigOption,
    study: StudyOption,
    criterion: CriterionOption,
    seeds: SeedsOption,
    data: DataOption,
    models: ModelsOption,
    rankings: Annotated[Path, typer.Option(help="Score file, as `secateur rank` writes it.")],
    curves: Annotated[Path, typer.Option(help="Curves to write (parquet).")],
    profiles: Annotated[Path, typer.Option(help="Units removed by group to write (parquet).")],
    units: UnitsOption = None,
) -> None:
    """Remove units at every rate and evaluate, without any training."""
    from secateur.branches.fewshot import fewshot as stage
    from secateur.branches.study import open_study

    resolved = opened(config)
    with usage.work():
        opened_study = open_study(resolved, known(resolved, "studies", study), data, models, units)
        stage(opened_study, known(resolved, "criteria", criterion), seed_range(seeds), rankings, curves, profiles)
    said(f"wrote {curves} and {profiles}")


@app.command()
def grid(
    config: ConfigOption,
    study: StudyOption,
    criterion: CriterionOption,
    seeds: SeedsOption,
    data: DataOption,
    models: ModelsOption,
    rankings: Annotated[Path, typer.Option(help="Score file, as `secateur rank` writes it.")],
    output: Annotated[Path, typer.Option(help="Table to write (parquet).")],
    units: UnitsOption = None,
) -> None:
    """Remove filters and fully connected neurons at every pair of rates and evaluate, without any training."""
    from secateur.branches.grid import grid as stage
    from secateur.branches.study import open_study

    resolved = opened(config)
    with usage.work():
        opened_study = open_study(resolved, known(resolved, "studies", study), data, models, units)
        stage(opened_study, known(resolved, "criteria", criterion), seed_range(seeds), rankings, output)
    said(f"wrote {output}")


@app.command()
def retrain(
    config: ConfigOption,
    study: StudyOption,
    criterion: CriterionOption,
    seeds: SeedsOption,
    data: DataOption,
    models: ModelsOption,
    samples: SamplesOption,
    state: Annotated[Path, typer.Option(help="Folder for finished rounds, from which a killed job goes on.")],
    output: Annotated[Path, typer.Option(help="Curves to write (parquet).")],
    units: UnitsOption = None,
    tuned: TunedOption = None,
) -> None:
    """Rank, remove a step, fine-tune, evaluate; again until the last rate."""
    from secateur.branches.retrain import retrain as stage
    from secateur.branches.study import open_study

    resolved = opened(config)
    with usage.work():
        opened_study = open_study(resolved, known(resolved, "studies", study), data, models, units)
        stage(opened_study, known(resolved, "criteria", criterion), seed_range(seeds), samples, state, output, tuned)
    said(f"wrote {output}")


@app.command()
def cost(
    config: ConfigOption,
    study: StudyOption,
    data: DataOption,
    models: ModelsOption,
    output: Annotated[Path, typer.Option(help="Table to write (parquet).")],
    units: UnitsOption = None,
) -> None:
    """Time each criterion beside a forward and a gradient pass, on the task model of seed 0."""
    from secateur.branches.cost import cost as stage
    from secateur.branches.study import open_study

    resolved = opened(config)
    with usage.work():
        stage(open_study(resolved, known(resolved, "studies", study), data, models, units), 0, output)
    said(f"wrote {output}")


@app.command()
def latency(
    config: ConfigOption,
    study: StudyOption,
    data: DataOption,
    models: ModelsOption,
    rankings: Annotated[list[Path], typer.Argument(help="A score file of each criterion, in the config's order.")],
    output: Annotated[Path, typer.Option(help="Table to write (parquet).")],
    units: UnitsOption = None,
) -> None:
    """Time the networks that each criterion's ranking leaves, and measure their size on disk, for seed 0."""
    from secateur.branches.latency import latency as stage
    from secateur.branches.study import open_study

    resolved = opened(config)
    by_criterion = _by_criterion(resolved, rankings)
    with usage.work():
        opened_study = open_study(resolved, known(resolved, "studies", study), data, models, units)
        stage(opened_study, 0, by_criterion, output)
    said(f"wrote {output}")


@app.command()
def gallery(
    config: ConfigOption,
    study: StudyOption,
    data: DataOption,
    models: ModelsOption,
    samples: SamplesOption,
    rankings: Annotated[list[Path], typer.Argument(help="A score file of each criterion, in the config's order.")],
    output: Annotated[Path, typer.Option(help="Archive of pictures to write (npz).")],
    units: UnitsOption = None,
) -> None:
    """Relevance maps of reference images, and what each criterion's pruned network gets wrong, for seed 0."""
    from secateur.branches.gallery import gallery as stage
    from secateur.branches.study import open_study

    resolved = opened(config)
    by_criterion = _by_criterion(resolved, rankings)
    with usage.work():
        opened_study = open_study(resolved, known(resolved, "studies", study), data, models, units)
        stage(opened_study, 0, samples, by_criterion, output)
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


@app.command()
def toy(
    config: ConfigOption,
    data: DataOption,
    output: Annotated[Path, typer.Option(help="Accuracies to write (parquet).")],
    boundaries: Annotated[Path, typer.Option(help="Decision boundaries to write (npz).")],
    stability: Annotated[Path, typer.Option(help="Agreement of rankings to write (parquet).")],
) -> None:
    """Run the 2-D study on one of its sets."""
    from secateur.branches.toy.run import run_toy
    from secateur.config import toy_criteria

    resolved = opened(config)
    settings = {key: value for key, value in resolved["toy"].items() if key not in ("datasets", "criteria")}
    entries: list[str | Mapping[str, Any]] = [
        {key: item[key] for key in ("name", "criterion", "options", "normalisation") if key in item}
        for item in toy_criteria(resolved)
    ]
    settings["criteria_path"] = resolved["criteria_path"]
    with usage.work():
        run_toy(data, settings, entries, resolved["run_seed"], output, boundaries, stability)
    said(f"wrote {output}, {boundaries} and {stability}")
