"""A small study on a network with batch-norm and on one without, for the tests of retraining and its controls."""

from pathlib import Path
from typing import Any

import pandas as pd
from tests.branches import task_models
from tests.branches.task_models import Made

from secateur.branches.retrain import retrain
from secateur.branches.study import Study, open_study
from secateur.config import resolve


def build(folder: Path) -> None:
    """Task models of two seeds on a network with batch-norm and one without in `folder`."""
    task_models.make(config(), folder)


def config() -> dict[str, Any]:
    """The config that they belong to."""
    given = task_models.tiny()
    given["backbones"]["normed"] = given["backbones"]["vgg_small"] | {"architecture": "vgg_bn_small"}
    given["studies"]["digits_normed"] = {"dataset": "digits_target", "backbone": "normed"}
    given["criteria"] = ["weight", {"name": "weight_running", "criterion": "weight", "batch_norm": "running"}]
    given.pop("toy")
    given["training"]["pretrain"]["epochs"] = 6
    given["training"]["transfer"] = {"epochs": 6, "learning_rate": 0.003}
    return resolve(given)


def opened(made: Made, name="digits_normed", measured=None, **retrain_settings) -> Study:
    config, folder = made
    config = config | {"retrain": config["retrain"] | retrain_settings}
    return open_study(config, name, folder / "digits_target", folder / f"{name}.safetensors", measured=measured)


def pruned_curve(made: Made, tmp_path, criterion="weight", name="digits_normed", **settings) -> pd.DataFrame:
    study, samples = opened(made, name, **settings), made[1] / f"{name}.csv"
    retrain(study, criterion, [1], samples, tmp_path / "state", tmp_path / "curve.parquet")
    return pd.read_parquet(tmp_path / "curve.parquet")
