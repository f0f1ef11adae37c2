"""Images and labels in any of the usual forms: tensors, folders, datasets of torch and of Hugging Face, DataLoaders.

They are duck-typed: nothing is imported for them. Floats are taken as the network's inputs; bytes and pictures (PIL)
are prepared as timm prepares them for the network at evaluation.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from secateur.errors import InputError
from secateur.models import devices
from secateur.models.build import input_layers
from secateur.own.images import from_picture
from secateur.progress import track

FORMS = (
    "a tensor or array N × channels × height × width, a folder of one folder a class, a list of pictures, a dataset of "
    "pairs (image, label) such as ImageFolder, a Hugging Face dataset, or a DataLoader"
)
IMAGE_KEYS = ("image", "img", "pixel_values", "picture", "x", "inputs")
LABEL_KEYS = ("label", "labels", "fine_label", "class", "target", "y")
Batch = tuple[Tensor, Tensor | None]


@dataclass(frozen=True)
class ImageSource:
    """Images that can be read, some or all of them.

    `batches(index, size)` gives float inputs and labels, of the images at `index` (all where None), in that order;
    `labels` are known beforehand only if nothing has to be read for them.
    """

    batches: Callable[[np.ndarray | None, int], Iterator[Batch]]
    count: int | None
    labels: np.ndarray | None
    classes: list[str] | None


class Inputs:
    """How one image of any form becomes a float tensor, channels × height × width."""

    def __init__(self, model: nn.Module, size: int | None = None) -> None:
        """`size`: side in pixels that pictures and bytes are brought to; else the architecture's own."""
        self._model, self._size = model, size
        self._convert: Callable[[Image.Image], Tensor] | None = None

    def __call__(self, image: Any) -> Tensor:
        if isinstance(image, (str, Path)):
            try:
                with Image.open(image) as opened:
                    return self._picture(opened)
            except OSError as error:
                raise InputError(f"images: {image} cannot be read as an image ({error}).") from None
        if isinstance(image, Image.Image):
            return self._picture(image)
        try:
            values = torch.as_tensor(np.array(image) if isinstance(image, np.ndarray) else image)
        except (TypeError, ValueError, RuntimeError):
            raise InputError(f"images: a {type(image).__name__} is no image; allowed are {FORMS}.") from None
        if values.ndim not in (2, 3):
            raise InputError(f"images: one has shape {tuple(values.shape)}; needed is channels × height × width.")
        if values.is_floating_point():
            return values.to(torch.float32)
        if values.dtype != torch.uint8:
            raise InputError(
                f"images: of type {values.dtype}; allowed are floats as the network expects them, or bytes (uint8), "
                "which are scaled, cropped and normalised as timm does for the network."
            )
        pixels = values.cpu().numpy()
        if pixels.ndim == 3 and pixels.shape[0] in (1, 3):  # torch's order of axes, not PIL's
            pixels = pixels.transpose(1, 2, 0)
        return self._picture(Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels))

    def _picture(self, picture: Image.Image) -> Tensor:
        if self._convert is None:
            self._convert, _ = from_picture(self._model, channels(self._model), self._size)
        return self._convert(picture)


def channels(model: nn.Module) -> int:
    """Channels of the images that a network takes: of its first convolution, else what it states, else 3."""
    for name in input_layers(model):
        layer = model.get_submodule(name)
        return int(layer.in_channels)  # type: ignore[arg-type]
    return int(getattr(model, "in_chans", 3))


def source(images: Any, labels: Any, inputs: Inputs) -> ImageSource:
    """`images` (and `labels`, where the images do not bring them, or in their place) as an `ImageSource`.

    Raises InputError for another form, and for labels that do not fit.
    """
    if isinstance(images, (str, Path)):
        images = _folder(Path(images))
    given = None if labels is None else _labels(labels)
    if isinstance(images, Mapping):
        raise InputError(f"images: a mapping of {', '.join(map(str, images))}; give one of them, e.g. images['train'].")
    if isinstance(images, (Tensor, np.ndarray)):
        read = _of_tensor(torch.as_tensor(images), given, inputs)
    elif hasattr(images, "dataset") and hasattr(images, "batch_size"):
        read = _of_loader(images, given, inputs)
    elif hasattr(images, "__len__") and hasattr(images, "__getitem__"):
        read = _of_items(images, given, inputs)
    elif hasattr(images, "__iter__"):
        read = _of_loader(images, given, inputs)
    else:
        raise InputError(f"images: a {type(images).__name__}; allowed are {FORMS}.")
    if read.count == 0:
        raise InputError("images: there are none.")
    if given is not None and read.count is not None and len(given) != read.count:
        raise InputError(
            f"images and labels: inconsistent numbers of samples, {read.count} and {len(given)}; "
            "one label an image is needed."
        )
    return read


