"""The subcommand of the 2-D study."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from secateur import usage
from secateur.cli.application import ConfigOption, DataOption, app, opened, said


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
