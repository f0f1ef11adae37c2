"""A user's own images: a folder with one subfolder a class, split or not, and how they become a network's input."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import timm.data
import torch
from PIL import Image
from torch import Tensor, nn

from secateur import seeds as streams
from secateur.errors import SecateurError

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
TEST_NAMES = ("test", "val", "validation")
TEST_SHARE = 0.2  # of each class, where the folder is not split by its owner
Preparation = Callable[[Path], Tensor]


@dataclass(frozen=True)
class Images:
    """Files of one split, their labels (int64, numbers of classes), and the names of the classes."""

    paths: list[Path]
    labels: np.ndarray
    classes: list[str]


def splits(folder: Path, seed: int) -> tuple[Images, Images]:
    """Training and test images of `folder`, classes numbered in the order of their names.

    The folder has train/ and test/ (or val/), each with one subfolder a class; or it has the classes' subfolders
    itself, and a fifth of each class, drawn by `seed`, becomes the test split.

    Raises SecateurError for a missing or empty folder or class, or splits with different classes.
    """
    if not folder.is_dir():
        raise SecateurError(
            f"--data: {folder} is no folder. Give a folder with train/ and test/, or one folder a class."
        )
    tests = [name for name in TEST_NAMES if (folder / name).is_dir()]
    if (folder / "train").is_dir() and tests:
        train, test = _read(folder / "train"), _read(folder / tests[0])
        if train.classes != test.classes:
            odd = sorted(set(train.classes) ^ set(test.classes))
            raise SecateurError(
                f"--data: train/ and {tests[0]}/ of {folder} differ in the classes {', '.join(odd[:6])}."
            )
        return train, test
    return _divide(_read(folder), seed, folder)


def _divide(every: Images, seed: int, folder: Path) -> tuple[Images, Images]:
    """A stratified split, drawn from a stream of its own."""
    generator = np.random.Generator(np.random.PCG64(streams.derive(seed, "split", "own")))
    in_test = np.zeros(len(every.labels), bool)
    for label, name in enumerate(every.classes):
        members = np.flatnonzero(every.labels == label)
        if len(members) < 2:
            raise SecateurError(f"--data: class {name} of {folder} has one image; a test split needs a second one.")
        count = max(1, round(TEST_SHARE * len(members)))
        in_test[generator.permutation(members)[:count]] = True
    parts = []
    for chosen in (~in_test, in_test):
        paths = [path for path, here in zip(every.paths, chosen, strict=True) if here]
        parts.append(Images(paths, every.labels[chosen], every.classes))
    return parts[0], parts[1]


def _read(folder: Path) -> Images:
    """The images of one folder with a subfolder for each class, in the order of names."""
    classes = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if len(classes) < 2:
        raise SecateurError(
            f"--data: {folder} has {len(classes)} subfolders; needed is one for each of several classes."
        )
    paths: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        found = sorted(path for path in (folder / name).rglob("*") if path.suffix.lower() in SUFFIXES)
        if not found:
            raise SecateurError(f"--data: {folder / name} holds no image ({' '.join(SUFFIXES)}).")
        paths += found
        labels += [label] * len(found)
    return Images(paths, np.asarray(labels, dtype=np.int64), classes)


def preparation(model: nn.Module, channels: int, size: int | None) -> tuple[Preparation, tuple[int, ...]]:
    """How a file becomes an input (channels × height × width, float32), and that size.

    As timm prepares images for the architecture at evaluation: its resizing, central crop, mean and deviation. `size`
    replaces the side of its square input. One channel means grey images, with the colours' mean values.
    """
    config: dict[str, Any] = timm.data.resolve_data_config({}, model=model)
    _, height, width = config["input_size"]
    config["input_size"] = (channels, size or height, size or width)
    if channels == 1:
        config |= {key: (sum(config[key]) / len(config[key]),) for key in ("mean", "std")}
    elif channels != 3:
        raise SecateurError(f"in_chans {channels}: images have 1 channel (grey) or 3 (red, green, blue).")
    transform: Any = timm.data.create_transform(**config, is_training=False)

    def prepare(path: Path) -> Tensor:
        try:
            with Image.open(path) as image:
                return transform(image.convert("L" if channels == 1 else "RGB"))
        except (OSError, ValueError, SyntaxError) as error:  # SyntaxError: what PIL raises for some broken PNG files
            raise SecateurError(f"--data: {path} cannot be read as an image ({error}). Remove or repair it.") from None

    return prepare, config["input_size"]


def batch(paths: list[Path], prepare: Preparation) -> Tensor:
    """Prepared images of several files: samples × channels × height × width, float32."""
    return torch.stack([prepare(path) for path in paths])
