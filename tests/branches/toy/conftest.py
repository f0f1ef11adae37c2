"""A small 2-D study: few neurons, few samples, easy target; and one finished run of it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from secateur.branches.toy import run_toy
from secateur.data import points

SMALL: dict[str, Any] = {
    "model_seeds": 2,
    "samples_per_class": [1, 4],
    "repetitions": 3,
    "training_repetitions": 2,
    "removed": 40,
    "unseen_samples": 30,
    "noise_sigmas": [0, 0.1],
    "rates": [0.25, 0.75],
    "curve_samples_per_class": 4,
    "curve_repetitions": 2,
    "boundary_samples_per_class": 2,
    "boundary_grid": 12,
    "overlap_sizes": [10, 40],
    "hidden": 40,
    "target_accuracy": 0.8,
    "training_steps": 60,
}
CRITERIA = ["weight", "gradient", "taylor", "lrp", "random"]


def write_dataset(folder: Path, name: str, train: int = 60, test: int = 30) -> Path:
    """A dataset folder as the data stage leaves it."""
    folder.mkdir(parents=True)
    for key, array in points.make(name, train, test, seed=0).items():
        np.save(folder / f"{key}.npy", array)
    (folder / "dataset.json").write_text(json.dumps({"name": name}))
    return folder


@pytest.fixture(scope="session")
def moons(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("toy") / "moons", "moons")


@pytest.fixture(scope="session")
def finished(moons: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with toy.parquet, toy.npz and toy_stability.parquet of one small run."""
    folder = tmp_path_factory.mktemp("finished")
    run_toy(moons, SMALL, CRITERIA, 1, folder / "toy.parquet", folder / "toy.npz", folder / "toy_stability.parquet")
    return folder


@pytest.fixture(scope="session")
def small() -> dict[str, Any]:
    """Settings of the small study."""
    return dict(SMALL)
