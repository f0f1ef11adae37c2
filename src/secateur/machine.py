"""What this machine is called, for numbers that depend on it."""

import platform
from pathlib import Path


def processor() -> str:
    """The processor's model name, where the system tells it; else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
