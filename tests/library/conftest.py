"""A small network of timm's and images for it, and a subprocess in which packages are not there."""

import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from tests.library.elsewhere import BLOCK, Elsewhere
from torch import Tensor, nn

from secateur.shipped import PACKAGE

SMALL = {"channels": [8, 8, 16, 16], "num_classes": 3}
COLOURS = ("blue", "green", "red")


@pytest.fixture(scope="module")
def model() -> nn.Module:
    """A narrow ResNet-18 with three classes."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return timm.create_model("resnet18", **SMALL).eval()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of noisy pictures of one colour a class, of different sizes."""
    folder = tmp_path_factory.mktemp("pictures")
    generator = np.random.Generator(np.random.PCG64(0))
    for channel, name in enumerate(COLOURS[::-1]):
        (folder / name).mkdir()
        for number in range(4):
            pixels = generator.integers(0, 120, (40 + number, 48, 3))
            pixels[..., channel] += 120
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def images() -> Tensor:
    """Twelve inputs of 32 pixels."""
    return torch.randn(12, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def labels() -> Tensor:
    """Their classes."""
    return torch.arange(12) % 3


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Elsewhere]:
    """Where Secateur is not there."""
    process = Elsewhere(tmp_path_factory.mktemp("elsewhere"))
    yield process
    process.end()


@pytest.fixture
def without(tmp_path: Path) -> Callable[..., str]:
    """Run Python in a process of its own in which some packages cannot be imported; gives what it prints."""

    def run(script: str, *blocked: str, sources: bool = True) -> str:
        text = BLOCK.format(blocked=set(blocked)) + textwrap.dedent(script)
        path = {"PYTHONPATH": str(PACKAGE.parent)} if sources else {}
        done = subprocess.run(
            [sys.executable, "-c", text], cwd=tmp_path, env={"PATH": "", "OMP_NUM_THREADS": "1", **path},
            capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
