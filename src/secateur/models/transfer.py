"""From a source task to a target task: the task model of every seed, and its reference samples.

Or none: a classifier that is studied as it was published has its task already.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from secateur import seeds as streams
from secateur.data import references, store, validation
from secateur.data.redivision import redivide
from secateur.errors import SecateurError
from secateur.files import md5, replacing
from secateur.models import build, devices, inputs, training, weights
from secateur.models.backbones import fresh, take_over
from secateur.models.checkpoint import Checkpoint, fingerprint, of_data
from secateur.progress import track
from secateur.varying import COMPONENTS, draw_of

KEEP = "keep"
"""A study's `head`, where its classifier is the published one."""


class Transferred(NamedTuple):
    """The files that a transfer writes, each of all its seeds."""

    models: Path
    """The weights."""
    samples: Path
    """The reference samples, as CSV."""
    history: Path
    """CSV of the epochs, as `training.Epoch` has them, and whether each was `chosen`."""


def transfer(
    config: dict[str, Any],
    study: str,
    seeds: Sequence[int],
    data: Path,
    backbones: Sequence[Path],
    state: Path,
    written: Transferred,
) -> None:
    """Fine-tune the backbone to the study's task once per seed, and draw each seed's reference samples.

    Where the study keeps its head, nothing is trained: every seed has the classifier as it was published.

    A seed varies what the config's `vary` lists: of "head" the head's initialisation, the validation part, the order of
    the training samples and their augmentation, of "references" the draw of reference samples, and where they are there
    the backbone and the split. The validation part chooses the epoch; the test split is not read.

    Args:
        config: the run's resolved config.
        study: name of the study.
        seeds: the seeds of this job.
        data: folder of the target dataset, prepared for the backbone.
        backbones: weights, as `backbones.make` writes them: one file for all seeds, or one for each.
        state: folder for the states of unfinished training, from which a killed job goes on; emptied at the end.
        written: where its results go.
    """
    on = devices.chosen(config["device"])
    if len(backbones) not in (1, len(seeds)):
        raise SecateurError(f"--backbone: {len(backbones)} files for {len(seeds)} seeds; give one, or one for each.")
    of_seed = dict(zip(seeds, backbones if len(backbones) > 1 else [*backbones] * len(seeds), strict=True))
    given = store.load(data)
    recipe = config["studies"][study]["transfer"]
    most = references.largest(references.asked_for(config))
    settings = [config["backbones"][config["studies"][study]["backbone"]], recipe, config["training"]["validation"]]
    common = [json.dumps(settings, sort_keys=True), of_data(data), str(on)]
    states: dict[int, dict[str, Tensor]] = {}
    draws, rows = {}, []
    for seed in track(seeds, len(seeds), f"transfer {study}"):
        dataset, head, backbone = divided(config, given, seed), draw_of(config, "head", seed), of_seed[seed]
        drawn = draw_of(config, "references", seed)
        draws[seed] = references.draw(
            dataset.train_labels, most, streams.derive(config["run_seed"], "reference", study, drawn)
        )
        if config["studies"][study]["head"] == KEEP:
            states[seed] = as_published(config, study, dataset, backbone)
            continue
        images, labels = inputs.images(dataset, "train", on), inputs.labels(dataset.train_labels, on)
        network = _begun(config, study, dataset, backbone, head).to(on)
        trained_on, held_out = parts(config, study, dataset.train_labels, seed)
        epochs, chosen = training.train(
            network,
            images.subset(trained_on),
            labels[torch.from_numpy(trained_on)],
            recipe,
            streams.derive(config["run_seed"], "transfer", study, head),
            validation=(images.subset(held_out), labels[torch.from_numpy(held_out)]) if len(held_out) else None,
            checkpoint=Checkpoint(state / f"{seed}.pt", _begins(config, [*common, md5(backbone)], seed)),
        )
        states[seed] = {name: value.cpu() for name, value in network.state_dict().items()}
        rows += [{"seed": seed, **asdict(epoch), "chosen": epoch.epoch == chosen} for epoch in epochs]
    weights.save(written.models, states)
    references.write(written.samples, draws)
    columns = ["seed", *training.Epoch.__dataclass_fields__, "chosen"]
    with replacing(written.history) as temporary:
        pd.DataFrame(rows, columns=columns).to_csv(temporary, index=False)
    for path in state.glob("*.pt"):
        path.unlink()


