"""How the files of each kind of dataset become images with labels: the true formats of the paper's sources.

A kind is a function of (files, folder, entry, name): it extracts what it needs of `files` into `folder`/images and says
which images there are. torchvision's classes read what they know to read; getting the files is not their job here.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from secateur.data import imagefolder, index
from secateur.data.extraction import extract
from secateur.errors import SecateurError

IMAGES = "images"


@dataclass(frozen=True)
class Found:
    """What a kind found: the classes, and the images as rows of an index or as arrays (see data/store.py)."""

    classes: list[str]
    rows: list[index.Row] = field(default_factory=list)
    arrays: dict[str, np.ndarray] | None = None


def image_folder(files: Sequence[Path], folder: Path, entry: Mapping[str, Any], name: str) -> Found:
    """One folder or archive with one subfolder a class, divided or not; see data/imagefolder.py.

    Of a folder of the user's, the images that are used are copied: their bytes are then what the run is about, whatever
    happens to the originals.
    """
    place = folder / IMAGES
    source = files[0]
    if not source.is_dir():
        extract(source, place)
    parts = imagefolder.splits(
        source if source.is_dir() else place, entry.get("split_seed", 0), f"dataset '{name}'", entry
    )
    rows: list[index.Row] = []
    for split, part in zip(index.SPLITS, parts, strict=True):
        for path, label in zip(part.paths, part.labels, strict=True):
            kept = place / path.relative_to(source) if source.is_dir() else path
            if kept != path:
                kept.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, kept)
            rows.append((split, int(label), kept.relative_to(folder).as_posix()))
    return Found(parts[0].classes, rows)


def cifar10(files: Sequence[Path], folder: Path, _entry: Mapping[str, Any], name: str) -> Found:
    """CIFAR-10's python version: 50,000 training and 10,000 test images of 32 × 32, as arrays.

    The batches are pickles: torchvision opens them only after it has found each one's own MD5 right, and the archive's
    hash was checked before.
    """
    from torchvision.datasets import CIFAR10

    extract(files[0], folder / IMAGES)
    parts = {split: _by_torchvision(CIFAR10, name, folder / IMAGES, train=split == "train") for split in index.SPLITS}
    arrays = {f"{split}_inputs": part.data for split, part in parts.items()}
    arrays |= {f"{split}_labels": np.asarray(part.targets, np.int64) for split, part in parts.items()}
    shutil.rmtree(folder / IMAGES)
    return Found(parts["train"].classes, arrays=arrays)


def flowers102(files: Sequence[Path], folder: Path, _entry: Mapping[str, Any], name: str) -> Found:
    """Oxford Flowers 102: 102flowers.tgz with imagelabels.mat and setid.mat, in the authors' split.

    Their training and validation images (10 a class each) are both for training here.
    """
    from torchvision.datasets import Flowers102

    place = folder / IMAGES / "flowers-102"
    for path in files:
        if path.suffix == ".mat":
            place.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place / path.name)
        else:
            extract(path, place)
    rows: list[index.Row] = []
    for part, split in (("train", "train"), ("val", "train"), ("test", "test")):
        flowers = _by_torchvision(Flowers102, name, folder / IMAGES, split=part)
        for path, label in zip(flowers._image_files, flowers._labels, strict=True):
            rows.append((split, int(label), Path(path).relative_to(folder).as_posix()))
    return Found(list(Flowers102.classes), rows)


def ilsvrc2012(files: Sequence[Path], folder: Path, _entry: Mapping[str, Any], name: str) -> Found:
    """ImageNet's ILSVRC-2012: 1,000 classes; its validation images are the test split, whose own labels are secret.

    The training archive is a tar of one tar a class; classes are WordNet ids in their order, as torchvision has them.
    """
    from torchvision.datasets import imagenet

    by_name = {path.name: path for path in files}
    (folder / IMAGES).mkdir(parents=True, exist_ok=True)
    devkit, train, val = (by_name[imagenet.ARCHIVE_META[part][0]] for part in ("devkit", "train", "val"))
    link = folder / IMAGES / devkit.name
    shutil.copyfile(devkit, link)
    try:
        imagenet.parse_devkit_archive(str(folder / IMAGES))
        titles, val_ids = imagenet.load_meta_file(folder / IMAGES)
    except (RuntimeError, OSError, KeyError, ValueError) as error:
        raise SecateurError(f"dataset '{name}': {devkit.name} is not what torchvision expects ({error}).") from None
    link.unlink()
    extract(train, folder / IMAGES / "train", nested=True)
    extract(val, folder / IMAGES / "val")
    ids = sorted(path.name for path in (folder / IMAGES / "train").iterdir())
    label_of = {wordnet: label for label, wordnet in enumerate(ids)}
    rows = [
        ("train", label_of[path.parent.name], path.relative_to(folder).as_posix())
        for path in (folder / IMAGES / "train").glob("*/*")
    ]
    tests = sorted((folder / IMAGES / "val").iterdir())
    unknown = set(val_ids) - set(ids)
    if len(tests) != len(val_ids) or unknown:
        raise SecateurError(
            f"dataset '{name}': {len(tests)} validation images with {len(val_ids)} labels; {len(unknown)} classes have "
            "no training images. The three archives do not belong together."
        )
    rows += [
        ("test", label_of[wordnet], path.relative_to(folder).as_posix())
        for path, wordnet in zip(tests, val_ids, strict=True)
    ]
    return Found([f"{titles[wordnet][0]} ({wordnet})" for wordnet in ids], rows)


def _by_torchvision(kind: Callable[..., Any], name: str, root: Path, **chosen: Any) -> Any:
    """A torchvision dataset over files that are there already."""
    try:
        return kind(str(root), download=False, **chosen)
    except (RuntimeError, OSError, KeyError, ValueError) as error:
        raise SecateurError(
            f"dataset '{name}': torchvision finds its files incomplete or changed ({error}). Fetch them again from the "
            "source in config/datasets.yaml."
        ) from None


KINDS: dict[str, Callable[[Sequence[Path], Path, Mapping[str, Any], str], Found]] = {
    "imagefolder": image_folder,
    "cifar10": cifar10,
    "flowers102": flowers102,
    "ilsvrc2012": ilsvrc2012,
}
"""Kind of an entry → how its files are read."""
