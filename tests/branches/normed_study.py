"""A small study on a network with batch-norm and on one without, for the tests of retraining and its controls."""

from pathlib import Path
from typing import Any

import pandas as pd
import torch
import yaml
from tests.prepared import prepared

from secateur import config as configuration
from secateur.branches.retrain import retrain
from secateur.branches.study import Study, open_study
from secateur.models import backbones, transfer

Made = tuple[dict[str, Any], Path]


def build(folder: Path) -> Made:
    """Task models of two seeds on a network with batch-norm and one without in `folder`; and their config."""
    given = yaml.safe_load((configuration.REPOSITORY / "tests/workflow/tiny.yaml").read_text(encoding="utf-8"))
    given["backbones"]["normed"] = given["backbones"]["vgg_small"] | {"architecture": "vgg_bn_small"}
    given["studies"]["digits_normed"] = {"dataset": "digits_target", "backbone": "normed"}
    given["criteria"] = ["weight", {"name": "weight_running", "criterion": "weight", "batch_norm": "running"}]
    given.pop("toy")
    given["training"]["pretrain"]["epochs"] = 6
    given["training"]["transfer"] = {"epochs": 6, "learning_rate": 0.003}
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


def opened(made: Made, name="digits_normed", measured=None, **retrain_settings) -> Study:
    config, folder = made
    config = config | {"retrain": config["retrain"] | retrain_settings}
    return open_study(config, name, folder / "digits_target", folder / f"{name}.safetensors", measured=measured)


def pruned_curve(made: Made, tmp_path, criterion="weight", name="digits_normed", **settings) -> pd.DataFrame:
    study, samples = opened(made, name, **settings), made[1] / f"{name}.csv"
    retrain(study, criterion, [1], samples, tmp_path / "state", tmp_path / "curve.parquet")
    return pd.read_parquet(tmp_path / "curve.parquet")
