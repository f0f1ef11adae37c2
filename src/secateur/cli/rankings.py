"""Subcommands that score the units of a study: by criteria of ours, and by others' through plain files."""

from pathlib import Path
from typing import Annotated

import typer

from secateur.cli.application import (
    ConfigOption,
    CriterionOption,
    DataOption,
    ModelsOption,
    SamplesOption,
    ScoresOutput,
    SeedsOption,
    StudyOption,
    TunedOption,
    UnitsOption,
    app,
    known,
    opened_study,
    said,
    seed_range,
)


@app.command()
def rank(
    config: ConfigOption,
    study: StudyOption,
    data: DataOption,
    models: ModelsOption,
    criterion: CriterionOption,
    seeds: SeedsOption,
    samples: SamplesOption,
    output: ScoresOutput,
    units: UnitsOption = None,
    tuned: TunedOption = None,
) -> None:
    """Score every unit of the study's models by one criterion."""
    from secateur.branches.ranking import rank_study

    with opened_study(config, study, data, models, units) as loaded:
        rank_study(loaded, known(loaded.config, "criteria", criterion), seed_range(seeds), samples, output, tuned)
    said(f"wrote {output}")


@app.command()
def tune(
    config: ConfigOption,
    study: StudyOption,
    data: DataOption,
    models: ModelsOption,
    criterion: CriterionOption,
    seeds: SeedsOption,
    samples: SamplesOption,
    output: Annotated[Path, typer.Option(help="Table of the chosen options to write (parquet).")],
    units: UnitsOption = None,
) -> None:
    """Choose a criterion's options on further training images, and say how many were looked at and how often."""
    from secateur.branches.tuning import tune

    with opened_study(config, study, data, models, units) as loaded:
        tune(loaded, known(loaded.config, "criteria", criterion), seed_range(seeds), samples, output)
    said(f"wrote {output}")


@app.command()
def case(
    config: ConfigOption,
    study: StudyOption,
    data: DataOption,
    models: ModelsOption,
    seed: Annotated[int, typer.Option(help="Whose model.")],
    samples_per_class: Annotated[str, typer.Option(help="How many reference samples of each class, or all.")],
    samples: SamplesOption,
    output: Annotated[Path, typer.Option(help="Folder to write the files to.")],
    units: UnitsOption = None,
    signals: Annotated[bool, typer.Option(help="Write the layers' outputs and gradients, nothing else.")] = False,
) -> None:
    """Write a model and its reference samples as plain files, for a criterion in any language."""
    from secateur.branches.ranking import write_case

    with opened_study(config, study, data, models, units) as loaded:
        write_case(loaded, seed, samples_per_class, samples, output, signals)
    said(f"wrote {output}")


@app.command()
def gather(
    config: ConfigOption,
    study: StudyOption,
    data: DataOption,
    models: ModelsOption,
    criterion: CriterionOption,
    seeds: SeedsOption,
    cases: Annotated[Path, typer.Option(help="Folder of the study's cases, each with the table of scores.")],
    output: ScoresOutput,
    units: UnitsOption = None,
) -> None:
    """Check the scores that a criterion in another language has written, and make them the score file."""
    from secateur.branches.ranking import gather

    with opened_study(config, study, data, models, units) as loaded:
        gather(loaded, known(loaded.config, "criteria", criterion), seed_range(seeds), cases, output)
    said(f"wrote {output}")


@app.command()
def redraw(
    config: ConfigOption,
    study: StudyOption,
    data: DataOption,
    models: ModelsOption,
    criterion: CriterionOption,
    output: ScoresOutput,
    units: UnitsOption = None,
) -> None:
    """Score the units of seed 0's model on other draws of reference samples: does a criterion agree with itself?"""
    from secateur.branches.ranking import rank_redraws

    with opened_study(config, study, data, models, units) as loaded:
        rank_redraws(loaded, known(loaded.config, "criteria", criterion), output)
    said(f"wrote {output}")
