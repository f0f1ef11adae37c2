"""Painted images, and what is asked of a small network for them, as a user would prune it."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SMALL = {"channels": [8, 8, 16, 16], "layers": [1, 1, 1, 1]}


CLASSES = ("blue", "green", "red")


def paint(folder: Path, each: int, seed: int) -> None:
    """Noisy pictures of one colour a class."""
    generator = np.random.Generator(np.random.PCG64(seed))
    for channel, name in enumerate(CLASSES[::-1]):
        (folder / name).mkdir(parents=True)
        for number in range(each):
            pixels = generator.integers(0, 120, (20, 24, 3))
            pixels[..., channel] += 120
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{number}.png")


def settings(work: Path, output: Path, **changed: Any) -> dict[str, Any]:
    chosen = {
        "architecture": "resnet18",
        "arguments": SMALL,
        "weights": work / "weights.safetensors",
        "data": work / "images",
        "criterion": "weight",
        "samples_per_class": 2,
        "rate": 0.3,
        "size": 32,
        "output": output,
    }
    return chosen | changed
