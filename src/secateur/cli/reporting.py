"""Subcommands from measurements to the page. None imports PyTorch: each starts in about a second."""

from pathlib import Path
from typing import Annotated

import typer

from secateur import running, usage
from secateur.cli.application import ConfigOption, app, said
from secateur.files import write_json

TablesOption = Annotated[Path, typer.Option(help="Folder of the tables, as `secateur collect` writes them.")]
StatisticsOption = Annotated[Path, typer.Option(help="Folder of the statistics, as `secateur statistics` writes them.")]
ResultsOption = Annotated[Path | None, typer.Option(help="Where the run's files are, if not in results/<run>.")]
JobsOption = Annotated[int, typer.Option("--jobs", min=1, help="How many pieces of it are made at once.")]
PARTIAL = "report.partial.html"

report = typer.Typer(no_args_is_help=True, help="The page that a run ends in: make it, or look at runs in a browser.")
app.add_typer(report, name="report")


@app.command()
def collect(
    config: ConfigOption,
    output: Annotated[Path, typer.Option(help="Folder of the tables to write.")],
    results: ResultsOption = None,
) -> None:
    """Gather what the branches measured in results/<run>/ into one tidy table a subject."""
    from secateur.analysis.collect import collect as stage
    from secateur.config import read

    resolved = read(config)
    with usage.work():
        stage(resolved, results or Path("results", resolved["run"]), output)
    said(f"wrote {output}")


@app.command()
def statistics(
    config: ConfigOption,
    tables: TablesOption,
    output: Annotated[Path, typer.Option(help="Folder of the statistics to write.")],
    results: ResultsOption = None,
    jobs: JobsOption = 1,
) -> None:
    """Test the differences, compare the rankings in results/<run>/ and judge the claims."""
    from secateur.analysis import statistics as stage
    from secateur.config import read
    from secateur.layout import rankings, redraws

    resolved = read(config)
    results = results or Path("results", resolved["run"])
    with usage.work():
        scores = [results / path for path in rankings(resolved)]
        redrawn = [results / path for path in redraws(resolved)]
        stage.run(tables, output, resolved, rankings=scores, redraws=redrawn, jobs=jobs)
    said(f"wrote {output}")


@app.command()
def figures(
    tables: TablesOption,
    statistics: StatisticsOption,
    toy: Annotated[Path, typer.Option(help="Folder of the 2-D study's files, for its decision boundaries.")],
    gallery: Annotated[Path, typer.Option(help="Folder of the pictures, as `secateur gallery` writes them.")],
    workflow: Annotated[Path, typer.Option(help="The run's plan, results/<run>/workflow.json; drawn if it is there.")],
    output: Annotated[Path, typer.Option(help="Folder of the figures to write (SVG).")],
    jobs: JobsOption = 1,
) -> None:
    """Draw the figures."""
    from secateur.report import figures as stage

    with usage.work():
        stage.run(tables, statistics, output, stage.Others(toy, gallery, workflow), jobs=jobs)
    said(f"wrote {output}")


@report.command()
def make(
    config: ConfigOption,
    tables: TablesOption,
    statistics: StatisticsOption,
    figures: Annotated[Path, typer.Option(help="Folder of the figures, as `secateur figures` writes them.")],
    output: Annotated[Path, typer.Option(help="Page to write (HTML).")],
) -> None:
    """Assemble the report: one page that opens offline; provenance.json and tables.tex lie beside it."""
    from secateur.config import read
    from secateur.provenance import gather
    from secateur.report import page as stage

    resolved = read(config)
    results = Path("results", resolved["run"])
    with usage.work():
        facts = gather(resolved, results)
        stage.run(stage.Sources(tables, statistics, figures), output, resolved, facts)
        write_json(output.with_name("provenance.json"), facts)
    (output.parent / PARTIAL).unlink(missing_ok=True)
    said(f"wrote {output}")


@report.command()
def partial(config: ConfigOption) -> None:
    """Report on what a failed run did complete, and say what is missing: results/<run>/report.partial.html.

    All of it goes to a folder of its own, so that no later run takes it for the whole.
    """
    from secateur.analysis import collect as tables
    from secateur.analysis import statistics
    from secateur.config import read
    from secateur.layout import galleries, rankings, redraws
    from secateur.provenance import gather
    from secateur.report import figures, page

    resolved = read(config)
    results = Path("results", resolved["run"])
    folder = results / "partial"
    missing = tables.collect(resolved, results, folder / "tables", allow_missing=True)
    if not (folder / "tables" / "curves.parquet").exists():
        said("no curve is complete yet: there is nothing to report on.")
        return
    scores, redrawn = (
        [results / path for path in paths if (results / path).exists()]
        for paths in (rankings(resolved), redraws(resolved))
    )
    statistics.run(folder / "tables", folder / "statistics", resolved, rankings=scores, redraws=redrawn)
    missing += [str(path) for path in galleries(resolved) if not (results / path).exists()]
    figures.run(
        folder / "tables", folder / "statistics", folder / "figures",
        figures.Others(results / "toy", results / "gallery", results / running.FILE),
    )  # fmt: skip
    facts = gather(resolved, results)
    sources = page.Sources(folder / "tables", folder / "statistics", folder / "figures")
    page.run(sources, results / PARTIAL, resolved, facts, missing)
    said(f"wrote {results / PARTIAL}: {len(missing)} measurements are missing")


@report.command()
def serve(
    results: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("results"),
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.", min=0, max=65535)] = 8000,
) -> None:
    """List the runs and show how far a running one is, for a browser on this machine (127.0.0.1) alone."""
    from secateur.report.serve import open_server

    server = open_server(results, port)
    said(f"runs under {results}: http://127.0.0.1:{server.server_port}/ (end it with Ctrl-C)")
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()
