"""A small study on a plain network and on a residual one, for the tests of both branches and of what they cost."""

from pathlib import Path
from typing import Any

import torch
import yaml
from tests.prepared import prepared

from secateur import config as configuration
from secateur.branches.study import open_study
from secateur.models import backbones, transfer

RESIDUAL = {
    "architecture": "resnet18",
    "arguments": {"channels": [4, 4, 8, 8]},
    "size": 16,
    "weights": {"pretrain": "digits_source"},
}


Made = tuple[dict[str, Any], Path]


def build(folder: Path) -> Made:
    """A transferred task model of two seeds on each of two backbones in `folder`; and the config they belong to."""
    given = yaml.safe_load((configuration.REPOSITORY / "tests/workflow/tiny.yaml").read_text(encoding="utf-8"))
    given["backbones"]["residual"] = RESIDUAL
    given["studies"]["digits_residual"] = {"dataset": "digits_target", "backbone": "residual"}
    once = {"name": "taylor_once", "criterion": "taylor", "ranking": "once"}
    given["criteria"] = ["weight", "taylor", "lrp", "random", once]
    config = configuration.resolve(given)
    torch.set_num_threads(1)
    for name in ("digits_source", "digits_target"):
        prepared(name, folder)
    for backbone in config["backbones"]:
        backbones.make(
            config, backbone, folder / "digits_source", folder / "state", folder / f"{backbone}.safetensors",
            folder / f"{backbone}.json",
        )  # fmt: skip
    for name, study in config["studies"].items():
        weights = [folder / f"{study['backbone']}.safetensors"]
        written = transfer.Transferred(folder / f"{name}.safetensors", folder / f"{name}.csv", folder / "history.csv")
        transfer.transfer(config, name, range(2), folder / "digits_target", weights, folder / "state", written)
    return config, folder


def opened(made: Made, name="digits_vgg"):
    config, folder = made
    return open_study(config, name, folder / "digits_target", folder / f"{name}.safetensors"), folder / f"{name}.csv"
