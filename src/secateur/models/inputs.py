"""From prepared bytes to what a network sees: batches of normalised floats, made on the device."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from secateur.data import checksums
from secateur.data.redivision import Checks, Pooled
from secateur.data.store import Dataset
from secateur.errors import SecateurError
from secateur.models import devices

SMALLEST_SIDE, LARGEST_SIDE = 4, 4096  # of a network's square input, in pixels
SHARE_OF_MEMORY = 0.4  # of what is free on the card, that the bytes of one split may take
Index = slice | Tensor | np.ndarray | Sequence[int]


class Images:
    """Images of one split, kept as bytes: on the device where they fit, else memory-mapped and sent batch by batch.

    Taking some of them, `images[3:7]` or `images[indices]`, makes their floats: N × C × H × W, float32, on the device,
    (value / 255 − mean) / deviation, with the channels last in memory, as the bytes have them. An image's floats do not
    depend on what else is in its batch. The whole set as floats never exists, unless someone asks for `images[:]`.
    """

    def __init__(
        self,
        pixels: np.ndarray | Tensor | Pooled,
        mean: Sequence[float],
        std: Sequence[float],
        on: torch.device,
        checks: checksums.CheckedImages | Checks | None = None,
    ):
        """
        Args:
            pixels: N × H × W × C, uint8; may be memory-mapped.
            mean, std: of each channel, for values in 0…1.
            on: where batches go.
            checks: of the images' checksums; a damaged image is a SecateurError when it is first asked for.
        """
        self.device = on
        self._checks = checks
        self._pixels: Tensor | Pooled = pixels if isinstance(pixels, Pooled) else torch.as_tensor(pixels)
        free = devices.of(on).free_bytes()
        if free is not None and self._pixels.nbytes <= SHARE_OF_MEMORY * free:
            if self._checks is not None:
                self._checks.check(slice(None))
                self._checks = None
            self._pixels = torch.as_tensor(self._pixels[:]).to(on)
        self._mean, self._std = (torch.tensor(values, device=on).view(1, -1, 1, 1) for values in (mean, std))
        self._rows: Tensor | None = None

    def __len__(self) -> int:
        return len(self._pixels) if self._rows is None else len(self._rows)

    @property
    def shape(self) -> torch.Size:
        """N, channels, height and width."""
        _, height, width, channels = self._pixels.shape
        return torch.Size((len(self), channels, height, width))

    dtype = torch.float32
    """Of the batches."""

    def dim(self) -> int:
        """Four, as a tensor of images has."""
        return 4

    @property
    def home(self) -> torch.device:
        """Where the bytes lie; indices that lie there too are used without waiting."""
        return self._pixels.device if isinstance(self._pixels, Tensor) else torch.device("cpu")

    @property
    def resident(self) -> bool:
        """Whether the bytes lie where the batches go."""
        return self.home.type == self.device.type

    def subset(self, index: Index) -> "Images":
        """A view of some of the images: no byte is copied."""
        view = object.__new__(Images)
        view.__dict__.update(self.__dict__)
        rows = torch.arange(len(self), device=self.home) if self._rows is None else self._rows
        chosen = _index(index)
        view._rows = rows[chosen.to(self.home) if isinstance(chosen, Tensor) else chosen]
        return view

    def __getitem__(self, index: Index) -> Tensor:
        chosen = _index(index)
        if isinstance(chosen, Tensor):
            chosen = chosen.to(self.home)
        if self._rows is not None:
            chosen = self._rows[chosen]
        if self._checks is not None:
            self._checks.check(_rows(chosen))
        if isinstance(self._pixels, Tensor):
            taken = self._pixels[chosen]
        else:
            taken = torch.from_numpy(self._pixels[_rows(chosen)])
        pixels = taken.to(self.device, non_blocking=True).permute(0, 3, 1, 2)
        return pixels.to(torch.float32).div_(255).sub_(self._mean).div_(self._std)

    def split(self, size: int) -> Iterator[Tensor]:
        """Batches of at most `size` images, in order."""
        for start in range(0, len(self), size):
            yield self[start : start + size]


def equal_batches(count: int, size: int) -> list[tuple[int, int]]:
    """First and last + 1 of the batches of at most `size` that `count` images make, equally large give or take one.

    A last batch of a single image would make batch-norm fail.
    """
    batches = -(-count // size)
    return list(pairwise(count * batch // batches for batch in range(batches + 1)))


def _index(index: Index) -> slice | Tensor:
    return index if isinstance(index, slice) else torch.as_tensor(index, dtype=torch.long)


def _rows(index: slice | Tensor) -> slice | np.ndarray:
    return index.numpy() if isinstance(index, Tensor) else index


def images(dataset: Dataset, split: str, on: torch.device) -> Images:
    """Images of the split "train" or "test" of a prepared dataset (`secateur data prepare`)."""
    transform: dict[str, Any] | None = dataset.about.get("transform")
    if transform is None:
        raise SecateurError(
            f"dataset '{dataset.name}': its images are not prepared for a network. Give the folder that "
            "`secateur data prepare` writes, data/prepared/<dataset>/<backbone>, as --data."
        )
    pixels = getattr(dataset, f"{split}_inputs")
    return Images(pixels, transform["mean"], transform["std"], on, dataset.checks.get(split))


def labels(array: np.ndarray, on: torch.device) -> Tensor:
    """N int64 labels on the device."""
    return torch.from_numpy(np.array(array)).to(on)
