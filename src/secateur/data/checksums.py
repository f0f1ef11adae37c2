"""Whether a dataset's files are still what was written: a checksum of every small file and of every prepared image.

Checksums are CRC-32, several GB/s: they find damage and are no protection against intent. Small files are checked
whenever the dataset is opened, an image when a process first looks at it, so that nobody reads a large set for the
sake of checking it.
"""

import zlib
from pathlib import Path

import numpy as np

from secateur.errors import SecateurError
from secateur.files import read_json, write_json

NAME = ".checksums.json"
"""Lies in the dataset's folder, and is no part of what is pinned. A folder that DVC pulled has none: DVC checks it."""
OF_IMAGES = "_checksums.npy"
"""Behind the split's name: N uint32, the checksum of every image of <split>_inputs.npy."""


def seal(folder: Path) -> None:
    """Write down the checksums of all files that lie directly in `folder`, but arrays whose every image has its own."""
    sums = {}
    for path in sorted(folder.iterdir()):
        split = path.name.removesuffix("_inputs.npy")
        if (
            path.is_file()
            and path.name != NAME
            and not (split != path.name and (folder / (split + OF_IMAGES)).exists())
        ):
            sums[path.name] = _of_file(path)
    write_json(folder / NAME, sums)


def check(folder: Path) -> None:
    """Raise a SecateurError where one of the files that `seal` has seen is missing or another."""
    if not (folder / NAME).exists():
        return
    listed = read_json(folder / NAME)
    if not isinstance(listed, dict):
        raise SecateurError(f"{folder / NAME}: damaged. Remove {folder} and run again.")
    for name, expected in listed.items():
        path = folder / name
        if not path.is_file() or _of_file(path) != expected:
            raise SecateurError(f"{path}: missing, or not what was written. Remove {folder} and run again.")


def of_image(image: np.ndarray) -> int:
    """Checksum of one image, height × width × channels, uint8."""
    return zlib.crc32(np.ascontiguousarray(image).data)


class CheckedImages:
    """The checksums of a split's images, compared when an image is first asked for."""

    def __init__(self, images: np.ndarray, sums: np.ndarray, path: Path) -> None:
        """
        Args:
            images: N × H × W × C, uint8; may be memory-mapped.
            sums: N checksums of `of_image`.
            path: of the file, for messages.
        """
        if len(images) != len(sums):
            raise SecateurError(f"{path}: {len(images)} images, but {len(sums)} checksums. {self._advice(path)}")
        self._images, self._sums, self._path = images, sums, path
        self._unseen = np.ones(len(images), bool)
        self._left = len(images)

    @property
    def sums(self) -> np.ndarray:
        """N checksums, one an image."""
        return self._sums

    def check(self, rows: slice | np.ndarray) -> None:
        """Raise a SecateurError where one of these images is not what was written."""
        if not self._left:
            return
        chosen = np.arange(len(self._images))[rows]
        chosen = chosen[self._unseen[chosen]]
        for row in chosen:
            if of_image(self._images[row]) != self._sums[row]:
                raise SecateurError(f"{self._path}: image {row} is not what was written. {self._advice(self._path)}")
        self._unseen[chosen] = False
        self._left = int(self._unseen.sum()) if len(chosen) else self._left

    @staticmethod
    def _advice(path: Path) -> str:
        return f"Remove {path.parent} and run again."


def _of_file(path: Path) -> int:
    crc = 0
    with path.open("rb") as opened:
        while block := opened.read(1 << 22):
            crc = zlib.crc32(block, crc)
    return crc
