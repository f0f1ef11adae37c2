"""Datasets and studies of the tests, made as the workflow does it."""

from pathlib import Path
from typing import Any

import torch

from secateur.branches.study import Study, open_study
from secateur.config_datasets import datasets
from secateur.data import preparation, store
from secateur.models import backbones, transfer
from secateur.models.transforms import transform_of


def prepared(name: str, folder: Path, architecture: str = "vgg_small", size: int = 16, colour: str = "grey") -> Path:
    """The dataset `name` of config/datasets.yaml, prepared for an architecture; made in `folder`."""
    store.make(name, datasets()[name], folder / "data" / name, folder / "none.dvc")
    transform = transform_of(architecture, size, colour)
    preparation.prepare(folder / "data" / name, transform, folder / name)
    return folder / name


def study_of(config: dict[str, Any], seeds: int, folder: Path) -> tuple[Study, Path]:
    """The study `digits_vgg` of a resolved config with the task models of that many seeds, and its reference samples.

    Everything lies in `folder`: digits_target, models.safetensors, samples.csv and what they were made from.
    """
    torch.set_num_threads(1)
    source, target = prepared("digits_source", folder), prepared("digits_target", folder)
    state, weights = folder / "state", folder / "backbone.safetensors"
    models, samples = folder / "models.safetensors", folder / "samples.csv"
    backbones.make(config, "vgg_small", source, state, weights, folder / "backbone.json")
    written = transfer.Transferred(models, samples, folder / "history.csv")
    transfer.transfer(config, "digits_vgg", range(seeds), target, [weights], state, written)
    return open_study(config, "digits_vgg", target, models), samples
