"""A small network of a user, and the images that it is for."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tests.own.own_study import SMALL, paint

from secateur.pruning.saved import build_unpruned


@pytest.fixture(scope="session")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with divided images and the weights of a network for them."""
    folder = tmp_path_factory.mktemp("own")
    paint(folder / "images" / "train", 6, 0)
    paint(folder / "images" / "test", 4, 1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build_unpruned("resnet18", SMALL | {"num_classes": 3})
    save_file(network.state_dict(), folder / "weights.safetensors")
    return folder
