"""Training throughput: `models.training.train` beside a bare loop of the same network, batch and precision.

    python benchmarks/training.py --architecture resnet18 --size 64 --device auto

Both train on images that lie on the device; the bare loop takes ready floats in a fixed order, without augmentation,
schedule or measurements. What is printed is the share of the bare loop's images per second, the median of interleaved
repeats in one process; with --augment the loop under test also mirrors, shifts and zooms every image. On a CPU seconds
are the processor's, unmoved by what else runs; on CUDA they are the clock's.
"""

import argparse
import statistics
import time
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from secateur.models import build, devices, inputs, training

RECIPE = {
    "epochs": 1,
    "learning_rate": 1e-4,
    "weight_decay": 0.01,
    "optimizer": "adamw",
    "schedule": "cosine",
    "label_smoothing": 0.0,
    "freeze": False,
    "mixed_precision": True,
    "augmentation": {"flip": False, "shift": 0, "zoom": 1},
}


def bare(network: nn.Module, images: torch.Tensor, labels: torch.Tensor, batch: int) -> None:
    """The shortest loop that trains: what every image costs at least."""
    on = labels.device
    cuda = on.type == "cuda"
    if cuda:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        images = images.contiguous(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4, foreach=True)
    network.train()
    for inputs_, truth in zip(images.split(batch), labels.split(batch), strict=True):
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(on.type, torch.bfloat16, enabled=cuda and torch.cuda.is_bf16_supported()):
            loss = functional.cross_entropy(network(inputs_), truth)
        loss.backward()
        optimizer.step()
    if cuda:
        torch.cuda.synchronize()


class Found(NamedTuple):
    """Images a second of the bare loop and of `train`, and the share of the first that the second reaches."""

    bare: float
    train: float
    share: float


def measure(
    architecture: str, size: int, images: int, batch: int, repeats: int, on: torch.device, augment: bool = False
) -> Found:
    """Train on random images of a side `size` by both loops in turn; the median of so many repeats."""
    pixels = np.random.default_rng(0).integers(0, 256, (images, size, size, 3), dtype=np.uint8)
    stored = inputs.Images(pixels, (0.5,) * 3, (0.25,) * 3, on)
    labels = (torch.arange(images) % 15).to(on)
    floats = stored[:]
    recipe = RECIPE | {"batch_size": batch}
    if augment:
        recipe["augmentation"] = {"flip": True, "shift": 0.125, "zoom": 0.5}
    entry = {"architecture": architecture, "arguments": {}}
    networks = [build.create(entry, 15, 3, seed=0).to(on) for _ in range(2)]

    clock = time.perf_counter if on.type == "cuda" else time.process_time

    def seconds(number: int) -> float:
        began = clock()
        if number == 0:
            bare(networks[0], floats, labels, batch)
        else:
            training.train(networks[1], stored, labels, recipe, seed=0)
        return clock() - began

    for number in (0, 1):
        seconds(number)
    times = [(seconds(0), seconds(1)) for _ in range(repeats)]
    rates = [images / statistics.median(column) for column in zip(*times, strict=True)]
    return Found(*rates, statistics.median(one / other for one, other in times))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--architecture", default="resnet18")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--augment", action="store_true")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    on = devices.chosen(chosen.device)
    found = measure(chosen.architecture, chosen.size, chosen.images, chosen.batch, chosen.repeats, on, chosen.augment)
    print(f"{chosen.architecture}, {chosen.images} images of {chosen.size} px, batch {chosen.batch}, {on}")
    print(
        f"bare loop {found.bare:.0f} images/s, train {found.train:.0f} images/s: {found.share:.1%} "
        f"(median of {chosen.repeats})"
    )


if __name__ == "__main__":
    main()
