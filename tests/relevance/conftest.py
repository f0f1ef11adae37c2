"""The same weights and images whichever tests run before, and one thread enough: the fast tier runs beside others."""

import pytest
import torch


@pytest.fixture(autouse=True)
def seeded():
    """The same weights and images whichever tests run before."""
    torch.manual_seed(0)
