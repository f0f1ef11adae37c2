"""The pruned shapes trained from scratch: does a pruned network owe its accuracy to what was kept, or to how much?

Liu, Sun, Zhou, Huang and Darrell, Rethinking the value of network pruning (ICLR 2019, arXiv 1810.05270).
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from secateur import seeds as streams
from secateur import tablefile
from secateur.branches import measurements
from secateur.branches.curvefile import write_curve
from secateur.branches.rounds import fingerprint_of
from secateur.branches.study import Study
from secateur.errors import SecateurError
from secateur.files import md5, read_json
from secateur.models import training
from secateur.models.backbones import fresh
from secateur.models.checkpoint import Checkpoint
from secateur.models.inputs import equal_batches
from secateur.models.statistics import reestimate
from secateur.progress import track
from secateur.pruning.operations import is_layer
from secateur.pruning.removal import remove
from secateur.varying import draw_of

CONTROL = "scratch"
"""In the column `control` of the curves."""


def scratch(
    study: Study, criterion: str, seeds: Sequence[int], shapes: Path, backbone: Path, state: Path, output: Path
) -> None:
    """Train networks of the shapes that a criterion's rounds have left, from random weights, for as many steps.

    Each is trained for as many steps as the pruned network has seen: those of the backbone's pretraining where the
    pipeline made it (of weights from the hub or a file nobody says how many there were: they count as none), all of
    the transfer and those of the rounds up to its own; rounded up to whole epochs. The images are those of the pruned
    network's fine-tuning, the recipe is `training.pretrain`, which is the one for random weights.

    Args:
        study: whose shapes.
        criterion: name in the config.
        seeds: the seeds of this job.
        shapes: how many units of each group were removed, as `retrain` writes it.
        backbone: JSON that says where the backbone's weights came from, as `backbones.make` writes it.
        state: folder for trainings, from which a killed job goes on; emptied when the curves are written.
        output: written: rows of curves with `control` "scratch", one for each of the criterion's rounds; their rate 0
            is the unpruned network, as in every curve.
    """
    before = _steps_of(backbone)
    fingerprint = fingerprint_of(study, criterion, md5(shapes), md5(backbone))
    table = tablefile.read(shapes)
    table = table[table["seed"].isin(list(seeds))]
    cases = [shape for _, shape in table.groupby(["seed", "samples_per_class", "round"], sort=True)]
    rows: list[dict[str, Any]] = []
    for shape in track(cases, len(cases), f"scratch {study.name} {criterion}"):
        first = shape.iloc[0]
        seed, samples_per_class, number = int(first["seed"]), str(first["samples_per_class"]), int(first["round"])
        here, key = study.of(seed), {"seed": seed, "samples_per_class": samples_per_class}
        if number == 1:
            counted = {"units_total": int(first["units_total"]), "units_removed": 0}
            rows.append(key | {"round": 0, "rate": 0.0} | counted | measurements.of_unpruned(here, seed))
        network = _drawn(here, seed, dict(zip(shape["group"], shape["removed"], strict=True)))
        recipe = _recipe(here, seed, before, number)
        draw = draw_of(study.config, "head", seed)
        order = streams.derive(study.config["run_seed"], "scratch order", study.name, draw)
        images, labels = here.mixed(seed)
        saved = Checkpoint(state / f"{seed}-{samples_per_class}-{number}.pt", fingerprint)
        training.train(network, *here.trained_on(seed), recipe, order, checkpoint=saved)
        if study.config["retrain"]["batch_norm"] == "reestimate":
            reestimate(network, images, recipe["batch_size"])
        measured = measurements.measure_trained(here, network, images, labels)
        if measured["params"] != first["params"]:
            raise SecateurError(
                f"{shapes}: seed {seed}, round {number}: a network of this shape has {measured['params']} parameters, "
                f"the pruned one has {first['params']}. The file is another study's; remove it and run again."
            )
        counted = {"units_total": int(first["units_total"]), "units_removed": int(shape["removed"].sum())}
        rows.append(key | {"round": number, "rate": float(first["rate"])} | counted | measured)
    write_curve(output, study, "retrain", criterion, rows, CONTROL)
    for path in state.glob("*"):
        path.unlink()


def _steps_of(backbone: Path) -> int:
    """Steps of a backbone's pretraining; 0 where it was not trained here."""
    about = read_json(backbone)
    try:
        return int(about["steps"]) if about["source"] == "pretrain" else 0
    except (KeyError, TypeError, ValueError):
        raise SecateurError(
            f"{backbone}: does not say for how many steps the backbone was trained. Remove it and run again."
        ) from None


def _recipe(study: Study, seed: int, before: int, number: int) -> dict[str, Any]:
    """The recipe for the shape of round `number`, with as many epochs as its pruned network's steps make."""
    images = len(study.trained_on(seed)[1])

    def steps(recipe: dict[str, Any], epochs: int) -> int:
        return epochs * len(equal_batches(images, recipe["batch_size"]))

    transfer, further = study.config["studies"][study.name]["transfer"], study.config["retrain"]["finetune"]
    seen = before + steps(transfer, transfer["epochs"]) + number * steps(further, further["epochs"])
    recipe = study.config["training"]["pretrain"]
    return recipe | {"epochs": math.ceil(seen / steps(recipe, 1))}


@torch.no_grad()
def _drawn(study: Study, seed: int, removed: Mapping[str, int]) -> nn.Module:
    """A network of that shape with random weights: the same draw for all shapes of a seed, as far as they share it.

    Cut from a whole random network, in which one unit of a group is as good as another. A layer's weights are then
    scaled by the root of what its inputs have become fewer, so that signals have the variance that the architecture's
    initialisation gives them.
    """
    stream = streams.derive(study.config["run_seed"], "scratch", study.name, draw_of(study.config, "head", seed))
    whole = fresh(study.config, study.config["studies"][study.name]["backbone"], study.dataset, stream)
    whole = whole.to(study.example.device)
    network = remove(whole, study.groups, {name: list(range(number)) for name, number in removed.items()})
    layers = dict(whole.named_modules())
    for name, module in network.named_modules():
        if is_layer(module):
            module.weight.mul_(math.sqrt(layers[name].weight[0].numel() / module.weight[0].numel()))
    return network
