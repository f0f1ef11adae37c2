"""The command line: one subcommand a stage of the pipeline, each usable without Snakemake."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from secateur import usage
from secateur.errors import SecateurError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Which filters can this network lose? A benchmark of pruning criteria. "
    "The whole benchmark runs with `snakemake --cores all`; each stage can also be run by hand. "
    "Stages in order: data, pretrain, transfer, rank, fewshot, retrain, toy, cost, "
    "collect, statistics, figures, report.",
)

ConfigOption = Annotated[Path, typer.Option("--config", help="The run's config, e.g. config/demo.yaml.")]
StudyOption = Annotated[str, typer.Option(help="Name of the study in the config.")]
CriterionOption = Annotated[str, typer.Option(help="Name of the criterion in the config.")]
SeedsOption = Annotated[str, typer.Option(help="First and last seed, e.g. 0-7.")]
DataOption = Annotated[Path, typer.Option(help="Folder of the dataset, as `secateur data` makes it.")]
ModelsOption = Annotated[Path, typer.Option(help="Weights of the task models, as `secateur transfer` writes them.")]
SamplesOption = Annotated[Path, typer.Option(help="Reference samples (CSV), as `secateur transfer` writes them.")]


def main() -> None:
    """Run the command line; a SecateurError is one line on standard error and exit code 2."""
    try:
        app(standalone_mode=True)
    except SecateurError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


@app.callback()
def options(
    context: typer.Context,
    usage_file: Annotated[
        Path | None, typer.Option("--usage", help="Write the processor time of this command to this file.")
    ] = None,
) -> None:
    """Options of every subcommand; they stand before it."""
    if usage_file is not None:
        context.call_on_close(lambda: usage.write(usage_file))


def said(text: str) -> None:
    """Tell the user what was written where."""
    print(text, file=sys.stderr, flush=True)


def opened(config: Path) -> dict[str, Any]:
    """The resolved config, with PyTorch held to its thread count and to deterministic algorithms."""
    import torch

    from secateur.config import read

    resolved = read(config)
    torch.set_num_threads(resolved["threads"])
    torch.use_deterministic_algorithms(True, warn_only=True)
    return resolved


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


@app.command()
def data(
    name: Annotated[str, typer.Argument(help="Dataset, an entry of config/datasets.yaml.")],
    output: Annotated[Path, typer.Option(help="Folder to make; appears whole or not at all.")],
    pins: Annotated[Path, typer.Option(help="The .dvc file that pins what the bytes must be.")] = Path("data.dvc"),
) -> None:
    """Make a dataset and check it against its pinned hash."""
    from secateur.config import datasets
    from secateur.data import store

    entries = datasets()
    if name not in entries:
        raise SecateurError(f"unknown dataset '{name}'; known are {', '.join(entries)}.")
    with usage.work():
        found = store.make(name, entries[name], output, pins)
    said(f"wrote {output} ({found})")


@app.command()
def pretrain(
    config: ConfigOption,
    backbone: Annotated[str, typer.Option(help="Name of the backbone in the config.")],
    data: DataOption,
    output: Annotated[Path, typer.Option(help="Weights to write (safetensors).")],
) -> None:
    """Train a backbone on its source dataset."""
    from secateur.models import transfer as stage

    resolved = opened(config)
    with usage.work():
        line = stage.pretrain(resolved, known(resolved, "backbones", backbone), data, output)
    said(f"{line}; wrote {output}")


@app.command()
def transfer(
    config: ConfigOption,
    study: StudyOption,
    seeds: SeedsOption,
    data: DataOption,
    backbone: Annotated[Path, typer.Option(help="Weights of the backbone, as `secateur pretrain` writes them.")],
    models: Annotated[Path, typer.Option(help="Weights of the task models to write (safetensors).")],
    samples: Annotated[Path, typer.Option(help="Reference samples to write (CSV).")],
) -> None:
    """Fine-tune the backbone to the study's task for every seed, and draw the reference samples."""
    from secateur.models import transfer as stage

    resolved = opened(config)
    with usage.work():
        stage.transfer(resolved, known(resolved, "studies", study), seed_range(seeds), data, backbone, models, samples)
    said(f"wrote {models} and {samples}")


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
) -> None:
    """Score every unit of the study's models by one criterion."""
    from secateur.branches.ranking import rank_study
    from secateur.branches.study import open_study

    resolved = opened(config)
    with usage.work():
        opened_study = open_study(resolved, known(resolved, "studies", study), data, models)
        rank_study(opened_study, known(resolved, "criteria", criterion), seed_range(seeds), samples, output)
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
) -> None:
    """Remove units at every rate and evaluate, without any training."""
    from secateur.branches.fewshot import fewshot as stage
    from secateur.branches.study import open_study

    resolved = opened(config)
    with usage.work():
        opened_study = open_study(resolved, known(resolved, "studies", study), data, models)
        stage(opened_study, known(resolved, "criteria", criterion), seed_range(seeds), rankings, curves, profiles)
    said(f"wrote {curves} and {profiles}")


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
) -> None:
    """Rank, remove a step, fine-tune, evaluate; again until the last rate."""
    from secateur.branches.retrain import retrain as stage
    from secateur.branches.study import open_study

    resolved = opened(config)
    with usage.work():
        opened_study = open_study(resolved, known(resolved, "studies", study), data, models)
        stage(opened_study, known(resolved, "criteria", criterion), seed_range(seeds), samples, state, output)
    said(f"wrote {output}")


