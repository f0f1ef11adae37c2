"""How fast this device passes images through a run's networks, and what pruned ones compute: estimates of its cost."""

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch.nn import functional

from secateur import seeds as streams
from secateur.branches.study import scope_of
from secateur.models import build, devices, memory_format, profiling, training
from secateur.pruning.counting import count
from secateur.pruning.prediction import Predictor
from secateur.pruning.removal import remove
from secateur.pruning.units import find_unit_groups
from secateur.workload import TRAINING, Speed

LEAST_SECONDS = 0.5
"""A pass is repeated for as long."""
CLASSES = 10


def macs(config: dict[str, Any], backbone: str) -> int:
    """Multiply-accumulates of one image through a backbone with a head of ten classes."""
    network, size = _network(config, backbone)
    return count(network, size).macs


def left(config: dict[str, Any], study: str) -> Callable[[float], float]:
    """Rate -> share of a study's multiply-accumulates that is left with that share of its units removed.

    The units of the study's scope, the same share of each group, and one of each stays: exact for that choice
    (`pruning.prediction`). Criteria choose otherwise, as a rule more of layers that compute little.
    """
    network, size = _network(config, config["studies"][study]["backbone"])
    groups = find_unit_groups(network.eval(), torch.zeros(1, *size), scope_of(config, study))
    predictor = Predictor(network, groups, size)
    whole = predictor.counts().macs

    @cache
    def share(rate: float) -> float:
        removed = {group.name: range(min(round(rate * group.size), group.size - 1)) for group in groups}
        return predictor.counts(removed).macs / whole

    return share


def measure(config: dict[str, Any], backbone: str, device: str | None = None) -> Speed:
    """Images a second through a backbone: evaluated, and in training steps, at the config's batch sizes; and the
    seconds that pruning it takes.

    All on random images, timed as `profiling.mean_seconds` does.

    Args:
        config: the resolved config.
        backbone: name in it.
        device: in place of the config's.
    """
    on = devices.chosen(device or config["device"])
    network, size = _network(config, backbone)
    multiply_accumulates = count(network, size).macs
    network = network.to(on).eval()
    recipe = config["retrain"]["finetune"] | {"epochs": 1}
    trained = recipe["batch_size"]
    images = torch.rand(config["batch_size"], *size, device=on)
    images = memory_format.laid_out(images, memory_format.of(network))
    few = torch.rand(4 * trained, *size, device=on)
    labels = torch.arange(len(few), device=on) % CLASSES

    def forward() -> None:
        with torch.inference_mode():
            functional.softmax(network(images), 1).cpu()

    def train() -> None:
        training.train(network, few, labels, recipe, seed=0)

    forward_rate = len(images) / profiling.mean_seconds(forward, on, LEAST_SECONDS)
    training_rate = len(few) / profiling.mean_seconds(train, on, LEAST_SECONDS)
    network.eval()
    return Speed(multiply_accumulates, forward_rate, TRAINING * training_rate, _of_a_network(network, size, on))


def _of_a_network(network: torch.nn.Module, size: tuple[int, int, int], on: torch.device) -> float:
    """Seconds to remove half of every group's units and to pass one image through what is left."""
    image = torch.zeros(1, *size, device=on)
    groups = find_unit_groups(network, image)
    half = {group.name: range(group.size // 2) for group in groups}

    def pruned() -> None:
        with torch.inference_mode():
            remove(network, groups, half)(image).cpu()

    return profiling.mean_seconds(pruned, on, LEAST_SECONDS)


def _network(config: dict[str, Any], backbone: str) -> tuple[torch.nn.Module, tuple[int, int, int]]:
    entry = config["backbones"][backbone]
    channels = 1 if entry.get("colour") == "grey" else 3
    network = build.create(entry, CLASSES, channels, streams.derive(0, "throughput"))
    memory_format.lay_out(network, memory_format.chosen(network, entry["memory_format"]))
    return network, (channels, entry["size"], entry["size"])
