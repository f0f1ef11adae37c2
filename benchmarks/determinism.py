"""What PyTorch's deterministic algorithms cost, and whether results need them: python benchmarks/determinism.py

Fine-tunes networks twice from the same seed, with torch.use_deterministic_algorithms on and off, in interleaved
repeats; prints a table of seconds, their ratio, and whether the trainings ended with the same bytes. On the CPU, and on
a CUDA device where there is one.
"""

import hashlib
import os
import platform
import statistics
import time

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # else cuBLAS has no deterministic matrix product

import timm
import torch
from torch import nn

import secateur.models.small  # noqa: F401 (registers our own architectures with timm)
from secateur.models import training

NETWORKS = {"vgg_small": (16, 512), "resnet18": (64, 128)}
"""Architecture → side of the images, and how many there are."""
RECIPE = {"epochs": 2, "batch_size": 64, "learning_rate": 1e-3, "weight_decay": 0.01, "label_smoothing": 0.0}
REPEATS = 5


def finetune(name: str, deterministic: bool, device: str) -> tuple[float, str]:
    """Seconds of one fine-tuning and the hash of the weights it ends with."""
    side, count = NETWORKS[name]
    torch.use_deterministic_algorithms(deterministic, warn_only=True)
    torch.manual_seed(0)
    network: nn.Module = timm.create_model(name, num_classes=10, in_chans=3).to(device)
    images = torch.randn(count, 3, side, side, device=device)
    labels = torch.arange(count, device=device) % 10
    _wait(device)
    began = time.perf_counter()
    training.train(network, images, labels, RECIPE, seed=1)
    _wait(device)
    seconds = time.perf_counter() - began
    state = b"".join(tensor.cpu().numpy().tobytes() for tensor in network.state_dict().values())
    return seconds, hashlib.sha256(state).hexdigest()


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def main() -> None:
    torch.set_num_threads(1)
    print(f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, 1 thread, {REPEATS} repeats\n")
    print(
        "| network | device | deterministic: s | not: s | ratio | same bytes twice: with | without | with = without |"
    )
    print("|---|---|---:|---:|---:|---|---|---|")
    for device in ["cpu"] + ["cuda"] * torch.cuda.is_available():
        for name in NETWORKS:
            for flag in (True, False):  # warm up
                finetune(name, flag, device)
            found = {flag: [] for flag in (True, False)}
            for _ in range(REPEATS):
                for flag in (True, False):
                    found[flag].append(finetune(name, flag, device))
            with_, without = (statistics.median(seconds for seconds, _ in found[flag]) for flag in (True, False))
            hashes = {flag: {end for _, end in found[flag]} for flag in (True, False)}
            same = ["yes" if len(hashes[flag]) == 1 else f"no: {len(hashes[flag])} ends" for flag in (True, False)]
            equal = "yes" if hashes[True] == hashes[False] else "no"
            where = torch.cuda.get_device_name() if device == "cuda" else "CPU"
            times = f"{with_:.2f} | {without:.2f} | {with_ / without:.2f}"
            print(f"| {name} | {where} | {times} | {same[0]} | {same[1]} | {equal} |")


if __name__ == "__main__":
    main()
