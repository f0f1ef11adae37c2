"""How much of a job's time was the experiment and how much starting up, and its memory: one small JSON file a job."""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from secateur import machine
from secateur.files import write_json

_work = {"cpu_seconds": 0.0, "wall_seconds": 0.0}


def _cpu_seconds() -> float:
    """Of this process and of those that it began and that have ended."""
    return sum(os.times()[:4])


@contextlib.contextmanager
def work() -> Iterator[None]:
    """Count what happens inside as experiment; imports belong before it."""
    cpu, wall = _cpu_seconds(), time.perf_counter()
    try:
        yield
    finally:
        _work["cpu_seconds"] += _cpu_seconds() - cpu
        _work["wall_seconds"] += time.perf_counter() - wall


def write(path: str | Path, started: float) -> None:
    """Write what this process took so far to `path`: processor seconds, those spent in `work`, when it ran, and memory.

    `started` is in seconds since 1970: a process that was forked from a warm one cannot know it by itself.
    """
    write_json(
        path,
        {
            "started": round(started, 3),
            "ended": round(time.time(), 3),
            "cpu_seconds": round(_cpu_seconds(), 3),
            "work_cpu_seconds": round(_work["cpu_seconds"], 3),
            "work_wall_seconds": round(_work["wall_seconds"], 3),
            "peak_bytes": machine.peak_bytes(),
        },
    )
