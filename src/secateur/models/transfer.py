"""From a source task to a target task: pretraining a backbone, and the task model of every seed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from secateur import seeds as streams
from secateur.data import references, store
from secateur.models import build, evaluation, inputs, training, weights
from secateur.progress import track


def pretrain(config: dict[str, Any], backbone_name: str, data: Path, output: Path) -> str:
    """Train a backbone from scratch on its source dataset, prepared for it in `data`; write its weights to `output`.

    Returns:
        One line that says how good it became.
    """
    on = inputs.device(config["device"])
    dataset = store.load(data)
    network = fresh(config, backbone_name, dataset).to(on)
    images = inputs.images(dataset, "train", on)
    labels = inputs.labels(dataset.train_labels, on)
    seed = streams.derive(config["run_seed"], "pretrain", backbone_name)
    training.train(network, images, labels, config["training"]["pretrain"], seed)
    found = evaluation.evaluate(
        network,
        inputs.images(dataset, "test", on),
        inputs.labels(dataset.test_labels, on),
        len(dataset.classes),
    )
    weights.save(output, {0: network.state_dict()})
    return f"{backbone_name} on {dataset.name}: test accuracy {found.accuracy:.3f} (n = {found.samples})"


def fresh(config: dict[str, Any], backbone_name: str, dataset: store.Dataset) -> nn.Module:
    """The backbone with random weights and a head for `dataset`, on the CPU."""
    return build.create(
        config["backbones"][backbone_name],
        len(dataset.classes),
        dataset.train_inputs.shape[-1],
        streams.derive(config["run_seed"], "initialisation", backbone_name),
    )


def transfer(
    config: dict[str, Any], study: str, seeds: Sequence[int], data: Path, backbone: Path, models: Path, samples: Path
) -> None:
    """Fine-tune the pretrained backbone to the study's task once a seed, and draw each seed's reference samples.

    A seed varies the head's initialisation, the order of the training samples and the draw of reference samples.

    Args:
        config: the run's resolved config.
        study: name of the study.
        seeds: the seeds of this job.
        data: folder of the target dataset, prepared for the backbone.
        backbone: weights written by `pretrain`.
        models: written: the weights of every seed.
        samples: written: the reference samples of every seed, as CSV.
    """
    backbone_name = config["studies"][study]["backbone"]
    on = inputs.device(config["device"])
    dataset = store.load(data)
    images = inputs.images(dataset, "train", on)
    labels = inputs.labels(dataset.train_labels, on)
    most = references.largest(config["fewshot"]["samples_per_class"] + config["retrain"]["samples_per_class"])
    states: dict[int, dict[str, Tensor]] = {}
    draws = {}
    for seed in track(seeds, len(seeds), f"transfer {study}"):
        network = fresh(config, backbone_name, dataset)
        weights.load_into(network, backbone, skip=head_prefix(network))
        build.reset_head(network, len(dataset.classes), streams.derive(config["run_seed"], "head", study, seed))
        network.to(on)
        order = streams.derive(config["run_seed"], "transfer", study, seed)
        training.train(network, images, labels, config["training"]["transfer"], order)
        states[seed] = network.state_dict()
        draws[seed] = references.draw(
            dataset.train_labels, most, streams.derive(config["run_seed"], "reference", study, seed)
        )
    weights.save(models, states)
    references.write(samples, draws)


def head_prefix(network: nn.Module) -> str:
    """Dotted name of the timm network's classifier: its weights are not transferred."""
    return next(name for name, module in network.named_modules() if module is network.get_classifier())  # type: ignore[operator]


def load_task_model(config: dict[str, Any], study: str, dataset: store.Dataset, models: Path, seed: int) -> nn.Module:
    """The study's unpruned task model of one seed, in eval mode on the config's device."""
    network = fresh(config, config["studies"][study]["backbone"], dataset)
    weights.load_into(network, models, seed)
    return network.to(inputs.device(config["device"])).eval()


def example_input(config: dict[str, Any], study: str, dataset: store.Dataset) -> Tensor:
    """One image of the study's shape (1 × C × size × size, zeros), to trace the network with."""
    size = config["backbones"][config["studies"][study]["backbone"]]["size"]
    return torch.zeros(1, dataset.train_inputs.shape[-1], size, size, device=inputs.device(config["device"]))
