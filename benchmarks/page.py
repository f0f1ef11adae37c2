"""All benchmarks of speed on one page, docs/benchmarks.md.

    python benchmarks/page.py [--only sweep,data] [--device cuda]

Each has the bound that it cannot beat and how far off it is. Without --only all are measured, which takes some ten
minutes on two cores; with it the page keeps the others as they stand. A page of another machine is better made anew.
"""

import argparse
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import accelerator
import criteria
import data
import five_networks as networks
import overhead
import repairs
import sweep
import timm
import torch
import training
import trials

from secateur import heap
from secateur.machine import processor

PAGE = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"
REPOSITORY = PAGE.parents[1]
REPEATS = 5
NO_CARD = "Unmeasured: there was no card at hand. `make bench DEVICE=cuda` measures it, on a machine that has one."

# A process that is started by a large one inherits its peak of memory; this one is small.
MEASURED = """
import resource, subprocess, sys
code = subprocess.call([sys.executable, "-m", "snakemake", *sys.argv[1:]])
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss)
sys.exit(code)
"""


def demo(_: torch.device) -> str:
    """The share of the demo that is experiment, and `secateur plan --cost` held against the same run."""
    with tempfile.TemporaryDirectory() as folder:
        found = overhead.measure("config/demo.yaml", "all", Path(folder))
        plan = subprocess.run(
            ["secateur", "plan", "--cost", "--config", str(REPOSITORY / "config" / "demo.yaml")],
            cwd=folder, check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip
    share = found.work / found.total
    held = plan[plan.index("Held against") :].partition("\n\n")[2].strip()
    return (
        "| | processor seconds |\n|---|---:|\n"
        f"| all: Snakemake, starts of jobs, imports, work | {found.total:.0f} |\n"
        f"| bound: the work of its {len(found.jobs)} jobs alone | {found.work:.0f} |\n\n"
        f"**{share:.0%}** is experiment; wall time {found.wall:.0f} s.\n\n"
        "What `secateur plan --cost` says of this run's work, in seconds, beside what its jobs took:\n\n"
        f"```\n{held}\n```"
    )


def fewshot(_: torch.device) -> str:
    """A sweep over 20 rates beside its forward passes."""
    found = sweep.measure("resnet50", 64, 256)
    return (
        f"ResNet-50, 64 px, 256 images at each of {len(sweep.RATES)} rates.\n\n"
        "| | processor seconds |\n|---|---:|\n"
        f"| the sweep: choosing, removing, counting, evaluating | {found.total:.2f} |\n"
        f"| bound: its forward passes alone | {found.forward:.2f} |\n\n"
        f"**{found.extra:+.1%}** (allowed: {sweep.SWEEP_LIMIT:+.0%}). One removal {found.removal:.3f} s "
        f"(allowed: {sweep.REMOVAL_LIMIT} s); finding the units, once, {found.tracing:.2f} s."
    )


def finetuning(on: torch.device) -> str:
    """Fine-tuning beside a bare loop."""
    found = training.measure("resnet18", 64, 256, 64, REPEATS, on)
    return (
        "ResNet-18, 64 px, batches of 64; both on images that are in memory.\n\n"
        "| | images/s |\n|---|---:|\n"
        f"| `models.training.train`: order, schedule, bytes to floats | {found.train:.1f} |\n"
        f"| bound: a bare loop over ready floats | {found.bare:.1f} |\n\n"
        f"**{found.share:.1%}**, the median of {REPEATS} pairs (asked for: 95 %)."
    )


def reading(_: torch.device) -> str:
    """Prepared bytes beside a DataLoader."""
    found = data.measure(None, 64, 800, 256, 2)
    stored = _seconds_of_copy(800, 64)
    return (
        f"{found.images} JPEGs of 256 px for inputs of 64 px, batches of {data.BATCH}.\n\n"
        "| | images/s |\n|---|---:|\n"
        f"| DataLoader over the JPEG folder, 2 workers | {found.decoding:,.0f} |\n"
        f"| prepared bytes, in random order | {found.prepared:,.0f} |\n"
        f"| bound: one copy of as many floats | {stored:,.0f} |\n\n"
        f"**{found.prepared / found.decoding:.0f} times** the DataLoader (asked for: 5), "
        f"{found.prepared / stored:.0%} of the bound. "
        f"Preparing them, once: {found.once:.1f} s. Clock time, the best of {data.EPOCHS} passes."
    )


def ranking(on: torch.device) -> str:
    """Each criterion's pass beside a gradient pass, and other packages'."""
    cuda = on.type == "cuda"
    samples, size = (10, 224) if cuda else (8, 112)
    lines = ["| network | pass | seconds | ÷ gradient pass |", "|---|---|---:|---:|"]
    for name in ("resnet18", "vgg16"):
        seconds = criteria.measure(criteria.passes(name, samples, size, on.type, torch.float32), 3, on.type)
        bound = seconds[criteria.UNIT]
        lines += [f"| {name} | {label} | {value:.3f} | {value / bound:.2f} |" for label, value in seconds.items()]
    return (
        f"{samples} samples of {size} px. Bound: the gradient pass (forward, and back to the outputs of all "
        "convolutions); criteria\nwithout relevance are one. In passes through convolutions z⁺ is 3, α2β1 4 and ε 2, "
        "where the gradient is 2, so their bounds\nare 1.5, 2 and 1. captum knows VGG alone of these, and gives the "
        "input's relevance; torch-pruning's Taylor also makes the\ngradients of weights.\n\n" + "\n".join(lines)
    )


def graph(_: torch.device) -> str:
    """The DAG of the paper's grid."""
    command = ["--dry-run", "--quiet", "rules", "--configfile", "config/paper.yaml"]
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", MEASURED, *command], cwd=REPOSITORY, capture_output=True, text=True)
    wall, text = time.perf_counter() - began, done.stdout + done.stderr
    assert done.returncode == 0, text
    spent, most = map(float, done.stdout.splitlines()[-1].split())
    jobs = re.search(r"^total\s+(\d+)$", text, re.MULTILINE)
    assert jobs, "the dry run names no total"
    return (
        "`snakemake --dry-run --configfile config/paper.yaml`: "
        f"{int(jobs[1]):,} jobs in {spent:.0f} s of processor time ({wall:.0f} s by the clock; allowed: 60 s), with at "
        f"most {most / 1e6:.2f} GB (allowed: 2 GB)."
    )


def formats(_: torch.device) -> str:
    """Five networks' passes beside the machine's peak, plain PyTorch in both formats, and their own convolutions."""
    heap.keep_freed()  # as every command does
    return (
        f"Random weights; one thread, processor time, {networks.ROUNDS} rounds in turns, ratios the medians of pairs. "
        "The peak: a product of two\nmatrices of "
        f"{networks.SIDE}² in the same rounds. Share of it: the pass's multiplications and additions, as many forward "
        "passes as it needs\n(" + ", ".join(f"{kind} {count}" for kind, count in networks.PRODUCTS.items()) + "). "
        "× plain: how many times as long PyTorch alone takes, which keeps freed memory\nhere too; a training step is "
        "PyTorch's in the chosen format, which is all it gains. ÷ its convolutions: by "
        "nothing\nbut the convolutions and matrix products of the pass, in the chosen format. ÷ PyTorch's way: by "
        "PyTorch's own gradient\npass of the network with its batch-norms folded, and the products that z⁺ needs "
        "beyond it. That pass has the ReLUs and\ntheir masks, pooling and additions which every pass has: the bound "
        "that separate operations can reach.\n\n" + networks.table(networks.ROUNDS)
    )


def trying(_: torch.device) -> str:
    """What was tried and need not win; the limit of a depthwise network; how a command starts."""
    heap.keep_freed()
    return trials.text()


def repairing(_: torch.device) -> str:
    """Remedies beside a forward pass, and the memory of the largest."""
    heap.keep_freed()
    return repairs.text()


def card(on: torch.device) -> str:
    """What a card makes of ResNet-50."""
    if on.type != "cuda":
        return NO_CARD
    return "ResNet-50, 224 px, batches of 256. Bound: the multiply-accumulates of one matrix product.\n\n" + (
        accelerator.table(list(accelerator.measure("resnet50", 224, 256, 8192, on, 10, True)))
    )


SECTIONS: dict[str, tuple[str, Callable[[torch.device], str]]] = {
    "overhead": ("The demo's processor time", demo),
    "sweep": ("The few-shot sweep", fewshot),
    "training": ("Fine-tuning", finetuning),
    "data": ("Reading images", reading),
    "criteria": ("Criteria", ranking),
    "networks": ("Five networks, both memory formats", formats),
    "trials": ("What was tried, and where a depthwise network's limit is", trying),
    "remedies": ("Remedies", repairing),
    "dag": ("The paper's DAG", graph),
    "accelerator": ("On a card: bfloat16, channels last, torch.compile", card),
}


def _seconds_of_copy(count: int, side: int) -> float:
    """Images a second of copying floats in memory."""
    floats = torch.rand(count, 3, side, side)
    best = min(_clocked(floats.clone) for _ in range(4))
    return count / best


def _clocked(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def machine(on: torch.device) -> str:
    """What the numbers were measured on."""
    name = f"; card {torch.cuda.get_device_name(on)}" if on.type == "cuda" else ""
    return (
        f"{processor()}, {os.cpu_count()} cores{name}; Python {platform.python_version()}, torch {torch.__version__}, "
        f"timm {timm.__version__}"
    )


def page(found: dict[str, str], where: str) -> str:
    """The whole page from the sections' texts."""
    head = (
        "# Benchmarks\n\nHow fast it is, each against the bound that it cannot beat. Made by `make bench` (some ten "
        "minutes); what follows is measured,\nnot written. Times are the processor's, of one thread, unmoved by what "
        "else runs, where nothing else is said.\n\n"
        f"Measured on: {where}.\n"
    )
    return head + "".join(
        f"\n<!-- {key} -->\n## {title}\n\n{found[key]}\n" for key, (title, _) in SECTIONS.items() if key in found
    )


def sections(text: str) -> dict[str, str]:
    """Section → its text, of a page made by `page`."""
    parts = re.split(r"^<!-- (\w+) -->\n## .*\n\n", text, flags=re.MULTILINE)
    return {key: body.rstrip() for key, body in zip(parts[1::2], parts[2::2], strict=True)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(SECTIONS), help=f"some of: {', '.join(SECTIONS)}")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    given = parser.parse_args()
    torch.set_num_threads(1)
    on = torch.device(given.device)
    found = sections(PAGE.read_text(encoding="utf-8")) if PAGE.exists() else {}
    for key in given.only.split(","):
        if key not in SECTIONS:
            parser.error(f"--only: unknown section '{key}'; allowed are {', '.join(SECTIONS)}.")
        print(f"measuring: {SECTIONS[key][0]}", flush=True)
        found[key] = SECTIONS[key][1](on)
        PAGE.write_text(page(found, machine(on)), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(REPOSITORY)}")


if __name__ == "__main__":
    main()
