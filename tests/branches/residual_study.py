"""A small study on a plain network and on a residual one, for the tests of both branches and of what they cost."""

from pathlib import Path
from typing import Any

from tests.branches import task_models
from tests.branches.task_models import Made

from secateur.branches.study import open_study
from secateur.config import resolve

RESIDUAL = {
    "architecture": "resnet18",
    "arguments": {"channels": [4, 4, 8, 8]},
    "size": 16,
    "weights": {"pretrain": "digits_source"},
}


def build(folder: Path) -> None:
    """A transferred task model of two seeds on each of two backbones in `folder`."""
    task_models.make(config(), folder)


def config() -> dict[str, Any]:
    """The config that they belong to."""
    given = task_models.tiny()
    given["backbones"]["residual"] = RESIDUAL
    given["studies"]["digits_residual"] = {"dataset": "digits_target", "backbone": "residual"}
    once = {"name": "taylor_once", "criterion": "taylor", "ranking": "once"}
    given["criteria"] = ["weight", "taylor", "lrp", "random", once]
    return resolve(given)


def opened(made: Made, name="digits_vgg"):
    config, folder = made
    return open_study(config, name, folder / "digits_target", folder / f"{name}.safetensors"), folder / f"{name}.csv"
