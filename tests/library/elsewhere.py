"""A process in which Secateur is not there, with torch and timm imported: scripts run in forks of it."""

import subprocess
import sys
import textwrap
from pathlib import Path

BLOCK = """
from importlib.machinery import PathFinder

found = PathFinder.find_spec
hidden = lambda name, *rest: None if name.partition(".")[0] in {blocked!r} else found(name, *rest)
PathFinder.find_spec = staticmethod(hidden)
"""
"""Hides packages from a process; formatted with the set of their names."""
SERVE = """
import os, sys
import torch, timm, safetensors.torch

for line in sys.stdin:
    child = os.fork()
    if child == 0:
        exec(compile(open(line.strip()).read(), line.strip(), "exec"), {"__name__": "__main__"})
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Elsewhere:
    """Importing torch and timm takes four seconds: it is done once, and every script starts from there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._said = (folder / "said").open("w+b")
        self._process = subprocess.Popen(
            [sys.executable, "-c", BLOCK.format(blocked={"secateur"}) + SERVE], cwd=folder, text=True,
            env={"PATH": "", "OMP_NUM_THREADS": "1"}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said,
        )  # fmt: skip

    def run(self, script: str) -> None:
        """Run a script; AssertionError with what it said on standard error if it fails."""
        path = self._folder / "script.py"
        path.write_text(textwrap.dedent(script), encoding="utf-8")
        print(path, file=self._process.stdin, flush=True)
        code = self._process.stdout.readline()
        assert code == "0\n", (self._folder / "said").read_text(encoding="utf-8")

    def end(self) -> None:
        """End the process."""
        self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()
        self._said.close()
