"""A round of retraining: what it trains and measures, where a network's rounds stand, and that on disk."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from torch import nn

from secateur import loaded, tablefile, tensorfile
from secateur import seeds as streams
from secateur.branches import measurements
from secateur.branches.shared import Shared
from secateur.branches.study import Study
from secateur.errors import SecateurError
from secateur.files import md5
from secateur.models import training
from secateur.models.checkpoint import fingerprint
from secateur.models.statistics import reestimate
from secateur.pruning.removal import Kept, all_channels, remove, removed_units, shrink
from secateur.pruning.units import UnitGroup
from secateur.varying import draw_of

Rows = list[dict[str, Any]]


@dataclass
class Round:
    """Where one network's pruning stands: the network, its units, what is left of the original, and its rows so far."""

    number: int
    model: nn.Module
    groups: list[UnitGroup]
    kept: Kept
    rows: Rows


def start(study: Study, seed: int, samples_per_class: str) -> Round:
    """Round 0: the unpruned network of a seed."""
    model = study.model(seed)
    groups = study.groups
    key = {"seed": seed, "samples_per_class": samples_per_class, "round": 0, "rate": 0.0}
    counted = {"units_total": sum(group.size for group in groups), "units_removed": 0}
    return Round(0, model, groups, all_channels(model), [key | counted | measurements.of_unpruned(study, seed)])


def further_trained(
    study: Study, model: nn.Module, seed: int, number: int, batch_norm: str, shared: Shared | None = None
) -> dict[str, Any]:
    """Train a network in place by the round's recipe, and measure it; or take both over from another job (`shared`).

    The budget, the images and their order depend on study, seed and round only: they are the same for every criterion
    and for the controls. It trains on what the transfer trained on and ends with its last epoch: no split chooses.

    Args:
        study: whose `retrain.finetune` is the recipe.
        model: just pruned, or whole.
        seed, number: whose images, and which round.
        batch_norm: "reestimate": its running statistics are then those of the training images, so that nothing is
            ranked or measured by those of the network before the round; "running": they follow the training alone.
        shared: where a job of another criterion may have trained the same network; None where there is no other.

    Returns:
        `measurements.measure_trained` of the trained network.
    """
    train = partial(_trained, study, model, seed, number, batch_norm)
    return shared.trained(model, [seed, number, batch_norm], train) if shared else train()


def _trained(study: Study, model: nn.Module, seed: int, number: int, batch_norm: str) -> dict[str, Any]:
    recipe = study.config["retrain"]["finetune"]
    images, labels = study.mixed(seed)
    if batch_norm == "reestimate" and recipe["freeze"]:
        # A frozen batch-norm normalises by its running statistics while the head trains. Else each batch's own are used
        # in training, and what the running ones were before has no effect: they are begun anew below.
        reestimate(model, images, recipe["batch_size"])
    draw = draw_of(study.config, "head", seed)
    order = streams.derive(study.config["run_seed"], "finetune", study.name, draw, number)
    training.train(model, *study.trained_on(seed), recipe, order)
    if batch_norm == "reestimate":
        reestimate(model, images, recipe["batch_size"])
    return measurements.measure_trained(study, model, images, labels)


def write_shapes(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the shapes that the rounds of a job have left.

    Args:
        path: parquet: `seed samples_per_class round rate units_total params group removed`, a row a group.
        rows: those of the curves, each but round 0's with `removed_by_group`.
    """
    columns = ["seed", "samples_per_class", "round", "rate", "units_total", "params"]
    shapes = [
        {column: row[column] for column in columns} | {"group": group, "removed": removed}
        for row in rows
        for group, removed in row.get("removed_by_group", {}).items()
    ]
    tablefile.write(path, pd.DataFrame(shapes, columns=[*columns, "group", "removed"]))


@dataclass(frozen=True)
class State:
    """The last finished round of one curve on disk: one file, which holds the network and all that is known of it."""

    folder: Path
    name: str
    fingerprint: str

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / f"{self.name}.safetensors"

    def save(self, round_: Round) -> None:
        """Write a finished round in place of the one before it; an error where not the planned sources ran."""
        loaded.verify()
        about = {"fingerprint": self.fingerprint, "number": round_.number, "kept": round_.kept, "rows": round_.rows}
        tensorfile.write(self.path, round_.model.state_dict(), about)

    def load(self, study: Study, seed: int) -> Round | None:
        """The last finished round, or None where there is none or it belongs to other inputs, settings or sources.

        A damaged file is named on standard error, and its rounds are done again.
        """
        if not self.path.exists():
            return None
        try:
            weights, about = tensorfile.read(self.path, "finished round")
        except SecateurError as error:
            print(f"{error} Its rounds are done again now.", file=sys.stderr)
            return None
        if about["fingerprint"] != self.fingerprint:
            return None
        original = study.model(seed)
        groups = study.groups
        selection = removed_units(groups, about["kept"])
        model = remove(original, groups, selection)
        model.load_state_dict(weights)
        return Round(about["number"], model.eval(), shrink(groups, selection), about["kept"], about["rows"])


def fingerprint_of(study: Study, *depends_on: str) -> str:
    """Hash of all that a round depends on: config, models, data and Secateur's own sources, and `depends_on`."""
    common = [json.dumps(study.config, sort_keys=True), study.name, md5(study.models), study.content]
    return fingerprint([*common, *depends_on], study.config["criteria_path"])
