"""The package on a card: that of rehearsal_card.py, or the real one that SECATEUR_TEST_DEVICE names."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from secateur.config import REPOSITORY

HERE = Path(__file__).parent
PACKAGE = REPOSITORY / "src/secateur"
OWN = {"cuda", "mps", "xpu", "accelerator", "amp", "autocast", "fork_rng", "is_cuda", "pin_memory"}
"""What PyTorch has for some devices."""


ALONE = PACKAGE / "portability/loader.py"
"""Written beside every pruned network, to be used without Secateur."""


@pytest.mark.slow
def test_on_a_card():
    """In a process of its own: a device is registered once, and before anything was differentiated."""
    path = os.pathsep.join(map(str, [HERE, REPOSITORY, REPOSITORY / "src"]))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(HERE / "on_card.py")]
    done = subprocess.run(
        command, cwd=REPOSITORY, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def of_one_kind(text: str) -> list[str]:
    """Where a source asks for the kind of a device, or uses what PyTorch has for one kind only."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Attribute) and node.attr in OWN and not _is_ours(node):
            found.append(f"{node.lineno}: .{node.attr}")
        if isinstance(node, ast.Compare):
            words = {each.value for each in ast.walk(node) if isinstance(each, ast.Constant)} & {"cpu", "cuda", "mps"}
            typed = any(isinstance(each, ast.Attribute) and each.attr == "type" for each in ast.walk(node))
            found += [f"{node.lineno}: == {word!r}" for word in words if typed]
    return found


def _is_ours(node: ast.Attribute) -> bool:
    return isinstance(node.value, ast.Name) and node.value.id == "devices"


def test_kinds_of_devices_are_told_apart_in_one_module():
    for path in sorted(set(PACKAGE.rglob("*.py")) - {ALONE}):
        found = of_one_kind(path.read_text(encoding="utf-8"))
        assert bool(found) == (path == PACKAGE / "models/devices.py"), f"{path}: {found}"


def test_a_module_that_tells_them_apart_is_found():
    assert of_one_kind("import torch\ntorch.cuda.synchronize()\n") == ["2: .cuda"]
    assert of_one_kind('if on.type != "cpu":\n    pass\n') == ["1: == 'cpu'"]
    assert not of_one_kind("with devices.fork_rng():\n    x = y.cpu().to('cpu')\n")
