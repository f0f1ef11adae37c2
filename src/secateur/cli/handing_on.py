"""`secateur push`: a pruned network to the Hugging Face hub."""

from pathlib import Path
from typing import Annotated

import typer

from secateur.cli.application import app, said


@app.command()
def push(
    folder: Annotated[Path, typer.Argument(help="What `secateur prune` or `secateur.save` wrote.")],
    repository: Annotated[str, typer.Argument(help="<user>/<name>; made if it is not there.")],
    private: Annotated[bool, typer.Option("--private", help="Let only yourself see a new repository.")] = False,
    message: Annotated[str, typer.Option(help="Of the commit.")] = "Add pruned network",
) -> None:
    """Send a pruned network with its model card to the Hugging Face hub, by the hub's own client.

    Log in before (`hf auth login`), or set HF_TOKEN. Others load it by `secateur.load("hf-hub:<user>/<name>")`, or
    download the folder and use its load.py.
    """
    from secateur.portability import hub

    said(f"sent {folder} to {hub.push(folder, repository, private=private, message=message)}")
