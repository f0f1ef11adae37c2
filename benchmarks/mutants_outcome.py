"""Trying mutants: each in a copy of the repository and a process of its own, forked from one that has torch."""

import contextlib
import importlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from secateur.config import REPOSITORY
from secateur.errors import SecateurError

KILLED, SURVIVED, INVALID = "killed", "survived", "invalid"
PRELOADED = (
    "torch",
    "torchvision",
    "timm",
    "pandas",
    "scipy.stats",
    "hypothesis",
    "pytest",
    "_pytest.assertion.rewrite",
)
UNIMPORTABLE = 70
"""Exit status where the changed file cannot be imported."""
PATIENCE = 4.0
"""A mutant that takes so many times what its tests take without it runs without end: killed."""
STARTING = 30.0
"""Seconds that are allowed for imports and collection."""


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant, how many tests it was tried with, and how long that took."""

    kind: str
    tests: int
    seconds: float


def tried(tasks: list[tuple[str, str, list[str]]], work: Path, jobs: int) -> Iterator[Outcome]:
    """The outcomes of mutants (file, its changed text, tests to try) in their order, `jobs` at a time.

    Killed is one whose file imports and whose tests then fail, cannot be collected, end the process or do not end.

    Raises:
        SecateurError: a file of tests that git does not know.
    """
    for name in PRELOADED:
        __import__(name)
    places = [copied(work / f"copy-{number}") for number in range(jobs)]
    for name in sorted({test.partition("::")[0] for _, _, tests in tasks for test in tests}):
        if not (places[0] / name).exists():  # else what fails for its absence would count as killed
            raise SecateurError(f"{name} is not known to git, so no mutant can be tried with it: git add it.")
    running: dict[int, tuple[int, int, float]] = {}
    done: dict[int, Outcome] = {}
    waiting, said = list(enumerate(tasks)), 0
    while said < len(tasks):
        while waiting and len(running) < jobs:
            number, (path, text, tests) = waiting.pop(0)
            place = min(set(range(jobs)) - {place for _, place, _ in running.values()})
            running[_started(places[place], path, text, tests)] = (number, place, time.monotonic())
        for process, (number, place, began) in list(running.items()):
            found, status = os.waitpid(process, os.WNOHANG)
            took = time.monotonic() - began
            late = took > STARTING + PATIENCE * 90
            if not found and not late:
                continue
            if late:
                os.killpg(process, signal.SIGKILL)
                os.waitpid(process, 0)
            del running[process]
            path, _, tests = tasks[number]
            _put_back(places[place], path)
            code = os.waitstatus_to_exitcode(status) if found else 1
            kind = {0: SURVIVED, UNIMPORTABLE: INVALID}.get(code, KILLED)
            done[number] = Outcome(SURVIVED if not tests else kind, len(tests), took)
        while said in done:
            yield done[said]
            said += 1
        time.sleep(0.05)


def copied(folder: Path) -> Path:
    """A copy of the repository's files, as links: a changed file is put in the place of its link."""
    shutil.rmtree(folder, ignore_errors=True)
    names = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        os.link(REPOSITORY / name, folder / name)
    return folder


def _put_back(folder: Path, name: str) -> None:
    (folder / name).unlink()
    os.link(REPOSITORY / name, folder / name)


def _started(folder: Path, path: str, text: str, tests: list[str]) -> int:
    """The process that tries a mutant: its exit status is pytest's, or UNIMPORTABLE."""
    (folder / path).unlink()
    (folder / path).write_text(text, encoding="utf-8")
    process = os.fork()
    if process:
        return process
    code = UNIMPORTABLE
    try:
        os.setsid()
        os.chdir(folder)
        os.environ.update(PYTHONPATH=str(folder / "src"), PYTHONDONTWRITEBYTECODE="1", OMP_NUM_THREADS="1")
        sys.dont_write_bytecode = True
        for name in [name for name in sys.modules if name.partition(".")[0] == "secateur"]:
            del sys.modules[name]
        sys.path.insert(0, str(folder / "src"))
        log = os.open(folder.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        import pytest

        importlib.import_module(".".join(Path(path).with_suffix("").parts[1:]))
        given = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--rootdir", str(folder), "-o", "addopts="]
        temporary = folder.with_suffix(".tmp")
        code = int(pytest.main([*given, "--basetemp", str(temporary), *tests])) if tests else 0
        with contextlib.suppress(OSError):
            shutil.rmtree(temporary)
    finally:
        os._exit(code)
