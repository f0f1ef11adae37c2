"""Makes the benchmarks' oracle importable, and one thread enough: the fast tier runs beside others."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))


@pytest.fixture(autouse=True)
def seeded():
    """The same weights and images whichever tests run before."""
    torch.manual_seed(0)
