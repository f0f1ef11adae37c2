"""Which fast tests run which line, and how long each takes: from one run of the fast tier under coverage."""

import ast
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from secateur.config import REPOSITORY
from secateur.files import md5
from secateur.sources import digest

BUDGET = 90.0
"""Seconds of tests that a mutant is tried with at most, as they took without it."""


@dataclass(frozen=True)
class Covering:
    """The fast tests of each line. `data`: coverage's, with tests as contexts; `seconds`: test → how long it took."""

    data: Any
    seconds: dict[str, float]

    def of(self, path: str, line: int) -> list[str]:
        """The tests to try a mutant of a line with: those that ran it, then others of their files.

        Of both the tests of the file itself go first (`test_<file>…` of its room), then the fastest. A fixture that
        several tests share is run by the first of them alone, so that those of one file stand in for each other. A line
        that runs once, when its file is imported, is everybody's who runs any line of the file.
        """
        lines = self.data.contexts_by_lineno(str(REPOSITORY / path))
        contexts = lines.get(line, [])
        if contexts and imported((REPOSITORY / path).read_text(encoding="utf-8"), line):
            contexts = [name for names in lines.values() for name in names]
        mirror = str(Path("tests", *Path(path).parts[2:-1], f"test_{Path(path).stem}"))

        def order(name: str) -> tuple[bool, float, str]:
            return not name.startswith(mirror), self.seconds[name], name

        ran = sorted({name for name in contexts if name in self.seconds}, key=order)
        files = dict.fromkeys(name.partition("::")[0] for name in ran)
        others = [name for name in self.seconds if name.partition("::")[0] in files and name not in set(ran)]
        chosen, spent = [], 0.0
        for name in [*ran, *sorted(others, key=order)]:
            spent += self.seconds[name]
            if chosen and spent > BUDGET:
                break
            chosen.append(name)
        return chosen


def imported(source: str, line: int) -> bool:
    """Whether a line of a source runs when the file is imported: it is in no function's body."""
    functions = [
        node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return not any(node.body[0].lineno <= line <= (node.end_lineno or 0) for node in functions)


def measured(work: Path, jobs: int, tests: list[str]) -> Covering:
    """Coverage of the fast tests in folders or files, made anew where sources or tests are others than in `work`."""
    from coverage import CoverageData

    files = subprocess.run(
        ["git", "ls-files", "src", "tests"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    now = digest({name: md5(REPOSITORY / name) for name in files.stdout.split()} | {"tests": " ".join(tests)})
    data, times, made = work / "coverage", work / "seconds.json", work / "made"
    if not made.exists() or made.read_text(encoding="utf-8") != now:
        work.mkdir(parents=True, exist_ok=True)
        for old in work.glob("coverage*"):
            old.unlink()
        environment = os.environ | {"MUTANTS_WORK": str(work), "OMP_NUM_THREADS": "1"}
        environment["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), environment.get("PYTHONPATH", "")])
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "mutants_plugin",
            "-m",
            "not slow",
            "-n",
            str(jobs),
            *tests,
        ]
        subprocess.run([*command, "--dist", "loadfile"], cwd=REPOSITORY, env=environment, check=True)
        whole = CoverageData(str(data))
        for part in work.glob("coverage-*"):
            one = CoverageData(str(part))
            one.read()
            whole.update(one)
        whole.write()
        seconds: dict[str, float] = {}
        for part in work.glob("seconds-*.json"):
            seconds |= json.loads(part.read_text(encoding="utf-8"))
        times.write_text(json.dumps(seconds), encoding="utf-8")
        made.write_text(now, encoding="utf-8")
    found = CoverageData(str(data))
    found.read()
    return Covering(found, json.loads(times.read_text(encoding="utf-8")))