def gather(images: ImageSource, index: np.ndarray | None, batch_size: int, what: str = "reading images") -> Batch:
    """All images at `index` (all where None) as one tensor, N × channels × height × width, with their labels."""
    total = images.count if index is None else len(index)
    parts, truths = [], []
    steps = None if total is None else -(-total // batch_size)
    for part, truth in track(images.batches(index, batch_size), steps, what):
        parts.append(part)
        if truth is not None:
            truths.append(truth)
    if len({part.shape[1:] for part in parts}) > 1:
        sizes = sorted({tuple(part.shape[1:]) for part in parts})
        raise InputError(f"images: of different sizes, {sizes[0]} and {sizes[-1]}; bring them to one size.")
    if not parts:
        raise InputError("images: there are none.")
    return torch.cat(parts), torch.cat(truths) if truths else None


def _folder(path: Path) -> Any:
    """A folder of one folder of images a class, read in the order of their names."""
    from torchvision.datasets import ImageFolder

    if not path.is_dir():
        raise InputError(f"images: there is no folder {path}.")
    if (path / "train").is_dir():
        raise InputError(f"images: {path} is divided into train/ and others; give one of them, e.g. {path / 'train'}.")
    try:
        return ImageFolder(str(path))
    except FileNotFoundError as error:
        raise InputError(f"images: {path}: {error}") from None


def _labels(labels: Any) -> np.ndarray:
    """Labels in any form as N int64."""
    values = np.asarray(labels.cpu() if isinstance(labels, Tensor) else labels)
    if values.ndim != 1 or not np.issubdtype(values.dtype, np.integer):
        raise InputError(
            f"labels: of shape {values.shape} and type {values.dtype}; needed is one class index (0, 1, …) an image."
        )
    if values.size and values.min() < 0:
        raise InputError(f"labels: {values.min()} is among them; classes are counted from 0.")
    return values.astype(np.int64)


def _of_tensor(images: Tensor, labels: np.ndarray | None, inputs: Inputs) -> ImageSource:
    if images.ndim != 4:
        raise InputError(f"images: of shape {tuple(images.shape)}; needed is N × channels × height × width.")
    if images.is_floating_point() and not bool(torch.isfinite(images).all()):
        raise InputError("images: they contain NaN or infinity.")

    def batches(index: np.ndarray | None, size: int) -> Iterator[Batch]:
        rows = torch.arange(len(images)) if index is None else torch.from_numpy(index)
        for some in rows.split(size):
            chosen = images[some.to(images.device)]
            floats = chosen.float() if chosen.is_floating_point() else torch.stack([inputs(one) for one in chosen])
            yield floats, None if labels is None else torch.from_numpy(labels[some.numpy()])

    return ImageSource(batches, len(images), labels, None)


def _of_items(items: Any, given: np.ndarray | None, inputs: Inputs) -> ImageSource:
    """A dataset that can be indexed, or a list of images."""
    keys = _columns(items)
    known = given if given is not None else _known_labels(items, keys)

    def batches(index: np.ndarray | None, size: int) -> Iterator[Batch]:
        rows = np.arange(len(items)) if index is None else index
        for start in range(0, len(rows), size):
            some = rows[start : start + size]
            pairs = [_pair(items[int(row)], keys) for row in some]
            truths = known[some] if known is not None else [truth for _, truth in pairs]
            yield torch.stack(_alike([inputs(image) for image, _ in pairs])), _as_labels(truths)

    return ImageSource(batches, len(items), known, _classes(items, keys))


def _of_loader(loader: Any, given: np.ndarray | None, inputs: Inputs) -> ImageSource:
    """Batches in the order in which they come; they can only be read from the start."""
    keys = _columns(getattr(loader, "dataset", loader))

    def batches(index: np.ndarray | None, size: int) -> Iterator[Batch]:
        wanted = None if index is None else {int(row): place for place, row in enumerate(index)}
        start, chosen, truths = 0, {}, {}
        with devices.fork_rng():  # a loader that shuffles draws from the global stream
            for batch in loader:
                pictures, labels = _pair(batch, keys)
                if isinstance(pictures, Image.Image) or getattr(pictures, "ndim", 0) in (2, 3):  # a stream of images
                    pictures, labels = [pictures], None if labels is None else [labels]
                if not hasattr(pictures, "__len__"):
                    raise InputError(f"images: the DataLoader gives a {type(pictures).__name__} in place of a batch.")
                rows = range(start, start + len(pictures))
                start += len(pictures)
                own = given[rows.start : rows.stop] if given is not None else labels
                if wanted is None:
                    yield torch.stack(_alike([inputs(one) for one in pictures])), _as_labels(own)
                    continue
                for row, one in zip(rows, range(len(pictures)), strict=True):
                    if row in wanted:
                        chosen[wanted[row]] = inputs(pictures[one])
                        truths[wanted[row]] = None if own is None else int(own[one])
        if given is not None and start != len(given):
            raise InputError(f"images and labels: inconsistent numbers of samples, {start} and {len(given)}.")
        for begin in range(0, len(chosen), size):
            places = range(begin, min(begin + size, len(chosen)))
            yield torch.stack(_alike([chosen[one] for one in places])), _as_labels([truths[one] for one in places])

    return ImageSource(batches, None, given, _classes(getattr(loader, "dataset", None), keys))


def _alike(images: list[Tensor]) -> list[Tensor]:
    sizes = sorted({tuple(image.shape) for image in images})
    if len(sizes) > 1:
        raise InputError(f"images: of different sizes, {sizes[0]} and {sizes[-1]}; bring them to one size.")
    return images


def _columns(items: Any) -> tuple[Any, Any]:
    """Where an item has its image and its label: names of columns, or 0 and 1 of a pair."""
    features = getattr(items, "features", None)
    if not isinstance(features, Mapping):
        return 0, 1
    kinds = {name: type(feature).__name__ for name, feature in features.items()}
    image = next((name for name in kinds if kinds[name] == "Image"), None)
    image = image or next((name for name in IMAGE_KEYS if name in kinds), None)
    if image is None:
        raise InputError(f"images: none of the dataset's columns ({', '.join(kinds)}) is an image.")
    label = next((name for name in LABEL_KEYS if name in kinds), None)
    return image, label or next((name for name in kinds if kinds[name] == "ClassLabel"), None)


def _pair(item: Any, keys: tuple[Any, Any]) -> tuple[Any, Any]:
    """Image and label of an item, or images and labels of a batch."""
    image, label = keys
    if isinstance(item, Mapping):
        if image not in item:
            image = next((name for name in IMAGE_KEYS if name in item), None)
            label = next((name for name in LABEL_KEYS if name in item), None)
        if image is None:
            raise InputError(f"images: an item has the keys {', '.join(map(str, item))}; none is an image's.")
        return item[image], item.get(label)
    if isinstance(item, (tuple, list)) and item:
        return item[0], item[1] if len(item) > 1 else None
    return item, None


def _known_labels(items: Any, keys: tuple[Any, Any]) -> np.ndarray | None:
    """Labels that a dataset knows without reading an image."""
    known = getattr(items, "targets", None)
    if known is None and isinstance(keys[1], str):
        known = items[keys[1]]
    if known is None and not isinstance(items, Sequence):
        return None
    if known is None:
        pairs = [item for item in items if isinstance(item, tuple) and len(item) > 1]
        known = [label for _, label, *_ in pairs] if pairs and len(pairs) == len(items) else None
    return None if known is None else _labels(known)


def _as_labels(values: Any) -> Tensor | None:
    if values is None or (isinstance(values, list) and any(value is None for value in values)):
        return None
    return torch.from_numpy(_labels(values))


def _classes(items: Any, keys: tuple[Any, Any]) -> list[str] | None:
    """Names of a dataset's classes, where it has any."""
    feature = getattr(items, "features", None)
    names = getattr(items, "classes", None)
    if names is None and isinstance(feature, Mapping) and isinstance(keys[1], str):
        names = getattr(feature[keys[1]], "names", None)
    return None if names is None else [str(name) for name in names]
