"""The machine's clock: Snakemake tells by files' times what is out of date, and they lie once it was set back.

Then a file that is made anew is older than all that was made of it before, and nobody would make that anew. So no run
starts while its files lie in the future (`check`), and no job counts that saw the clock go back (`watch`).
"""

import os
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from secateur.errors import SecateurError

VARIABLE = "SECATEUR_CLOCK"
SLACK = 60.0
"""Seconds by which the clocks of machines that share a folder may differ."""
SHORTEST_STEP = 10_000
"""Nanoseconds between two files' times that Snakemake, which compares them as floats, surely tells apart."""


def check(results: str | Path, data: str | Path = "data") -> None:
    """Refuse to go on where files of a run or of the data are from the future.

    Raises:
        SecateurError: some are, with how many, by how much, and what to do.
    """
    ahead = _ahead(_times(Path(results), Path(data)), SLACK)
    if ahead:
        raise SecateurError(
            f"{len(ahead)} files in {results} and {data} are from the future, by up to {_span(max(ahead.values()))}: "
            "what is out of date cannot be told. If the clock is wrong now, set it right and run again. If it was "
            "wrong when they were made: secateur clock, then run again."
        )


def set_back(results: str | Path, data: str | Path = "data") -> str:
    """Give files from the future times between the newest other file and now, in their order. Says what was done.

    They are newer than what they were made from, and older than what is made from now on.
    """
    times = _times(Path(results), Path(data))
    ahead = _ahead(times, 0)
    if not ahead:
        return f"no file in {results} and {data} is from the future"
    now = time.time_ns()
    before = max((at for path, at in times.items() if path not in ahead), default=0)
    moments = sorted(set(ahead.values()))
    step = max(SHORTEST_STEP, min(10**9, (now - before) // (len(moments) + 1)))
    place = {at: now - step * later for later, at in enumerate(reversed(moments))}
    for path, at in ahead.items():
        os.utime(path, ns=(place[at], place[at]))
    return f"set back the times of {len(ahead)} files, which were up to {_span(moments[-1])} in the future"


def watch() -> None:
    """Note how far the clock is from one that only runs forward, for the local jobs that this process will start."""
    os.environ[VARIABLE] = str(time.time() - time.monotonic())


def unwatch() -> None:
    """Forget what `watch` noted."""
    os.environ.pop(VARIABLE, None)


def check_watched() -> None:
    """Fail, in a job, where the clock was set back since `watch`: Snakemake removes what a failed job has made.

    Raises:
        SecateurError: it was.
    """
    noted = os.environ.get(VARIABLE)
    back = float(noted) - (time.time() - time.monotonic()) if noted else 0.0
    if back > SLACK:
        raise SecateurError(f"the clock was set back by {timedelta(seconds=int(back))} during this run: run again.")


def _times(results: Path, data: Path) -> dict[Path, int]:
    """Every file of the run, and of each dataset the one that carries its folder's time: when it was made (ns)."""
    return {path: path.lstat().st_mtime_ns for path in _files(results, data) if not path.is_symlink()}


def _files(results: Path, data: Path) -> Iterator[Path]:
    for place in ("*", "archives/*", "prepared/*/*"):
        yield from data.glob(f"{place}/.snakemake_timestamp")
    for folder, _, names in os.walk(results):
        yield from (Path(folder, name) for name in names)


def _ahead(times: dict[Path, int], slack: float) -> dict[Path, int]:
    latest = time.time_ns() + int(slack * 10**9)
    return {path: at for path, at in times.items() if at > latest}


def _span(at: int) -> timedelta:
    return timedelta(seconds=(at - time.time_ns()) // 10**9)
