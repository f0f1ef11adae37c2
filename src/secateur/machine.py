"""What this machine is called and has, and what memory this process took: for numbers that depend on it. No torch."""

import contextlib
import platform
import shutil
import sys
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


def peak_bytes() -> int:
    """The most memory that this process held at one time, its libraries and what it shares with its parent included.

    Linux's own count (VmHWM) begins with the process; that of `getrusage`, used elsewhere, begins with its parent's.
    """
    with contextlib.suppress(OSError, StopIteration, ValueError):
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    try:
        import resource
    except ImportError:  # not on Windows
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
