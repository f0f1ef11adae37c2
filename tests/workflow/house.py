"""A copy of the repository to run the real DAG in: what a fresh clone holds, and the commands a user types there."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from secateur.config import REPOSITORY

TINY = "tests/workflow/tiny.yaml"
DRY = ("--dry-run", "--quiet", "rules")
PLAN_EACH = """
import os
import sys

from snakemake.cli import main

from secateur import dag, sources

for command in ("retrain", "toy", "statistics", "report make"):  # most sources are read and parsed for these
    sources.of_command(command, {})
place = sys.argv.index("--configfile") + 1
for config in sys.argv[place:]:
    child = os.fork()
    if child == 0:
        said = os.open(f"{config}.said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(said, 1)
        os.dup2(said, 2)
        main([*sys.argv[1:place], config])
    with open(f"{config}.ended", "w") as ended:
        ended.write(str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])))
"""
"""A program that starts Snakemake with each of the configs it is given, each in a fork of itself."""


def smaller(**values: object) -> dict[str, Any]:
    """The tiny run's config without what stands apart: the 2-D study, the grid, other choices of units and remedies.
    `values` are set in it."""
    config = yaml.safe_load((REPOSITORY / TINY).read_text(encoding="utf-8"))
    for key in ("toy", "decompose"):
        del config[key]
    del config["fewshot"]["grid"], config["fewshot"]["remedies"]
    return config | values


class House:
    """A copy of the repository and the commands that a user types in it."""

    packages: tuple[Path, ...] = ()
    """Folders with packages installed beside the environment's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(listed, cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout.split("\0")
        for name in filter(None, names):
            if (REPOSITORY / name).exists():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(REPOSITORY / name, folder / name)

    @classmethod
    def at(cls, folder: Path) -> "House":
        """The house that already stands in `folder`."""
        house = cls.__new__(cls)
        house.folder = folder
        return house

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the environment here, with this copy's package in place of the installed one.

        `variables` are set in its environment.
        """
        environment = self._environment | variables
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True)

    def start(self, *command: str, said: Path, **variables: str) -> subprocess.Popen[bytes]:
        """Start a command as `run` does, in a session of its own; what it says goes to the file `said`."""
        environment = self._environment | variables
        with said.open("wb") as log:
            return subprocess.Popen(
                command, cwd=self.folder, env=environment, stdout=log, stderr=log, start_new_session=True
            )

    @property
    def _environment(self) -> dict[str, str]:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        places = os.pathsep.join(map(str, [self.folder / "src", *self.packages]))
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        return kept | {"PYTHONPATH": places, "PATH": path}  # compiled once, not by each of its hundreds of processes

    def snakemake(
        self, *options: str, config: str = TINY, cores: int = 2, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the DAG of `config`; `variables` as of `run`."""
        return self.run("snakemake", "--configfile", config, "--cores", str(cores), *options, **variables)

    def planned(self, config: str = TINY) -> dict[str, int]:
        """Rule → number of jobs that a run would do."""
        done = self.snakemake(*DRY, config=config)
        assert done.returncode == 0, done.stdout + done.stderr
        return jobs_of(done.stdout + done.stderr)

    def planned_each(self, *configs: str) -> dict[str, dict[str, int]]:
        """Config → what `planned` gives, where nothing but the config differs: the sources are read once."""
        done = self.run(sys.executable, "-c", PLAN_EACH, "--cores", "2", *DRY, "--configfile", *configs)
        assert done.returncode == 0, done.stdout + done.stderr
        said = {config: (self.folder / f"{config}.said").read_text(encoding="utf-8") for config in configs}
        for config in configs:
            assert (self.folder / f"{config}.ended").read_text() == "0", said[config]
        return {config: jobs_of(text) for config, text in said.items()}


def jobs_of(said: str) -> dict[str, int]:
    """Rule → number of jobs, in what a dry run has said."""
    lines = [line.split() for line in said.splitlines()]
    return {
        words[0]: int(words[1]) for words in lines if len(words) == 2 and words[1].isdigit() and words[0] != "total"
    }
