"""Faults, really done to the real DAG: processes killed, disks filled, files damaged, runs doubled, clocks set back.

Each function of the faults_*.py beside this file takes a house (a copy of the repository), does one kind of fault to
the tiny run in it, lets the run complete as a user would, and returns what was tried, what the user was told and what
was lost. A fault that was not survived is an AssertionError. Used by the slow tests with few faults, on the way to a
part of the run, and by benchmarks/faults.py with many, on the way to all of it. Here is what they share.
"""

import hashlib
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from house import TINY, House

RESULTS = Path("results/tiny")
CRITERION = "digits_vgg/lrp/0-1"
"""Where the files of one criterion lie, in the folders of rankings and curves."""
TABLES = ["curves", "profiles", "grid", "units", "toy", "toy_stability"]
"""The tables that are byte-identical between runs: all but the timings in cost and latency."""
ALL_TABLES = f"{RESULTS}/tables"
"""The target with which all experiments are asked for, and no page."""
COMMAND = ("snakemake", "--cores", "2", "--configfile", TINY)
SECONDS_TO_DIE = 20.0
LONGEST_RUN = 600.0


@dataclass
class Result:
    """One kind of fault: how often it was done, what the user saw, and what was lost."""

    fault: str
    times: int
    seen: str
    lost: str = "nothing"
    details: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Undisturbed:
    """What a run is asked for, and what it makes of it when nothing disturbs it."""

    hashes: dict[str, str]
    """File → hash."""
    targets: tuple[str, ...] = ()
    """What Snakemake is asked for; nothing named: the report, and with it all that there is."""

    @property
    def command(self) -> tuple[str, ...]:
        """What starts such a run."""
        return (*COMMAND, "--", *self.targets)


def undisturbed(house: House, *targets: str) -> Undisturbed:
    """What the complete run in `house` made: the files `targets`, or all tables that are no timings."""
    named = [name for name in targets if name != ALL_TABLES]
    return Undisturbed(hashes(house, named) if named else tables(house), targets)


def tables(house: House) -> dict[str, str]:
    """Hash of every table that is no timing."""
    return hashes(house, [f"{RESULTS}/tables/{name}.parquet" for name in TABLES])


def hashes(house: House, names: Iterable[str]) -> dict[str, str]:
    """File → hash."""
    return {name: hashlib.sha256((house.folder / name).read_bytes()).hexdigest() for name in names}


def complete(house: House, undisturbed: Undisturbed) -> None:
    """Run to the end; what was asked for is the undisturbed run's, and nothing is left to do nor half-written."""
    done = house.run(*undisturbed.command)
    assert done.returncode == 0, done.stdout + done.stderr
    assert hashes(house, undisturbed.hashes) == undisturbed.hashes
    left = [
        path for folder in ("results", "data") for path in (house.folder / folder).rglob(".*") if is_temporary(path)
    ]
    assert not left, f"half-written files are left: {left}"
    if "Nothing to be done" not in done.stdout + done.stderr:
        again = house.run(*undisturbed.command)
        assert "Nothing to be done" in again.stdout + again.stderr


def is_temporary(path: Path) -> bool:
    """Whether a hidden file is one that something was about to be written to."""
    return path.name not in (".snakemake_timestamp", ".checksums.json", ".locks")


def ended(run: subprocess.Popen[bytes], seconds: float) -> int | None:
    """Exit code of `run` if it ends within so many seconds."""
    try:
        return run.wait(seconds)
    except subprocess.TimeoutExpired:
        return None


def until(condition: Callable[[], bool], complaint: str) -> None:
    """Wait until `condition` holds."""
    ends = time.monotonic() + SECONDS_TO_DIE
    while not condition():
        assert time.monotonic() < ends, complaint
        time.sleep(0.1)


def remove(path: Path) -> None:
    """Remove a file or a folder."""
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def error_line(said: str, *words: str) -> str:
    """The line that tells the user what is wrong: the first one with one of `words`."""
    for line in said.splitlines():
        if any(word in line for word in words) and "error" in line.lower():
            return line.strip()
    for line in said.splitlines():
        if any(word in line for word in words):
            return line.strip()
    raise AssertionError(f"no line says {' or '.join(words)}:\n{said}")
