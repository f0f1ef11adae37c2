"""Subcommands that run both branches of a study, and what pruned networks are held to."""

from pathlib import Path
from typing import Annotated

import typer

from secateur.cli.application import (
    ConfigOption,
    CriterionOption,
    CurvesOutput,
    DataOption,
    MeasuredOption,
    ModelsOption,
    RankingsOption,
    SamplesOption,
    SeedsOption,
    SharedOption,
    StudyOption,
    TableOutput,
    TunedOption,
    UnitsOption,
    app,
    known,
    opened_study,
    said,
    seed_range,
)


@app.command()
def unpruned(
    config: ConfigOption,
    study: StudyOption,
    data: DataOption,
    models: ModelsOption,
    seeds: SeedsOption,
    output: Annotated[Path, typer.Option(help="Measurements to write (parquet).")],
) -> None:
    """Evaluate the study's models as they are, for the jobs of all criteria."""
    from secateur.branches.unpruned import unpruned

    with opened_study(config, study, data, models) as loaded:
        unpruned(loaded, seed_range(seeds), output)
    said(f"wrote {output}")


@app.command()
def retrain_unpruned(
    config: ConfigOption,
    study: StudyOption,
    data: DataOption,
    models: ModelsOption,
    seeds: SeedsOption,
    state: Annotated[Path, typer.Option(help="Folder for finished rounds, from which a killed job goes on.")],
    output: CurvesOutput,
    units: UnitsOption = None,
    measured: MeasuredOption = None,
    shared: SharedOption = None,
) -> None:
    """Train the study's models further, as the pruned ones are, without removing anything: what pruning is held to."""
    from secateur.branches.controls import retrain_unpruned

    with opened_study(config, study, data, models, units, measured, shared) as loaded:
        retrain_unpruned(loaded, seed_range(seeds), state, output)
    said(f"wrote {output}")


@app.command()
def fewshot(
    config: ConfigOption,
    study: StudyOption,
    data: DataOption,
    models: ModelsOption,
    criterion: CriterionOption,
    seeds: SeedsOption,
    rankings: RankingsOption,
    curves: Annotated[Path, typer.Option(help="Curves to write (parquet).")],
    profiles: Annotated[Path, typer.Option(help="Units removed by group to write (parquet).")],
    units: UnitsOption = None,
    measured: MeasuredOption = None,
    shared: SharedOption = None,
) -> None:
    """Remove units at every rate and evaluate, without any training."""
    from secateur.branches.fewshot import fewshot

    with opened_study(config, study, data, models, units, measured, shared) as loaded:
        fewshot(loaded, known(loaded.config, "criteria", criterion), seed_range(seeds), rankings, curves, profiles)
    said(f"wrote {curves} and {profiles}")


@app.command()
def repair(
    config: ConfigOption,
    study: StudyOption,
    data: DataOption,
    models: ModelsOption,
    criterion: CriterionOption,
    seeds: SeedsOption,
    samples: SamplesOption,
    rankings: RankingsOption,
    output: CurvesOutput,
    units: UnitsOption = None,
    measured: MeasuredOption = None,
    shared: SharedOption = None,
) -> None:
    """Repair the networks of the few-shot branch without training, by every remedy of the config, and evaluate."""
    from secateur.branches.repairing import repair_study

    with opened_study(config, study, data, models, units, measured, shared) as loaded:
        repair_study(loaded, known(loaded.config, "criteria", criterion), seed_range(seeds), samples, rankings, output)
    said(f"wrote {output}")


@app.command()
def decompose(
    config: ConfigOption,
    study: StudyOption,
    data: DataOption,
    models: ModelsOption,
    criterion: CriterionOption,
    seeds: SeedsOption,
    rankings: RankingsOption,
    output: CurvesOutput,
    units: UnitsOption = None,
    measured: MeasuredOption = None,
    shared: SharedOption = None,
) -> None:
    """Evaluate networks of which the criterion chose the layers alone, the filters within them alone, or neither."""
    from secateur.branches.decomposition import decompose

    with opened_study(config, study, data, models, units, measured, shared) as loaded:
        decompose(loaded, known(loaded.config, "criteria", criterion), seed_range(seeds), rankings, output)
    said(f"wrote {output}")


@app.command()
def grid(
    config: ConfigOption,
    study: StudyOption,
    data: DataOption,
    models: ModelsOption,
    criterion: CriterionOption,
    seeds: SeedsOption,
    rankings: RankingsOption,
    output: TableOutput,
    units: UnitsOption = None,
    measured: MeasuredOption = None,
    shared: SharedOption = None,
) -> None:
    """Remove units of two kinds (filters or heads, and neurons) at every pair of rates and evaluate, untrained."""
    from secateur.branches.grid import grid

    with opened_study(config, study, data, models, units, measured, shared) as loaded:
        grid(loaded, known(loaded.config, "criteria", criterion), seed_range(seeds), rankings, output)
    said(f"wrote {output}")


@app.command()
def retrain(
    config: ConfigOption,
    study: StudyOption,
    data: DataOption,
    models: ModelsOption,
    criterion: CriterionOption,
    seeds: SeedsOption,
    samples: SamplesOption,
    state: Annotated[Path, typer.Option(help="Folder for finished rounds, from which a killed job goes on.")],
    output: CurvesOutput,
    units: UnitsOption = None,
    measured: MeasuredOption = None,
    shared: SharedOption = None,
    tuned: TunedOption = None,
    shapes: Annotated[Path | None, typer.Option(help="Units removed by group and round to write (parquet).")] = None,
) -> None:
    """Rank, remove a step, fine-tune, evaluate; again until the last rate."""
    from secateur.branches.retrain import retrain

    with opened_study(config, study, data, models, units, measured, shared) as loaded:
        name = known(loaded.config, "criteria", criterion)
        retrain(loaded, name, seed_range(seeds), samples, state, output, tuned, shapes)
    said(f"wrote {output}")


@app.command()
def scratch(
    config: ConfigOption,
    study: StudyOption,
    data: DataOption,
    models: ModelsOption,
    criterion: CriterionOption,
    seeds: SeedsOption,
    shapes: Annotated[Path, typer.Option(help="Units removed by group and round, as `secateur retrain` writes them.")],
    backbone: Annotated[
        Path, typer.Option(help="Where the backbone is from (JSON), as `secateur backbone` writes it.")
    ],
    state: Annotated[Path, typer.Option(help="Folder for trainings, from which a killed job goes on.")],
    output: CurvesOutput,
    units: UnitsOption = None,
    measured: MeasuredOption = None,
) -> None:
    """Train the shapes that a criterion's rounds have left from scratch, for as many steps: a control."""
    from secateur.branches.scratch import scratch

    with opened_study(config, study, data, models, units, measured) as loaded:
        name = known(loaded.config, "criteria", criterion)
        scratch(loaded, name, seed_range(seeds), shapes, backbone, state, output)
    said(f"wrote {output}")
