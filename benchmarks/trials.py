"""What was tried to make passes faster, with its numbers also where it loses; a depthwise network; a command's start.

`python benchmarks/page.py --only trials` writes the section.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import five_networks as networks
import torch
from torch import nn

from secateur import heap
from secateur.models import memory_format

COMPILED = networks.SLIM
DEPTHWISE = "MobileNetV2"
BATCH_SIZES, THREADS = (8, 32, 128), (1, 2)

HEAP = """
import resource, sys, time
sys.path.insert(0, sys.argv[2])
import five_networks as networks, torch
from secateur import heap
from secateur.models import memory_format
torch.set_num_threads(1)
if sys.argv[1] == "kept":
    heap.keep_freed()
model, images, labels = networks.built(networks.SLIM)
model, images = networks.laid_out(model, images, torch.channels_last)
for work in (lambda: networks.evaluated(model, images), lambda: networks.trained(model, images, labels)):
    seconds = []
    for _ in range(8):
        pages, began = resource.getrusage(resource.RUSAGE_SELF).ru_minflt, time.process_time()
        work()
        seconds.append((time.process_time() - began, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - pages))
    print(*min(seconds[2:]))
"""


def text() -> str:
    """The whole section."""
    return "\n\n".join([inference(), compiled(), kept(), depthwise(), start()])


def chosen(name: str) -> tuple[nn.Module, torch.Tensor]:
    """A network and its images in the format that the rule chooses."""
    model, images, _ = networks.built(name)
    return networks.laid_out(model, images, memory_format.chosen(model))


def inference() -> str:
    """`torch.inference_mode` beside `torch.no_grad`."""
    found = []
    for name in networks.NETWORKS:
        model, images = chosen(name)

        def inferred(model: nn.Module = model, images: torch.Tensor = images) -> None:
            with torch.inference_mode():
                for _ in range(networks.BATCHES):
                    model(images)

        plain = lambda model=model, images=images: networks.evaluated(model, images)  # noqa: E731
        seconds = networks.in_turns({"plain": plain, "inferred": inferred}, networks.ROUNDS)
        found.append(f"{name} {networks.ratio(seconds['plain'], seconds['inferred']):.2f}")
    return (
        "**`torch.inference_mode`**, time under `torch.no_grad` ÷ time under it, evaluation: " + ", ".join(found) + ". "
        "Not used: its tensors cannot\nenter a pass with gradients."
    )


def compiled() -> str:
    """`torch.compile` of one network's evaluation."""
    model, images = chosen(COMPILED)
    began = time.perf_counter()
    try:
        faster = torch.compile(model)
        networks.evaluated(faster, images)
    except Exception as error:  # whatever the compiler or its absence raises is what there is to say
        said = " ".join(str(error).split())[:200]
        return f"**`torch.compile`**, {COMPILED}, evaluation: failed here ({type(error).__name__}: {said})."
    once = time.perf_counter() - began
    work: dict[str, Callable[[], object]] = {
        "plain": lambda: networks.evaluated(model, images),
        "compiled": lambda: networks.evaluated(faster, images),
    }
    seconds = networks.in_turns(work, 2 * networks.ROUNDS)
    gain = (statistics.median(seconds["plain"]) - statistics.median(seconds["compiled"])) / networks.BATCHES
    worth = f"one compilation is worth it after {once / gain:,.0f} batches" if gain > 0 else "it is no gain here"
    return (
        f"**`torch.compile`**, {COMPILED}, evaluation: {networks.ratio(seconds['plain'], seconds['compiled']):.2f} "
        f"times as fast as without; compiling took {once:.0f} s of clock time, and\n{worth}. Not used: "
        "every pruned network has shapes of its own, to be compiled anew."
    )


def kept() -> str:
    """Freed memory kept by the process (`secateur.heap`), beside the C library's own way, in processes in turns."""
    if any(name in os.environ for name in heap.OWN):
        return "**Freed memory kept for the next pass**: unmeasured, for the C library's variables are set."
    runs: dict[str, list[list[list[float]]]] = {"as it is": [], "kept": []}
    here = os.path.dirname(networks.__file__)  # noqa: PTH120
    for _ in range(networks.ROUNDS):
        for how, found in runs.items():
            done = subprocess.run(
                [sys.executable, "-c", HEAP, how, here], capture_output=True, text=True, check=True
            ).stdout
            found.append([[float(cell) for cell in line.split()] for line in done.splitlines()])
    said = []
    for place, kind in enumerate(("evaluation", "training step")):
        (one, before), (other, after) = (min(run[place] for run in runs[how]) for how in runs)
        said.append(f"{kind} {one / other:.2f} times as fast, {before:,.0f} → {after:,.0f} pages asked for")
    return (
        f"**Freed memory kept for the next pass** (`heap.py`), {networks.SLIM}: " + "; ".join(said) + ". Used by every "
        "command. The best\nof six passes in each of "
        f"{networks.ROUNDS} processes."
    )


