"""`secateur init`: a folder to run the workflow in."""

from pathlib import Path
from typing import Annotated

import typer

from secateur.cli.application import app


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="A new folder; the run is called as it is.")],
    config: Annotated[str, typer.Option(help="Which of Secateur's own runs config.yaml is a copy of.")] = "demo",
) -> None:
    """Write a folder to run the whole benchmark in: Snakefile, config.yaml and README.md.

    Then `cd` there and `snakemake --cores all`.
    """
    from secateur import runfolder

    for path in runfolder.write(folder, config):
        print(f"wrote {path}")
    print(f"\ncd {folder}\nsnakemake -n             # what would run\nsnakemake --cores all")
