"""Datasets of the tests, made and prepared as the workflow does it."""

from pathlib import Path

from secateur.config import datasets
from secateur.data import preparation, store


def prepared(name: str, folder: Path, architecture: str = "vgg_small", size: int = 16, colour: str = "grey") -> Path:
    """The dataset `name` of config/datasets.yaml, prepared for an architecture; made in `folder`."""
    store.make(name, datasets()[name], folder / "data" / name, folder / "none.dvc")
    transform = preparation.transform_of(architecture, size, colour)
    preparation.prepare(folder / "data" / name, transform, folder / name)
    return folder / name
