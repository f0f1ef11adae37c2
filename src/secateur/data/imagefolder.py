"""Folders of images with one subfolder a class: divided into train/ and test/ by their owner, or by a seeded draw."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from secateur import seeds as streams
from secateur.errors import SecateurError

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
TEST_NAMES = ("test", "val", "validation")
TEST_SHARE = 0.2
"""Of each class, where the folder is not divided and nothing else is said."""
OPTIONS = ("test_share", "train_per_class", "test_per_class", "split_seed")
"""Keys of an entry that say how its images are divided."""
IGNORED = ("__MACOSX",)


@dataclass(frozen=True)
class Files:
    """Files of one split, their labels (int64, positions of classes), and the names of the classes."""

    paths: list[Path]
    labels: np.ndarray
    classes: list[str]


def splits(folder: Path, seed: int, name: str, entry: Mapping[str, Any] | None = None) -> tuple[Files, Files]:
    """Training and test files of `folder`, classes numbered in the order of their names.

    The folder has train/ and test/ (or val/), each with one subfolder a class; or it has the classes' subfolders
    itself, and is divided class by class, by a draw from a stream of its own. Either may lie deeper, as the only folder
    of a folder.

    Args:
        folder: where to look.
        seed: of the draws.
        name: of the dataset: names the stream, and stands in messages.
        entry: `test_share`, the part of each class that becomes the test split; or `train_per_class`, that many images
            for training, the others for testing; `test_per_class`, at most so many. In a divided folder both are the
            most that are drawn from each class.

    Raises:
        SecateurError: a missing or empty folder or class, splits with different classes, or too few images to divide.
    """
    settings = dict(entry or {})
    if not folder.is_dir():
        raise SecateurError(
            f"{name}: there is no folder {folder}. Needed is one with train/ and test/, or the classes."
        )
    folder = _innermost(folder)
    tests = [split for split in TEST_NAMES if (folder / split).is_dir()]
    if (folder / "train").is_dir() and tests:
        train, test = _read(folder / "train", name), _read(folder / tests[0], name)
        if train.classes != test.classes:
            odd = sorted(set(train.classes) ^ set(test.classes))
            raise SecateurError(
                f"{name}: train/ and {tests[0]}/ of {folder} differ in the classes {', '.join(odd[:6])}. Every class "
                "needs images in both."
            )
    else:
        train, test = _divide(_read(folder, name), seed, name, settings)
    return (
        _at_most(train, settings.get("train_per_class"), streams.derive(seed, "subset", name, "train")),
        _at_most(test, settings.get("test_per_class"), streams.derive(seed, "subset", name, "test")),
    )


def _innermost(folder: Path) -> Path:
    """The folder itself, or the only folder of its only folder, for archives that have all in one."""
    while True:
        inside = _folders(folder)
        if len(inside) != 1 or any(path.suffix.lower() in SUFFIXES for path in inside[0].iterdir()):
            return folder
        folder = inside[0]


def _folders(folder: Path) -> list[Path]:
    folders = [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
    return sorted(path for path in folders if path.name not in IGNORED)


def _read(folder: Path, name: str) -> Files:
    """The images of one folder with a subfolder for each class, in the order of names."""
    folders = _folders(folder)
    if len(folders) < 2:
        raise SecateurError(
            f"{name}: {folder} has {len(folders)} subfolders; needed is one for each of several classes."
        )
    paths: list[Path] = []
    labels: list[int] = []
    _check_names(folders, name)
    for label, inside in enumerate(folders):
        images = sorted(path for path in inside.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
        if not images:
            raise SecateurError(f"{name}: {inside} holds no image ({' '.join(SUFFIXES)}).")
        _check_names(images, name)
        paths += images
        labels += [label] * len(images)
    return Files(paths, np.asarray(labels, dtype=np.int64), [path.name for path in folders])


def _check_names(paths: list[Path], name: str) -> None:
    """Refuse names whose bytes are no text: they could be written to no table and no page."""
    odd = [path for path in paths if any(0xD800 <= ord(letter) < 0xE000 for letter in str(path))]
    if odd:
        more = f" and {len(odd) - 1} more" if len(odd) > 1 else ""
        raise SecateurError(f"{name}: the name {os.fsencode(odd[0])!r}{more} is not UTF-8. Rename it.")


def _divide(every: Files, seed: int, name: str, settings: Mapping[str, Any]) -> tuple[Files, Files]:
    """A stratified split, drawn from a stream of its own."""
    generator = np.random.Generator(np.random.PCG64(streams.derive(seed, "split", name)))
    in_test = np.zeros(len(every.labels), bool)
    for label, title in enumerate(every.classes):
        members = np.flatnonzero(every.labels == label)
        train = settings.get("train_per_class", 1)
        if len(members) <= train:
            counted = "one image" if len(members) == 1 else f"{len(members)} images"
            raise SecateurError(
                f"{name}: class {title} has {counted}; {train} are for training, and a test split needs one more."
            )
        share = max(1, round(settings.get("test_share", TEST_SHARE) * len(members)))
        count = len(members) - train if "train_per_class" in settings else share
        in_test[generator.permutation(members)[:count]] = True
    return _chosen(every, ~in_test), _chosen(every, in_test)


def _at_most(files: Files, most: int | None, seed: int) -> Files:
    """At most so many files of each class, drawn, in their order."""
    if most is None:
        return files
    generator = np.random.Generator(np.random.PCG64(seed))
    kept = np.zeros(len(files.labels), bool)
    for label in range(len(files.classes)):
        kept[generator.permutation(np.flatnonzero(files.labels == label))[:most]] = True
    return _chosen(files, kept)


def _chosen(files: Files, which: np.ndarray) -> Files:
    paths = [path for path, here in zip(files.paths, which, strict=True) if here]
    return Files(paths, files.labels[which], files.classes)
