"""The command line: one subcommand a stage of the pipeline, each usable without Snakemake, and tools beside them."""

import sys

from secateur.cli import (  # noqa: F401 (each registers its subcommands)
    datasets,
    experiments,
    making,
    planning,
    reporting,
    reviewing,
    tools,
    toy,
)
from secateur.cli.application import app
from secateur.errors import SecateurError


def main() -> None:
    """Run the command line; a SecateurError is one line on standard error and exit code 2."""
    try:
        app(prog_name="secateur")
    except SecateurError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
