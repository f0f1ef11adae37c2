"""Environments to try the built wheel in: new virtual ones whose packages are links, so that nothing is downloaded."""

import importlib.metadata
import os
import re
import subprocess
import sys
import venv
from collections.abc import Iterable
from pathlib import Path

from house import House

LIBRARY = ("torch", "timm", "numpy", "safetensors", "torch-pruning")
"""All that the library needs, with what these need themselves."""
NOT_THE_LIBRARYS = (
    "snakemake", "dvc", "seaborn", "altair", "matplotlib", "scipy", "pandas", "pyarrow", "sklearn", "scikit_posthocs",
    "optuna", "typer", "rich", "jsonschema", "requests", "vl_convert",
)  # fmt: skip
"""What the pipeline needs and the library does without."""


class Environment:
    """A virtual environment that sees some of this one's packages and has Secateur from a wheel."""

    def __init__(self, folder: Path, wheel: Path | None, packages: Iterable[str] | None = None) -> None:
        """
        Args:
            folder: where it is made.
            wheel: Secateur's, installed without dependencies; None leaves it out.
            packages: distributions to see, with those that they need; None: all of this environment but Secateur.
        """
        self.folder = folder
        venv.create(folder, with_pip=False)
        self.python = folder / "bin" / "python"
        site = next(folder.glob("lib/python*/site-packages"))
        links = folder / "linked"
        links.mkdir()
        for entry in entries(needed(packages) if packages is not None else installed()):
            (links / entry.name).symlink_to(entry)
        (site / "linked.pth").write_text(f"{links}\n")
        if wheel is not None:
            install = [sys.executable, "-m", "pip", "--python", str(self.python), "install", "--quiet"]
            done = subprocess.run([*install, "--no-deps", str(wheel)], capture_output=True, text=True)
            assert done.returncode == 0, done.stdout + done.stderr

    def script(self, name: str, module: str) -> None:
        """Add a command of a linked package: `main` of `module`."""
        path = self.folder / "bin" / name
        path.write_text(f"#!{self.python}\nfrom {module} import main\nmain()\n")
        path.chmod(0o755)

    def run(self, *command: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command there as a user who has activated the environment."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        environment = kept | {"PATH": path} | variables
        return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)


def build_wheel(folder: Path) -> Path:
    """Secateur's wheel, built from a copy of the checkout's files (a build leaves files behind where it runs)."""
    copy = folder / "checkout"
    House(copy)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "."]
    done = subprocess.run([*command, "--wheel-dir", str(folder)], cwd=copy, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = folder.glob("secateur-*.whl")
    return wheel


def normal(name: str) -> str:
    """A distribution's name as packaging compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def installed() -> set[str]:
    """Every distribution of this environment but Secateur."""
    return {normal(found.name) for found in importlib.metadata.distributions()} - {"secateur"}


def needed(packages: Iterable[str]) -> set[str]:
    """Distributions with all that they need, extras left out."""
    from packaging.requirements import Requirement

    found: set[str] = set()
    waiting = list(packages)
    while waiting:
        name = normal(waiting.pop())
        if name in found:
            continue
        try:
            wanted = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        found.add(name)
        for text in wanted:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    return found


def entries(names: Iterable[str]) -> set[Path]:
    """The files and folders at the top of site-packages that belong to distributions."""
    result: set[Path] = set()
    for name in names:
        distribution = importlib.metadata.distribution(name)
        for file in distribution.files or []:
            if not file.parts[0].startswith("..") and file.parts[0] != "__pycache__":
                result.add(Path(str(distribution.locate_file(file.parts[0]))))
    return {path for path in result if path.exists()}
