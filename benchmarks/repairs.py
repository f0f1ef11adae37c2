"""What a remedy costs beside a forward pass on its images, and the most memory that a process with one needs.

Times are processor seconds of one thread, all remedies of a network in turns, the median of the repeats' quotients.
Each network has lost half of every group's units. A ResNet-50 at 224 px is repaired in a process of its own, whose
largest resident size is read off the system (Linux). `python benchmarks/page.py --only remedies` writes the section.
"""

import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import five_networks as networks
import torch

from secateur.pruning.removal import remove
from secateur.pruning.units import find_unit_groups
from secateur.repair import NONE, registry
from secateur.repair.view import Whole

IMAGES, REPEATS = 50, 2
TIMED = (networks.SLIM, "ResNet-18", "MobileNetV2")
LARGE, SIDE = "resnet50", 224
LIMIT = 4.0
"""Gigabytes that a repair of `LARGE` may need."""

ALONE = """
import re, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[3])
import timm, torch
import repairs
from secateur import heap
heap.keep_freed()
torch.set_num_threads(1)
torch.manual_seed(0)
model = timm.create_model(sys.argv[1], num_classes=10).eval().requires_grad_(False)
work = repairs.repairing(model, torch.randn(repairs.IMAGES, 3, repairs.SIDE, repairs.SIDE), [sys.argv[2]])[sys.argv[2]]
def most():
    "What getrusage says would be the most of whoever started this process, where that was more."
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024 / 1e9
before, began = most(), time.process_time()
work()
print(time.process_time() - began, before, most())
"""


def repairing(model: torch.nn.Module, images: torch.Tensor, remedies: list[str]) -> dict[str, Callable[[], object]]:
    """Remedy → what repairs the network that has lost half of every group's units."""
    groups = find_unit_groups(model, images[:1])
    selection = {group.name: list(range(group.size // 2)) for group in groups}
    pruned = remove(model, groups, selection)
    loaded = {name: registry.load(name) for name in remedies}

    def work(name: str) -> Callable[[], object]:
        return lambda: registry.repaired(loaded[name], Whole(model, images), pruned, groups, selection)

    return {name: work(name) for name in remedies}


def ratios(name: str) -> tuple[float, dict[str, float]]:
    """Seconds of a forward pass on the images, and of each remedy how many of those it takes."""
    remedies = [remedy for remedy in registry.names() if remedy != NONE]
    model, batch, _ = networks.built(name)
    images = torch.randn(IMAGES, *batch.shape[1:])
    seconds = networks.in_turns({"": lambda: forward(model, images)} | repairing(model, images, remedies), REPEATS)
    return statistics.median(seconds[""]), {x: networks.ratio(seconds[x], seconds[""]) for x in remedies}


def forward(model: torch.nn.Module, images: torch.Tensor) -> None:
    """A pass in the batches in which a remedy reads them."""
    with torch.no_grad():
        for batch in images.split(32):
            model(batch)


def text() -> str:
    """The whole section."""
    remedies = [remedy for remedy in registry.names() if remedy != NONE]
    lines = ["| network | a forward pass, ms | " + " | ".join(f"`{x}`, passes" for x in remedies) + " |"]
    lines += ["|---|---:|" + "---:|" * len(remedies)]
    for name in TIMED:
        unit, found = ratios(name)
        cells = " | ".join(f"{found[remedy]:.1f}" for remedy in remedies)
        lines.append(f"| {name}, {networks.NETWORKS[name][2]} px | {unit * 1e3:.0f} | {cells} |")
        print(lines[-1], flush=True)
    lines += ["", f"ResNet-50, {SIDE} px, {IMAGES} images; one process for each, and how large it ever was:", ""]
    lines += ["| remedy | seconds | GB before it | GB at most |", "|---|---:|---:|---:|"]
    for remedy in remedies:
        taken, before, most = alone(remedy)
        lines.append(f"| `{remedy}` | {taken:.1f} | {before:.2f} | {most:.2f} |")
        print(lines[-1], flush=True)
    return (
        f"{IMAGES} images, half of every group's units removed, random weights; one thread. A remedy finds its way "
        "through the network\n(a trace), makes what the layers of the whole network answer, and repairs layer by "
        "layer on what is repaired so far, so that a\nnetwork of many layers is passed through often.\n\n"
        + "\n".join(lines)
        + f"\n\nAllowed: {LIMIT:.0f} GB."
    )


def alone(remedy: str) -> tuple[float, float, float]:
    """Processor seconds of a repair of `LARGE`, and gigabytes of its process before it and at most."""
    command = [sys.executable, "-c", ALONE, LARGE, remedy, str(Path(__file__).parent)]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return float(found[0]), float(found[1]), float(found[2])
