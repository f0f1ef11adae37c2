"""Task models of two seeds for every study of a config like tiny.yaml, made without the workflow."""

from pathlib import Path
from typing import Any

import torch
import yaml
from tests.prepared import prepared

from secateur import config as configuration
from secateur.models import backbones, transfer

Made = tuple[dict[str, Any], Path]


def tiny() -> dict[str, Any]:
    """The config of the workflow's tests, to be changed and given to `make`."""
    given: dict[str, Any] = yaml.safe_load(
        (configuration.REPOSITORY / "tests/workflow/tiny.yaml").read_text(encoding="utf-8")
    )
    return given


def make(config: dict[str, Any], folder: Path) -> None:
    """Data, backbones and task models of a resolved config's studies in `folder`."""
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
