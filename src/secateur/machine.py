"""What this machine is called, for numbers that depend on it, and whether it has a card. Without torch."""

import platform
import shutil
from pathlib import Path


def processor() -> str:
    """The processor's model name, where the system tells it; else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def has_card() -> bool:
    """Whether a card's driver is installed here, by its own program: what plans a run does not import torch to know."""
    return shutil.which("nvidia-smi") is not None