@app.command()
def cost(
    config: ConfigOption,
    study: StudyOption,
    data: DataOption,
    models: ModelsOption,
    output: Annotated[Path, typer.Option(help="Table to write (parquet).")],
) -> None:
    """Time each criterion beside a forward and a gradient pass, on the task model of seed 0."""
    from secateur.branches.cost import cost as stage
    from secateur.branches.study import open_study

    resolved = opened(config)
    with usage.work():
        stage(open_study(resolved, known(resolved, "studies", study), data, models), 0, output)
    said(f"wrote {output}")


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
def collect(
    config: ConfigOption,
    output: Annotated[Path, typer.Option(help="Folder of the tables to write.")],
) -> None:
    """Gather what the branches measured in results/<run>/ into one tidy table a subject."""
    from secateur.analysis.collect import collect as stage
    from secateur.config import read

    resolved = read(config)
    with usage.work():
        stage(resolved, Path("results", resolved["run"]), output)
    said(f"wrote {output}")


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

    resolved = opened(config)
    settings = {key: value for key, value in resolved["toy"].items() if key not in ("datasets", "criteria")}
    chosen = resolved["toy"].get("criteria", [item["name"] for item in resolved["criteria"]])
    entries = [
        {key: item[key] for key in ("name", "criterion", "options", "normalisation") if key in item}
        for item in resolved["criteria"]
        if item["name"] in chosen
    ]
    settings["criteria_path"] = resolved["criteria_path"]
    with usage.work():
        run_toy(data, settings, entries, resolved["run_seed"], output, boundaries, stability)
    said(f"wrote {output}, {boundaries} and {stability}")


TablesOption = Annotated[Path, typer.Option(help="Folder of the tables, as `secateur collect` writes them.")]
StatisticsOption = Annotated[Path, typer.Option(help="Folder of the statistics, as `secateur statistics` writes them.")]


@app.command()
def statistics(
    config: ConfigOption,
    tables: TablesOption,
    output: Annotated[Path, typer.Option(help="Folder of the statistics to write.")],
) -> None:
    """Test the differences and judge the claims."""
    from secateur.analysis import statistics as stage
    from secateur.config import read

    with usage.work():
        stage.run(tables, output, read(config))
    said(f"wrote {output}")


@app.command()
def figures(
    tables: TablesOption,
    statistics: StatisticsOption,
    output: Annotated[Path, typer.Option(help="Folder of the figures to write (SVG).")],
) -> None:
    """Draw the figures."""
    from secateur.report import figures as stage

    with usage.work():
        stage.run(tables, statistics, output)
    said(f"wrote {output}")


@app.command()
def report(
    config: ConfigOption,
    tables: TablesOption,
    statistics: StatisticsOption,
    figures: Annotated[Path, typer.Option(help="Folder of the figures, as `secateur figures` writes them.")],
    output: Annotated[Path, typer.Option(help="Page to write (HTML).")],
) -> None:
    """Assemble the report: one page that opens offline."""
    from secateur.config import read
    from secateur.provenance import gather
    from secateur.report import page as stage

    resolved = read(config)
    results = Path("results", resolved["run"])
    with usage.work():
        stage.run(tables, statistics, figures, output, resolved, gather(resolved, results), toy_dir=results / "toy")
    (output.parent / PARTIAL).unlink(missing_ok=True)
    said(f"wrote {output}")


PARTIAL = "report.partial.html"


@app.command()
def partial(config: ConfigOption) -> None:
    """Report on what a failed run did complete, and say what is missing: results/<run>/report.partial.html.

    All of it goes to a folder of its own, so that no later run takes it for the whole.
    """
    from secateur.analysis import collect as tables
    from secateur.analysis import statistics
    from secateur.config import read
    from secateur.provenance import gather
    from secateur.report import figures, page

    resolved = read(config)
    results = Path("results", resolved["run"])
    folder = results / "partial"
    missing = tables.collect(resolved, results, folder / "tables", allow_missing=True)
    if not (folder / "tables" / "curves.parquet").exists():
        said("no curve is complete yet: there is nothing to report on.")
        return
    statistics.run(folder / "tables", folder / "statistics", resolved)
    figures.run(folder / "tables", folder / "statistics", folder / "figures")
    facts = gather(resolved, results)
    page.run(
        folder / "tables", folder / "statistics", folder / "figures", results / PARTIAL, resolved, facts, missing
    )  # fmt: skip
    said(f"wrote {results / PARTIAL}: {len(missing)} measurements are missing")
