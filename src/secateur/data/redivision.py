"""A dataset's images divided anew into training and test images: what another split of the same pictures would give.

Nothing is copied: a divided dataset looks its images up in the two stacks that are there.
"""

from dataclasses import dataclass, replace

import numpy as np

from secateur.data import checksums
from secateur.data.store import Dataset


class Pooled:
    """Some rows of two arrays that lie apart (and may be memory-mapped), as one array that is gathered when indexed."""

    def __init__(self, first: np.ndarray, second: np.ndarray, rows: np.ndarray) -> None:
        """`rows`: positions in `first` and, behind its last one, in `second`."""
        self._first, self._second, self._rows = first, second, rows

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def shape(self) -> tuple[int, ...]:
        """As of the array that it stands for."""
        return (len(self), *self._first.shape[1:])

    @property
    def nbytes(self) -> int:
        """Bytes of the array that it stands for."""
        return int(np.prod(self.shape)) * self._first.itemsize

    def __getitem__(self, index: slice | np.ndarray) -> np.ndarray:
        rows = self._rows[index]
        inside = rows < len(self._first)
        images = np.empty((*rows.shape, *self._first.shape[1:]), self._first.dtype)
        images[inside] = self._first[rows[inside]]
        images[~inside] = self._second[rows[~inside] - len(self._first)]
        return images


@dataclass(frozen=True)
class Checks:
    """Checksums of the images of a `Pooled`, compared by those of the two arrays behind it."""

    first: checksums.CheckedImages
    second: checksums.CheckedImages
    rows: np.ndarray
    before: int
    """Images of the first array."""

    def check(self, index: slice | np.ndarray) -> None:
        """Raise a SecateurError where one of these images is not what was written."""
        rows = self.rows[index]
        self.first.check(rows[rows < self.before])
        self.second.check(rows[rows >= self.before] - self.before)


def redivide(dataset: Dataset, seed: int) -> Dataset:
    """The dataset with its training and test images drawn anew from all of them.

    Each class keeps its number of training and of test images; within a split images stay in the order in which they
    lie, the given training images first.

    Args:
        dataset: as it was given; seed: of this draw.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    labels = np.concatenate([dataset.train_labels, dataset.test_labels])
    train: list[np.ndarray] = []
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        order = np.argsort(generator.random(len(members)), kind="stable")
        train.append(members[order[: int((dataset.train_labels == label).sum())]])
    chosen = np.zeros(len(labels), dtype=bool)
    chosen[np.concatenate(train)] = True
    rows = {"train": np.flatnonzero(chosen), "test": np.flatnonzero(~chosen)}
    before = len(dataset.train_labels)
    checks = {
        split: Checks(dataset.checks["train"], dataset.checks["test"], of_split, before)
        for split, of_split in rows.items()
        if len(dataset.checks) == len(rows)
    }
    return replace(
        dataset,
        train_inputs=Pooled(dataset.train_inputs, dataset.test_inputs, rows["train"]),
        test_inputs=Pooled(dataset.train_inputs, dataset.test_inputs, rows["test"]),
        train_labels=labels[rows["train"]],
        test_labels=labels[rows["test"]],
        checks=checks,
    )
