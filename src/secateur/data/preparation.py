"""A dataset's images as a backbone sees them: decoded, scaled and cropped once, kept as uint8 arrays for every job.

The transform is timm's own for evaluation: its resizing, central crop, mean and deviation for the architecture. Two
things are ours. The size is the study's. And an image that is no larger than that size is scaled up whole, without
the crop that timm makes for photographs: on an 8 × 8 digit or a CIFAR image it would cut off what little there is.
Mean and deviation are not applied here but on the device, batch by batch (models/inputs.py): bytes are a quarter of
floats.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from PIL import Image

from secateur.data import checksums, index, store
from secateur.data.decoding import decoded
from secateur.data.extraction import full_disk_told
from secateur.errors import SecateurError
from secateur.files import write_json, write_text
from secateur.progress import track

COLOURS = {"rgb": (3, "RGB"), "grey": (1, "L")}
"""Name of a colour → its channels, and Pillow's word for it."""
UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)
"""What Pillow raises for files that are no images, or broken ones (SyntaxError: some PNG files)."""
LISTED = 20
AHEAD = 64  # images that each thread may be ahead of the one that is written


@dataclass(frozen=True)
class Transform:
    """How an image becomes size × size bytes, and the mean and deviation (of values in 0…1) that belong to them."""

    size: tuple[int, int]
    """Height and width."""
    colour: str
    interpolation: str
    crop_pct: float
    crop_mode: str
    mean: tuple[float, ...]
    std: tuple[float, ...]


def transform_for(pretrained: Any, size: int | None, colour: str) -> Transform:
    """timm's evaluation transform for an architecture.

    Args:
        pretrained: the architecture's pretrained config (an object or mapping of timm), or None where it has none:
            then timm's defaults hold, ImageNet's mean and deviation with bicubic scaling.
        size: side in pixels of the square that the network sees; None for the architecture's own.
        colour: "rgb" or "grey"; grey has the mean of the three colours' means and deviations.
    """
    from timm.data import resolve_data_config

    known = pretrained.to_dict() if hasattr(pretrained, "to_dict") else dict(pretrained or {})
    resolved: dict[str, Any] = resolve_data_config({"crop_mode": known.get("crop_mode") or "center"}, known)
    mean, std = ([float(value) for value in resolved[key]] for key in ("mean", "std"))
    if colour == "grey":
        mean, std = [sum(mean) / len(mean)], [sum(std) / len(std)]
    own = tuple(resolved["input_size"][1:])
    return Transform(
        size=(size, size) if size else own,
        colour=colour,
        interpolation=resolved["interpolation"],
        crop_pct=resolved["crop_pct"],
        crop_mode=resolved["crop_mode"],
        mean=tuple(mean),
        std=tuple(std),
    )


def pixels(transform: Transform) -> Callable[[Image.Image], np.ndarray]:
    """A function from an image to height × width × channels, uint8."""
    from timm.data import create_transform

    channels, mode = COLOURS[transform.colour]
    height, width = transform.size
    given: dict[str, Any] = {
        "input_size": (channels, height, width),
        "interpolation": transform.interpolation,
        "crop_mode": transform.crop_mode,
        "use_prefetcher": True,  # timm's word for: leave the values as bytes, they are normalised later
    }
    cropped: Any = create_transform(**given, crop_pct=transform.crop_pct)
    whole: Any = create_transform(**given, crop_pct=1.0)

    def prepare(image: Image.Image) -> np.ndarray:
        fits = image.width <= width or image.height <= height
        resized = (whole if fits else cropped)(decoded(image, mode))
        return resized.permute(1, 2, 0).numpy()

    return prepare


def prepare(
    data: str | Path, transform: Transform, folder: str | Path, threads: int = 1, about: dict[str, Any] | None = None
) -> str:
    """Prepare the dataset in `data` for one transform; `folder` appears whole or not at all (format of data/store.py).

    Images are written as they are decoded, so that the set may be larger than memory.

    Args:
        data: a dataset's folder: arrays, or image files with their index.
        transform: from `transform_for`, or `models.transforms.transform_of`.
        folder: written.
        threads: images decoded at the same time; changes the speed, not the bytes.
        about: facts to be written to dataset.json besides.

    Returns:
        One line that says what was done.

    Raises:
        SecateurError: images that cannot be read (all are listed), unless the dataset's entry says `skip_unreadable`;
            then they are left out, counted in dataset.json and listed in unreadable.txt.
    """
    source = _Source(Path(data))
    folder = Path(folder)
    convert = pixels(transform)
    skipped: dict[str, list[str]] = {"train": [], "test": []}
    temporary = folder.with_name(f".{folder.name}.making")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        sizes = {}
        for split in skipped:
            labels = source.labels[split]
            shape = (*transform.size, COLOURS[transform.colour][0])
            with full_disk_told(folder.parent, f"preparing {source.about['name']}"):
                readable, reasons, sums = _decode(
                    source, split, convert, shape, temporary / f"{split}_inputs.npy", threads
                )
                np.save(temporary / f"{split}_labels.npy", labels[readable])
                np.save(temporary / f"{split}{checksums.OF_IMAGES}", sums[readable])
            skipped[split] = reasons
            sizes[split] = np.bincount(labels[readable], minlength=len(source.about["classes"])).tolist()
        _judge(source, skipped, sizes)
        if any(skipped.values()):
            write_text(temporary / "unreadable.txt", "\n".join(skipped["train"] + skipped["test"]) + "\n")
        counted = {split: len(reasons) for split, reasons in skipped.items()}
        facts = {"class_sizes": sizes, "transform": asdict(transform), "unreadable": counted}
        write_json(temporary / "dataset.json", source.about | facts | (about or {}))
        checksums.seal(temporary)
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    left_out = sum(counted.values())
    text = f"{sum(sizes['train'])} training and {sum(sizes['test'])} test images"
    return text + (f"; {left_out} unreadable ones left out, see unreadable.txt" if left_out else "")


