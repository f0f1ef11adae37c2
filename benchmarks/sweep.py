"""How long removal takes: at one rate, and over a sweep of 20 rates beside the forward passes of its networks.

    python benchmarks/sweep.py [--architecture resnet50] [--side 64] [--images 256] [--threads 1]

Targets: one removal of ResNet-50 in at most 0.3 s on a CPU, and a sweep that costs at most 15 % more than the forward
passes that it is made for. Weights and scores are random; times are processor times of this process, so
that they do not depend on what else the machine does.
"""

import argparse
import statistics
import time
from typing import NamedTuple

import timm
import torch
from torch import nn

from secateur.models import devices
from secateur.pruning.counting import Counter
from secateur.pruning.removal import remove, sweep
from secateur.pruning.selection import select
from secateur.pruning.units import find_unit_groups

RATES = [round(0.05 * step, 2) for step in range(20)]
REMOVAL_LIMIT, SWEEP_LIMIT = 0.3, 0.15


def forward_seconds(model: nn.Module, images: torch.Tensor, batch: int = 64) -> float:
    """Processor seconds of one evaluation of all images."""
    start = time.process_time()
    with torch.inference_mode():
        for part in images.split(batch):
            model(part)
    return time.process_time() - start


class Found(NamedTuple):
    """Processor seconds of finding the units, of one removal, of a whole sweep and of its forward passes alone."""

    tracing: float
    removal: float
    total: float
    forward: float

    @property
    def extra(self) -> float:
        """What the sweep costs beyond its forward passes, as a share of them."""
        return self.total / self.forward - 1


def measure(architecture: str, side: int, count: int) -> Found:
    """Time removal from a network of random weights by random scores, evaluated on `count` random images."""
    torch.manual_seed(0)
    size = (3, side, side)
    model = timm.create_model(architecture, num_classes=10).eval()
    images = torch.randn(count, *size)

    start = time.process_time()
    groups = find_unit_groups(model, images[:1])
    tracing = time.process_time() - start
    scores = {group.name: torch.rand(group.size) for group in groups}

    single = []
    for _ in range(7):
        start = time.process_time()
        remove(model, groups, select(groups, scores, 0.3))
        single.append(time.process_time() - start)

    forward_seconds(model, images[:8])  # warm
    start = time.process_time()
    counter = Counter(model, size)
    forward = 0.0
    for step in sweep(model, groups, scores, RATES):
        counter.count(step.model)
        forward += forward_seconds(step.model, images)
    return Found(tracing, statistics.median(single), time.process_time() - start, forward)


def main() -> None:
    """Measure and print; exits with 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--architecture", default="resnet50")
    parser.add_argument("--side", type=int, default=64, help="image side in pixels")
    parser.add_argument("--images", type=int, default=256, help="images evaluated at each rate")
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    found = measure(chosen.architecture, chosen.side, chosen.images)
    print(f"{chosen.architecture}, {chosen.side} px, {chosen.images} images, {devices.of(torch.device('cpu')).name()}")
    print(f"finding the units, once:   {found.tracing:.3f} s")
    print(f"one removal at rate 0.3:   {found.removal:.3f} s (limit {REMOVAL_LIMIT} s)")
    print(f"20 rates, everything:      {found.total:.2f} s, of which forward passes {found.forward:.2f} s")
    print(f"what removal adds to them: {found.extra:.1%} (limit {SWEEP_LIMIT:.0%})")
    if found.removal > REMOVAL_LIMIT or found.extra > SWEEP_LIMIT:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
