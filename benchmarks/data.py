"""The data path beside PyTorch's own: images a second of a DataLoader that decodes, and of prepared bytes.

    python benchmarks/data.py                      JPEGs made for the purpose, in a temporary folder
    python benchmarks/data.py --images <folder>    your own: one subfolder a class

Both give batches of the same normalised floats on the CPU, and are checked to. It also prints what a job pays before
its first batch, beyond imports: opening the prepared folder and making that batch.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import timm.data
import torch
from PIL import Image
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder

from secateur.data import preparation, store
from secateur.models import inputs
from secateur.models.transforms import transform_of

ARCHITECTURE, BATCH, EPOCHS = "resnet18", 128, 3


def photographs(folder: Path, count: int, side: int) -> None:
    """JPEGs of smooth noise, of about the size in bytes that photographs of this side have."""
    generator = np.random.default_rng(0)
    for number in range(count):
        coarse = Image.fromarray(generator.integers(0, 256, (side // 8, side // 8, 3), np.uint8))
        path = folder / f"class{number % 4}" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse.resize((side, side), Image.Resampling.BICUBIC).save(path, quality=90)


def rate(batches: Iterable[torch.Tensor], count: int) -> float:
    """Images a second of one pass."""
    began = time.perf_counter()
    for _ in batches:
        pass
    return count / (time.perf_counter() - began)


class Found(NamedTuple):
    """Images a second of both ways, seconds of preparing them once, and of a job's start before its first batch."""

    images: int
    decoding: float
    prepared: float
    once: float
    startup: float


def measure(images: Path | None, size: int, count: int, side: int, workers: int) -> Found:
    """Read images of a folder (or of `count` JPEGs of that side, made here) both ways, at a network's input `size`."""
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        if images is None:
            images = work / "jpegs"
            photographs(images, count, side)
        store.make("own", {"kind": "imagefolder", "test_share": 0.1}, work / "own", work / "none.dvc", [images])
        transform = transform_of(ARCHITECTURE, size, "rgb")
        began = time.perf_counter()
        preparation.prepare(work / "own", transform, work / "prepared", workers)
        once = time.perf_counter() - began

        began = time.perf_counter()
        dataset = store.load(work / "prepared")
        stored = inputs.images(dataset, "train", torch.device("cpu"))
        first = stored[: min(BATCH, len(stored))]
        startup = time.perf_counter() - began

        settings = timm.data.resolve_data_config({}, model=timm.create_model(ARCHITECTURE))
        settings["input_size"] = (3, size, size)
        timms = timm.data.create_transform(**settings, is_training=False)
        jpegs = ImageFolder(str(images), timms)
        loader = DataLoader(jpegs, BATCH, num_workers=workers)
        _check(work / "own", first, timms)
        decoding = max(rate(loader, len(jpegs)) for _ in range(EPOCHS))
        order = torch.randperm(len(stored))
        prepared = max(rate((stored[part] for part in order.split(BATCH)), len(stored)) for _ in range(EPOCHS))
    return Found(len(jpegs), decoding, prepared, once, startup)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, help="folder with one subfolder a class")
    parser.add_argument("--size", type=int, default=64, help="side of the network's input")
    parser.add_argument("--count", type=int, default=1200, help="JPEGs to make where no folder is given")
    parser.add_argument("--side", type=int, default=256, help="side of these JPEGs")
    parser.add_argument("--workers", type=int, default=2, help="of the DataLoader; as many threads prepare")
    options = parser.parse_args()
    found = measure(options.images, options.size, options.count, options.side, options.workers)
    ratio = found.prepared / found.decoding
    print(f"{found.images} images, {options.size} px, {os.cpu_count()} cores, torch {torch.__version__}")
    print(f"DataLoader over JPEGs, {options.workers} workers: {found.decoding:,.0f} images/s (best of {EPOCHS} passes)")
    print(f"prepared bytes, random order:       {found.prepared:,.0f} images/s: {ratio:.0f} times as many")
    print(f"preparing all of them, once:        {found.once:.1f} s")
    print(f"start-up of a job beyond imports:   {1e3 * found.startup:.0f} ms (open, and the first batch)")


def _check(data: Path, found: torch.Tensor, timms) -> None:
    """Both ways must give the same floats."""
    from secateur.data import index

    _, files, _ = index.read(data)
    for row in range(0, len(found), 16):
        expected = timms(Image.open(data / files["train"][row]).convert("RGB"))
        assert torch.allclose(found[row], expected, atol=1e-5), f"image {row} differs"


if __name__ == "__main__":
    main()
