"""`secateur --version`, and environments that were made for an earlier one."""

import importlib
import subprocess
import sys
from pathlib import Path

import yaml

import secateur
from secateur.cli import server
from secateur.config import REPOSITORY


def test_the_version_is_the_packages_and_the_citations():
    command = [str(Path(sys.executable).with_name("secateur")), "--version"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"secateur {secateur.__version__}\n"), done.stderr
    cited = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))
    assert cited["version"] == secateur.__version__
    changes = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"\n## {secateur.__version__}\n" in changes and "\n## Unreleased\n" in changes


def test_an_environment_made_before_starts_the_same_command():
    """Its script names the place where the command once was, until `make` writes it anew."""
    assert importlib.import_module("secateur.server").main is server.main
