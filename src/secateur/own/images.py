"""A user's own images as a network's input, file by file: for networks that are pruned outside the workflow."""

from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn

from secateur.data import preparation as preparing
from secateur.data.imagefolder import Files
from secateur.data.imagefolder import splits as folder_splits
from secateur.errors import SecateurError
from secateur.models.inputs import Images

WHAT = "--data"
Preparation = Callable[[Path], Tensor]
FromPicture = Callable[[Image.Image], Tensor]


def splits(folder: Path, seed: int) -> tuple[Files, Files]:
    """Training and test images of `folder`, divided by its owner or, a fifth of each class, by a draw from `seed`.

    Raises SecateurError as `data.imagefolder.splits` does.
    """
    return folder_splits(folder, seed, WHAT)


def preparation(model: nn.Module, channels: int, size: int | None) -> tuple[Preparation, tuple[int, ...]]:
    """How a file becomes an input (channels × height × width, float32), and that size; see `from_picture`."""
    convert, input_size = from_picture(model, channels, size)

    def prepare(path: Path) -> Tensor:
        try:
            with Image.open(path) as image:
                return convert(image)
        except preparing.UNREADABLE as error:
            raise SecateurError(f"{WHAT}: {path} cannot be read as an image ({error}). Remove or repair it.") from None

    return prepare, input_size


def from_picture(model: nn.Module, channels: int, size: int | None) -> tuple[FromPicture, tuple[int, ...]]:
    """How a picture becomes an input (channels × height × width, float32), and that size.

    As for the workflow's networks (data/preparation.py). `size` replaces the side of the architecture's square input;
    one channel means grey images.
    """
    colours = {count: name for name, (count, _) in preparing.COLOURS.items()}
    if channels not in colours:
        raise SecateurError(f"in_chans {channels}: images have 1 channel (grey) or 3 (red, green, blue).")
    transform = preparing.transform_for(getattr(model, "pretrained_cfg", None), size, colours[channels])
    convert = preparing.pixels(transform)

    def prepare(picture: Image.Image) -> Tensor:
        return Images(convert(picture)[None], transform.mean, transform.std, torch.device("cpu"))[:][0]

    return prepare, (channels, *transform.size)


def batch(paths: list[Path], prepare: Preparation) -> Tensor:
    """Prepared images of several files: samples × channels × height × width, float32."""
    return torch.stack([prepare(path) for path in paths])