def depthwise() -> str:
    """MobileNetV2's evaluation by batch size and threads, and what its kinds of convolutions make of the peak."""
    model, images = chosen(DEPTHWISE)
    most = memory_format.laid_out(images[:1].repeat(max(BATCH_SIZES), 1, 1, 1), torch.channels_last)
    product = networks.product()
    best: dict[tuple[int, int], float] = {}
    for threads in THREADS:
        torch.set_num_threads(threads)
        for _ in range(networks.ROUNDS + 1):
            for size in BATCH_SIZES:
                with torch.no_grad():
                    began = time.perf_counter()
                    for batch in most.split(size):
                        model(batch)
                    taken = (time.perf_counter() - began) / len(most)
                best[size, threads] = min(taken, best.get((size, threads), taken))
    torch.set_num_threads(1)
    lines = ["| images a batch | " + " | ".join(f"µs an image, {count} thread(s)" for count in THREADS) + " |"]
    lines += ["|---:|" + "---:|" * len(THREADS)]
    lines += [
        f"| {size} | " + " | ".join(f"{best[size, count] * 1e6:.0f}" for count in THREADS) + " |"
        for size in BATCH_SIZES
    ]
    kinds = by_kind(model, images)
    peak = 2 * networks.SIDE**3 / min(networks.in_turns({"peak": product}, 5)["peak"])
    whole, operations = sum(taken for taken, _ in kinds.values()), sum(count for _, count in kinds.values())
    parts = "; ".join(
        f"{kind} {count / operations:.0%} of the operations in {taken / whole:.0%} of the time, "
        f"{count / taken / peak:.2f} of the peak"
        for kind, (taken, count) in kinds.items()
    )
    return (
        f"**{DEPTHWISE}**, 64 px, channels last, clock time of the best of {networks.ROUNDS + 1}:\n\n"
        + "\n".join(lines)
        + f"\n\nWhere the limit is: of its layers' time, {parts}. A depthwise convolution does nine multiplications a "
        "number that it reads,\nand batch-norms and activations hardly any: memory bounds them, not the processor's "
        "arithmetic."
    )


def by_kind(model: nn.Module, images: torch.Tensor) -> dict[str, list[float]]:
    """Kind of layer → [seconds of its calls in one pass, floating-point operations]; the best of several passes."""
    best: dict[str, list[float]] = {}
    began = {}
    found: dict[str, list[float]] = {}

    def enter(module: nn.Module, given: tuple) -> None:
        del given
        began[module] = time.process_time()

    def leave(module: nn.Module, given: tuple, output: torch.Tensor) -> None:
        taken = time.process_time() - began[module]
        kind, count = "batch-norms and activations", 0.0
        if isinstance(module, nn.Conv2d):
            kind = "pointwise and other convolutions" if module.groups == 1 else "depthwise convolutions"
            count = 2.0 * output.numel() * module.weight[0].numel()
        del given
        cell = found.setdefault(kind, [0.0, 0.0])
        cell[0] += taken
        cell[1] += count

    leaves = [x for x in model.modules() if isinstance(x, nn.Conv2d | nn.BatchNorm2d)]
    hooks = [x.register_forward_pre_hook(enter) for x in leaves] + [x.register_forward_hook(leave) for x in leaves]
    for _ in range(2 * networks.ROUNDS):
        found.clear()
        with torch.no_grad():
            model(images)
        for kind, cell in found.items():
            best[kind] = min(best.get(kind, cell), cell)
    for hook in hooks:
        hook.remove()
    return best


def start() -> str:
    """Processor time of `secateur --help`, which imports no library of the experiments."""
    seconds = []
    for _ in range(2 * networks.ROUNDS):
        before = os.times()
        subprocess.run([str(Path(sys.executable).with_name("secateur")), "--help"], capture_output=True, check=True)
        after = os.times()
        seconds.append(after.children_user + after.children_system - before.children_user - before.children_system)
    return (
        f"**Starting**: `secateur --help` takes {min(seconds):.2f} s of processor time, the best of {len(seconds)} "
        "(asked for: 0.3 s)."
    )