class _Source:
    """The images of a dataset's folder in their order, whether they are rows of arrays or files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: dict[str, list[str]] | None = None
        if (folder / index.NAME).exists():
            checksums.check(folder)
            self.about, self.files, self.labels = index.read(folder)
            return
        dataset = store.load(folder)
        self.about = dataset.about
        self.labels = {"train": dataset.train_labels, "test": dataset.test_labels}
        self._arrays = {"train": dataset.train_inputs, "test": dataset.test_inputs}

    def open(self, split: str, row: int) -> Image.Image:
        """One image, decoded or to be decoded."""
        if self.files is not None:
            return Image.open(self.folder / self.files[split][row])
        array = self._arrays[split][row]
        return Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array)

    def name(self, split: str, row: int) -> str:
        """What to call it in a message."""
        return self.files[split][row] if self.files is not None else f"{split} image {row}"


def _decode(
    source: _Source,
    split: str,
    convert: Callable[[Image.Image], np.ndarray],
    shape: tuple[int, ...],
    path: Path,
    threads: int,
) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Write the split's images to `path`; which rows could be read, why the others could not, and all checksums."""
    count = len(source.labels[split])
    written = _mapped(path, (count, *shape))
    sums = np.zeros(count, np.uint32)
    reasons = []
    readable = np.ones(count, bool)

    def one(row: int) -> np.ndarray | str:
        try:
            with source.open(split, row) as image:
                return convert(image)
        except UNREADABLE as error:
            return f"{source.name(split, row)}: {error}"

    what = f"{source.about['name']}, {split} images"
    for row, decoded_row in enumerate(track(_in_order(one, range(count), threads), count, what)):
        if isinstance(decoded_row, str):
            readable[row] = False
            reasons.append(decoded_row)
        else:
            written[row] = decoded_row
            sums[row] = checksums.of_image(decoded_row)
    written.flush()
    if reasons:
        _close_gaps(written, readable, path)
    return readable, reasons, sums


def _mapped(path: Path, shape: tuple[int, ...]) -> np.memmap:
    """An array of bytes in a new file, whose room on the disk is taken at once.

    Without that, a disk that fills up kills the process with SIGBUS when it touches the page that has no room.
    """
    written = open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as opened:
            os.posix_fallocate(opened.fileno(), 0, path.stat().st_size)
    return written


def _in_order(work: Callable[[int], Any], items: Sequence[int], threads: int) -> Iterator[Any]:
    """`work` of every item in their order, done by several threads that never run far ahead.

    Threads do, since Pillow decodes and scales without holding Python's lock.
    """
    if threads == 1:
        yield from map(work, items)
        return
    block = threads * AHEAD
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(items), block):
            yield from pool.map(work, items[start : start + block])


def _close_gaps(written: np.ndarray, readable: np.ndarray, path: Path) -> None:
    """Write the array again without the rows that could not be read, a block at a time."""
    rows = np.flatnonzero(readable)
    temporary = path.with_name(f"whole-{path.name}")
    whole = _mapped(temporary, (len(rows), *written.shape[1:]))
    for start in range(0, len(rows), 1024):
        whole[start : start + 1024] = written[rows[start : start + 1024]]
    whole.flush()
    temporary.replace(path)


def _judge(source: _Source, skipped: dict[str, list[str]], sizes: dict[str, list[int]]) -> None:
    """Unreadable images are an error, unless they may be skipped and every class keeps some."""
    name = source.about["name"]
    every = skipped["train"] + skipped["test"]
    if every and not source.about.get("skip_unreadable", False):
        more = f"; and {len(every) - LISTED} more" if len(every) > LISTED else ""
        raise SecateurError(
            f"dataset '{name}': {len(every)} images cannot be read: {'; '.join(every[:LISTED])}{more}. Repair or "
            f"remove them at their source, or set skip_unreadable: true in the dataset's entry to go on without them."
        )
    for split, counts in sizes.items():
        empty = [source.about["classes"][label] for label, count in enumerate(counts) if count == 0]
        if empty:
            raise SecateurError(
                f"dataset '{name}': no image of the {split} split can be read in the classes {json.dumps(empty)}."
            )
