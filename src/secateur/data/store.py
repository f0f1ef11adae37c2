"""Datasets on disk: made once; as a folder of NumPy arrays with a dataset.json they are memory-mapped by every job.

`train_inputs.npy`, `test_inputs.npy` (images: N × H × W × C uint8; points: N × 2 float32), `train_labels.npy`,
`test_labels.npy` (N, int64) and `dataset.json` (classes, task, licence, citation, class sizes).
"""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from secateur.data import checksums, digits, imagefolder, index, pins, points, sources
from secateur.data.extraction import full_disk_told
from secateur.errors import SecateurError
from secateur.files import read_json, write_json

MAKERS: dict[str, Callable[[str, dict[str, Any]], dict[str, np.ndarray]]] = {
    "digits": lambda _, entry: digits.make(entry),
    "points": lambda name, entry: points.make(name, entry["smallest_class"], entry["test_samples_per_class"], seed=0),
}

NEEDED = {
    "digits": ("classes", "smallest_class", "test_share"),
    "points": ("classes", "smallest_class", "test_samples_per_class"),
}
"""What the entry of an embedded set must say."""


@dataclass(frozen=True)
class Dataset:
    """One dataset's arrays (memory-mapped) and names of its classes."""

    name: str
    classes: list[str]
    train_inputs: Any  # np.ndarray, or redivision.Pooled
    train_labels: np.ndarray
    test_inputs: Any
    test_labels: np.ndarray
    about: dict[str, Any]
    """All of dataset.json; prepared images have their `transform` there, with mean and deviation."""
    checks: dict[str, Any] = field(default_factory=dict)
    """Split → checksums of its images, where they are prepared."""


def entries(path: str | Path) -> dict[str, dict[str, Any]]:
    """All entries of a datasets file (config/datasets.yaml), name → entry."""
    return yaml.safe_load(Path(path).read_text(encoding="utf-8"))


def make(
    name: str, entry: dict[str, Any], folder: str | Path, data_dvc: str | Path, files: Sequence[str | Path] = ()
) -> str:
    """Make dataset `name` in `folder`, checked against its entry and its pin; returns its hash.

    Files that nothing pins are not hashed here, as they were by archive: then it returns their number.

    The folder appears whole, after all checks, or not at all. Images that come as files stay files, in the order of
    index.csv (see data/index.py); all else becomes arrays.

    Args:
        name: the dataset.
        entry: its entry of config/datasets.yaml.
        folder: written.
        data_dvc: the .dvc file that pins datasets.
        files: the archives, files or folder that the entry is made from, in its order; none for embedded sets.

    Raises:
        SecateurError: unknown kind, files that are not what the kind expects, a class that is missing from a split, a
            smallest class that is not what the entry says, or a hash that is not the pinned one.
    """
    check_kind(name, entry)
    if entry["kind"] not in MAKERS and not files:
        raise SecateurError(f"dataset '{name}': kind {entry['kind']} is made from files; its entry names neither files "
                            "nor a path.")  # fmt: skip
    folder = Path(folder)
    temporary = folder.with_name(f".{folder.name}.making")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        with full_disk_told(folder.parent, f"making dataset '{name}'"):
            if entry["kind"] in MAKERS:
                contents = sources.Found(entry["classes"], arrays=MAKERS[entry["kind"]](name, entry))
            else:
                contents = sources.KINDS[entry["kind"]]([Path(path) for path in files], temporary, entry, name)
            sizes = _write(name, entry, contents, temporary)
        smallest = min(sizes["train"])
        if smallest != entry.get("smallest_class", smallest):
            raise SecateurError(
                f"dataset '{name}': its smallest class has {smallest} training samples, but its entry says "
                f"smallest_class: {entry['smallest_class']}. Correct the entry in config/datasets.yaml."
            )
        if contents.arrays is None and name not in pins.all_pins(data_dvc):
            made = f"{sum(sizes['train'])} training and {sum(sizes['test'])} test images, not pinned"  # nor read again
        else:
            made = pins.check(name, temporary, data_dvc)
        checksums.seal(temporary)
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return made


def check_kind(name: str, entry: dict[str, Any]) -> None:
    """Raise a SecateurError where the entry's kind is missing or unknown, or lacks options or has another kind's."""
    known = [*MAKERS, *sources.KINDS]
    if entry.get("kind") not in known:
        raise SecateurError(f"dataset '{name}': unknown kind {entry.get('kind')!r}; known are {', '.join(known)}.")
    missing = [key for key in NEEDED.get(entry["kind"], ()) if key not in entry]
    if missing:
        raise SecateurError(f"dataset '{name}': its entry lacks {missing[0]}, which kind {entry['kind']} needs.")
    odd = [key for key in imagefolder.OPTIONS if key in entry and entry["kind"] not in ("imagefolder", "digits")]
    if odd:
        raise SecateurError(f"dataset '{name}': {odd[0]} is for kind imagefolder; {entry['kind']} has its own split.")


def _write(name: str, entry: dict[str, Any], contents: sources.Found, folder: Path) -> dict[str, list[int]]:
    """Write the arrays or the index, and dataset.json; returns the sizes of the classes by split."""
    if entry.get("classes", contents.classes) != contents.classes:
        raise SecateurError(
            f"dataset '{name}': its files have the classes {', '.join(contents.classes[:20])}, but its entry says "
            f"{', '.join(entry['classes'][:20])}. Correct the entry, or leave `classes` out of it."
        )
    about = {
        "name": name,
        "classes": contents.classes,
        "task": entry.get("task", "images"),
        "licence": entry.get("licence", "not stated"),
        "citation": entry.get("citation", name),
    }
    if entry.get("skip_unreadable"):
        about["skip_unreadable"] = True
    if contents.arrays is None:
        return index.write(folder, about, contents.rows)
    for key, array in contents.arrays.items():
        np.save(folder / f"{key}.npy", array)
    sizes = {
        split: np.bincount(contents.arrays[f"{split}_labels"], minlength=len(contents.classes)).tolist()
        for split in index.SPLITS
    }
    write_json(folder / "dataset.json", about | {"class_sizes": sizes})
    return sizes


def load(folder: str | Path) -> Dataset:
    """The dataset in `folder`; a missing, broken or damaged file is a SecateurError that names it.

    Prepared images are not read here: whoever looks at one has `checks` compare it.
    """
    folder = Path(folder)
    checksums.check(folder)
    about = read_json(folder / "dataset.json")
    arrays = {}
    prepared = [f"{split}_checksums" for split in index.SPLITS if (folder / (split + checksums.OF_IMAGES)).exists()]
    for key in ("train_inputs", "train_labels", "test_inputs", "test_labels", *prepared):
        path = folder / f"{key}.npy"
        try:
            # Private to this process, so that PyTorch may look at it without a copy; the file is never written.
            arrays[key] = np.load(path, mmap_mode="c", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise SecateurError(f"{path}: not a readable array ({error}). Remove {folder} and run again.") from None
    checks = {
        split: checksums.CheckedImages(
            arrays[f"{split}_inputs"], arrays.pop(f"{split}_checksums"), folder / f"{split}_inputs.npy"
        )
        for split in index.SPLITS
        if f"{split}_checksums" in arrays
    }
    return Dataset(about["name"], about["classes"], **arrays, about=about, checks=checks)
