"""What a card makes of a network: evaluation and training by number format, memory format and torch.compile.

    python benchmarks/accelerator.py --device cuda

Images a second of a forward pass and of a training step, and the multiply-accumulates a second that they come to as a
share of what one large matrix product reaches on the same device in the same number format: the measured peak. Times
are the clock's between synchronised points, the best of the repeats. It runs on any device that PyTorch knows; on a
CPU it says little, and is there so that a machine without a card can test it.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import timm
import torch
from torch import nn
from torch.nn import functional

from secateur.models import devices
from secateur.pruning.counting import count

WAYS = (
    ("float32", torch.float32, False, False),
    ("bfloat16", torch.bfloat16, False, False),
    ("bfloat16, channels last", torch.bfloat16, True, False),
    ("bfloat16, channels last, compiled", torch.bfloat16, True, True),
)
TRAINING = 3  # passes that a training step is worth


class Row(NamedTuple):
    """One way of computing: images a second and the share of the measured peak, of a forward pass and in training."""

    way: str
    forward: float
    forward_share: float
    training: float
    training_share: float


def seconds(work: Callable[[], object], on: torch.device, repeats: int) -> float:
    """The shortest of so many calls, after one that does not count."""
    found = []
    for _ in range(repeats + 1):
        _wait(on)
        began = time.perf_counter()
        work()
        _wait(on)
        found.append(time.perf_counter() - began)
    return min(found[1:])


def peak(side: int, dtype: torch.dtype, on: torch.device, repeats: int) -> float:
    """Multiply-accumulates a second of a product of two square matrices."""
    one, two = (torch.randn(side, side, device=on).to(dtype) for _ in range(2))
    return side**3 / seconds(lambda: one @ two, on, repeats)


def measure(
    architecture: str, size: int, batch: int, matrix: int, on: torch.device, repeats: int, compiled: bool
) -> Iterator[Row]:
    """A row for each of `WAYS`; those that compile only where asked for (a minute or two each)."""
    for way, dtype, last, compiles in WAYS:
        if compiles and not compiled:
            continue
        torch.manual_seed(0)
        network: nn.Module = timm.create_model(architecture, num_classes=10).to(on)
        macs = count(network, (3, size, size)).macs
        images = torch.randn(batch, 3, size, size, device=on)
        if last:
            network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            images = images.contiguous(memory_format=torch.channels_last)
        if compiles:
            network = torch.compile(network)  # type: ignore[assignment]
        labels = torch.arange(batch, device=on) % 10
        optimizer = torch.optim.SGD(network.parameters(), lr=1e-4)
        mixed = torch.autocast(on.type, dtype, enabled=dtype != torch.float32)

        def forward(network=network, images=images, mixed=mixed) -> None:
            with torch.inference_mode(), mixed:
                network(images)

        def step(network=network, images=images, mixed=mixed, labels=labels, optimizer=optimizer) -> None:
            optimizer.zero_grad(set_to_none=True)
            with mixed:
                loss = functional.cross_entropy(network(images), labels)
            loss.backward()
            optimizer.step()

        best = peak(matrix, dtype, on, repeats)
        network.eval()
        evaluated = batch / seconds(forward, on, repeats)
        network.train()
        trained = batch / seconds(step, on, repeats)
        yield Row(way, evaluated, evaluated * macs / best, trained, TRAINING * trained * macs / best)


def table(rows: list[Row]) -> str:
    """The rows as Markdown."""
    lines = [
        "| format | evaluated, images/s | of the peak | trained, images/s | of the peak |",
        "|---|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {row.way} | {row.forward:,.0f} | {row.forward_share:.0%} | {row.training:,.0f} | {row.training_share:.0%} |"
        for row in rows
    ]
    return "\n".join(lines)


def _wait(on: torch.device) -> None:
    if on.type == "cuda":
        torch.cuda.synchronize(on)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--architecture", default="resnet50")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--matrix", type=int, default=8192, help="side of the matrices of the peak")
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--no-compile", action="store_true")
    given = parser.parse_args()
    on = torch.device(given.device)
    found = measure(given.architecture, given.size, given.batch, given.matrix, on, given.repeats, not given.no_compile)
    print(table(list(found)))
    where = f"{devices.of(on).name()}, torch {torch.__version__}"
    print(f"\n{given.architecture}, {given.size} px, batch {given.batch}, {where}")


if __name__ == "__main__":
    main()