def as_published(config: dict[str, Any], study: str, dataset: store.Dataset, path: Path) -> dict[str, Tensor]:
    """The weights of a published classifier, its outputs in the order of the dataset's classes.

    Args:
        config: the run's resolved config; of its backbone, `classes` says what each output is, where it is there.
        study: a study with `head: keep`.
        dataset: whose classes are asked for: all of the classifier's or some of them.
        path: weights, as `backbones.make` writes them.

    Returns:
        A state dict for a network with one output for each class of the dataset.

    Raises:
        SecateurError: its outputs cannot be matched with the classes, or its images have other channels.
    """
    name = config["studies"][study]["backbone"]
    key, network = f"studies.{study}.head: keep", fresh(config, name, dataset)
    state, heads = weights.load(path), build.head_prefixes(network)
    own = {tensor: value for tensor, value in state.items() if tensor.startswith(heads)}
    outputs = max((len(value) for value in own.values() if value.dim()), default=0)
    stated, wanted = config["backbones"][name].get("classes"), list(dataset.classes)
    if stated is not None and len(stated) != outputs:
        raise SecateurError(
            f"backbones.{name}.classes: {len(stated)} names for the {outputs} outputs of {path}; one for each is "
            "needed."
        )
    if stated is None and len(wanted) != outputs:
        raise SecateurError(
            f"{key}: the classifier has {outputs} outputs and {dataset.name} has {len(wanted)} classes. Name the "
            f"outputs in their order in backbones.{name}.classes; those of the dataset's classes are then taken."
        )
    absent = [each for each in wanted if stated is not None and each not in stated]
    if absent:
        raise SecateurError(
            f"{key}: no output of the classifier is '{absent[0]}', a class of {dataset.name}; backbones.{name}.classes "
            f"has {', '.join(map(str, stated or ()))[:300]}."
        )
    order = torch.tensor([stated.index(each) if stated is not None else wanted.index(each) for each in wanted])
    state |= {tensor: value[order] for tensor, value in own.items() if value.dim() and len(value) == outputs}
    hint = "The images must have the channels that it was trained on."
    weights.fit(network, state, f"{key}: the weights in {path}", hint)
    return {tensor: value.clone() for tensor, value in network.state_dict().items()}


def _begins(config: dict[str, Any], common: list[str], seed: int) -> str:
    """What a seed's training depends on, to tell whether an unfinished one can go on."""
    draws = [draw_of(config, component, seed) for component in COMPONENTS]
    return f"{fingerprint(common)} {config['run_seed']} {draws}"


def divided(config: dict[str, Any], dataset: store.Dataset, seed: int) -> store.Dataset:
    """The dataset with the training and test images of one seed: as it was given, unless the split varies."""
    if "split" not in config["vary"]:
        return dataset
    return redivide(dataset, streams.derive(config["run_seed"], "split", dataset.name, draw_of(config, "split", seed)))


def _begun(config: dict[str, Any], study: str, dataset: store.Dataset, backbone: Path, draw: int) -> nn.Module:
    """The network before its first step: the backbone's weights, and a head of its own."""
    network = fresh(config, config["studies"][study]["backbone"], dataset)
    take_over(network, backbone)
    build.reset_head(network, len(dataset.classes), streams.derive(config["run_seed"], "head", study, draw))
    return network


def parts(config: dict[str, Any], study: str, labels: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions in the training split that a seed's networks are trained on, and those that are held out.

    Both in the transfer and when a pruned network is fine-tuned: it sees no image that the unpruned one did not.
    """
    stream = streams.derive(config["run_seed"], "validation", study, draw_of(config, "head", seed))
    return validation.divide(labels, config["training"]["validation"], stream)


def load_task_model(config: dict[str, Any], study: str, dataset: store.Dataset, models: Path, seed: int) -> nn.Module:
    """The study's unpruned task model of one seed, in eval mode on the config's device."""
    network = fresh(config, config["studies"][study]["backbone"], dataset)
    weights.load_into(network, models, seed)
    return network.to(devices.chosen(config["device"])).eval()


def example_input(config: dict[str, Any], study: str, dataset: store.Dataset) -> Tensor:
    """One image of the study's shape (1 × C × size × size, zeros), to trace the network with."""
    size = config["backbones"][config["studies"][study]["backbone"]]["size"]
    return torch.zeros(1, dataset.train_inputs.shape[-1], size, size, device=devices.chosen(config["device"]))
