"""Datasets on disk: a folder of NumPy arrays with a dataset.json; made once, then memory-mapped by every job.

`train_inputs.npy`, `test_inputs.npy` (images: N × H × W × C uint8; points: N × 2 float32), `train_labels.npy`,
`test_labels.npy` (N, int64) and `dataset.json` (classes, task, licence, citation, class sizes).
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from secateur.data import digits, pins, points
from secateur.errors import SecateurError
from secateur.files import read_json, write_json

MAKERS: dict[str, Callable[[str, dict[str, Any]], dict[str, np.ndarray]]] = {
    "digits": lambda _, entry: digits.make(entry),
    "points": lambda name, entry: points.make(name, entry["smallest_class"], entry["test_samples_per_class"], seed=0),
}


@dataclass(frozen=True)
class Dataset:
    """One dataset's arrays (memory-mapped) and names of its classes."""

    name: str
    classes: list[str]
    train_inputs: np.ndarray
    train_labels: np.ndarray
    test_inputs: np.ndarray
    test_labels: np.ndarray
    about: dict[str, Any]
    """All of dataset.json; prepared images have their `transform` there, with mean and deviation."""


def entries(path: str | Path) -> dict[str, dict[str, Any]]:
    """All entries of a datasets file (config/datasets.yaml), name → entry."""
    return yaml.safe_load(Path(path).read_text(encoding="utf-8"))


def make(name: str, entry: dict[str, Any], folder: str | Path, data_dvc: str | Path) -> str:
    """Make dataset `name` in `folder`, checked against its entry and its pin; returns its hash.

    The folder appears whole, after all checks, or not at all.

    Raises:
        SecateurError: unknown kind, the smallest class is not what the entry says, or the hash is not the pinned one.
    """
    if entry["kind"] not in MAKERS:
        raise SecateurError(f"dataset '{name}': unknown kind '{entry['kind']}'; known are {', '.join(MAKERS)}.")
    folder = Path(folder)
    arrays = MAKERS[entry["kind"]](name, entry)
    sizes = {
        split: np.bincount(arrays[f"{split}_labels"], minlength=len(entry["classes"])) for split in ("train", "test")
    }
    if int(sizes["train"].min()) != entry["smallest_class"]:
        raise SecateurError(
            f"dataset '{name}': its smallest class has {sizes['train'].min()} training samples, but its entry says "
            f"smallest_class: {entry['smallest_class']}. Correct the entry in config/datasets.yaml."
        )
    temporary = folder.with_name(f".{folder.name}.making")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        for key, array in arrays.items():
            np.save(temporary / f"{key}.npy", array)
        write_json(
            temporary / "dataset.json",
            {
                "name": name,
                "classes": entry["classes"],
                "task": entry["task"],
                "licence": entry["licence"],
                "citation": entry["citation"],
                "class_sizes": {split: counts.tolist() for split, counts in sizes.items()},
            },
        )
        found = pins.check(name, temporary, data_dvc)
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return found


def load(folder: str | Path) -> Dataset:
    """The dataset in `folder`; a missing or broken file is a SecateurError that names it."""
    folder = Path(folder)
    about = read_json(folder / "dataset.json")
    arrays = {}
    for key in ("train_inputs", "train_labels", "test_inputs", "test_labels"):
        path = folder / f"{key}.npy"
        try:
            # Private to this process, so that PyTorch may look at it without a copy; the file is never written.
            arrays[key] = np.load(path, mmap_mode="c", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise SecateurError(f"{path}: not a readable array ({error}). Remove {folder} and run again.") from None
    return Dataset(about["name"], about["classes"], **arrays, about=about)
