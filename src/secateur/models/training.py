"""Training and fine-tuning: one deterministic loop, the same for pretraining, transfer and the retrain branch."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from secateur import seeds as streams
from secateur.models import augmentation, devices, memory_format
from secateur.models.build import head_prefixes
from secateur.models.checkpoint import Checkpoint
from secateur.models.evaluation import evaluate
from secateur.models.inputs import Images, equal_batches
from secateur.relevance import folding

WARM_UP = 0.1  # of all steps, in which the learning rate rises
MOMENTUM = 0.9  # of sgd, with Nesterov's correction


@dataclass(frozen=True)
class Epoch:
    """What was measured after an epoch, counted from 1. The validation's are NaN where there is none."""

    epoch: int
    loss: float
    """Mean loss of the epoch's training batches."""
    validation_accuracy: float = math.nan
    validation_loss: float = math.nan


def train(
    network: nn.Module,
    images: Images | Tensor,
    labels: Tensor,
    recipe: dict[str, Any],
    seed: int,
    *,
    validation: tuple[Images | Tensor, Tensor] | None = None,
    checkpoint: Checkpoint | None = None,
) -> tuple[list[Epoch], int]:
    """Train `network` in place by cross-entropy; leaves it in eval mode.

    Every epoch draws from streams of its own, named by `seed` and the epoch's number: the order of the samples, their
    augmentation, and what is random in the network. So the order is the same for every network, and a training that
    goes on from a checkpoint ends in the same weights, bit for bit.

    On CUDA the passes run in bfloat16 where it can (unless `mixed_precision` is false); weights stay in float32.
    Batches are brought into the memory format in which the network lies.

    Args:
        network: on the device of `images`.
        images, labels: N images (see models/inputs.py) or a tensor N × C × H × W, and N.
        recipe: the config's; see `recipe` in workflow/schemas/config.schema.yaml.
        seed: of all draws.
        validation: images and labels by which the epoch is chosen: the most accurate, of equal ones that with the
            lowest loss, of equal ones the first. Without them it is the last one.
        checkpoint: to go on from, and to write to now and then.

    Returns:
        All epochs, and the number of the chosen one, whose weights the network has (0: no epoch was asked for).
    """
    epochs: list[Epoch] = []
    pairs = folding.pairs(network, images[:1]) if validation else {}
    chosen, best = 0, network.state_dict()
    with _as_trained(network, recipe):
        optimizer = _optimizer(network, recipe)
        saved = checkpoint.load() if checkpoint else None
        if saved:
            epochs = [Epoch(**row) for row in saved["epochs"]]
            chosen, best = saved["chosen"], saved["best"]
            if len(epochs) < recipe["epochs"]:
                network.load_state_dict(saved["network"])
                optimizer.load_state_dict(saved["optimizer"])
        while len(epochs) < recipe["epochs"]:
            loss = _epoch(network, optimizer, images, labels, recipe, seed, len(epochs))
            epochs.append(_measured(len(epochs) + 1, loss, network, validation, pairs))
            last = len(epochs) == recipe["epochs"]
            if _better(epochs[-1], epochs[chosen - 1] if chosen else None) if validation else last:
                chosen = len(epochs)
                best = {name: value.clone() for name, value in network.state_dict().items()}
            if checkpoint and (last or checkpoint.due()):
                going_on = {"network": network.state_dict(), "optimizer": optimizer.state_dict()}
                said = {"epochs": [asdict(row) for row in epochs], "chosen": chosen, "best": best}
                checkpoint.save(said if last else said | going_on)
        network.load_state_dict(best)
    return epochs, chosen


def _epoch(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    images: Images | Tensor,
    labels: Tensor,
    recipe: dict[str, Any],
    seed: int,
    number: int,
) -> float:
    """One pass over the images; returns the mean loss."""
    on = labels.device
    home = images.home if isinstance(images, Images) else images.device
    parts = equal_batches(len(labels), recipe["batch_size"])
    shuffled = torch.randperm(len(labels), generator=_generator(seed, "order", number))
    drawing = _generator(seed, "augmentation", number)
    form = memory_format.of(network)
    pictures = images.dim() == 4
    maps = augmentation.draw(recipe["augmentation"], len(labels), images.shape[-1], drawing) if pictures else None
    # Sent to the device once an epoch: a transfer a batch would keep the device waiting.
    order, truth = shuffled.to(home), labels[shuffled.to(on)]
    maps = maps.to(on) if maps is not None else None
    total = torch.zeros((), device=on)
    network.train()
    _keep_frozen(network)
    with devices.fork_rng():
        torch.manual_seed(streams.derive(seed, "network", number))
        for batch, (start, end) in enumerate(parts):
            inputs = images[order[start:end]]
            if maps is not None:
                inputs = augmentation.apply(inputs, maps[start:end])
            inputs = memory_format.laid_out(inputs, form)
            rate = recipe["learning_rate"] * _factor(recipe, number * len(parts) + batch, recipe["epochs"] * len(parts))
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.zero_grad(set_to_none=True)
            with devices.mixed_precision(on, recipe["mixed_precision"]):
                outputs = network(inputs)
                loss = functional.cross_entropy(outputs, truth[start:end], label_smoothing=recipe["label_smoothing"])
            loss.backward()
            optimizer.step()
            total += loss.detach() * (end - start)
    return float(total) / len(labels)


def _generator(seed: int, name: str, epoch: int) -> torch.Generator:
    return torch.Generator().manual_seed(streams.derive(seed, name, epoch))


def _factor(recipe: dict[str, Any], step: int, steps: int) -> float:
    """The learning rate of a step (from 0) as a share of the recipe's: a linear rise, then what the schedule says."""
    rise = WARM_UP * steps
    if step < rise:
        return (step + 1) / (rise + 1)
    progress = (step - rise) / (steps - rise)
    return {"cosine": (1 + math.cos(math.pi * progress)) / 2, "linear": 1 - progress, "constant": 1.0}[
        recipe["schedule"]
    ]


def _optimizer(network: nn.Module, recipe: dict[str, Any]) -> torch.optim.Optimizer:
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    settings: dict[str, Any] = {"lr": recipe["learning_rate"], "weight_decay": recipe["weight_decay"], "foreach": True}
    if recipe["optimizer"] == "sgd":
        return torch.optim.SGD(parameters, momentum=MOMENTUM, nesterov=True, **settings)
    return torch.optim.AdamW(parameters, **settings)


@contextmanager
def _as_trained(network: nn.Module, recipe: dict[str, Any]) -> Iterator[None]:
    """Inside, only what the recipe trains requires gradients; afterwards as before."""
    before = {name: parameter.requires_grad for name, parameter in network.named_parameters()}
    if recipe["freeze"]:
        heads = head_prefixes(network)
        for name, parameter in network.named_parameters():
            parameter.requires_grad_(name.startswith(heads))
    try:
        yield
    finally:
        for name, parameter in network.named_parameters():
            parameter.requires_grad_(before[name])
        network.eval()


def _keep_frozen(network: nn.Module) -> None:
    """Modules of which nothing is trained stay in eval mode: a frozen batch-norm keeps its statistics."""
    for module in network.modules():
        parameters = list(module.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            module.eval()


def _measured(
    number: int,
    loss: float,
    network: nn.Module,
    validation: tuple[Images | Tensor, Tensor] | None,
    pairs: dict[str, str],
) -> Epoch:
    if validation is None:
        return Epoch(number, loss)
    images, labels = validation
    measured = evaluate(network, images, labels, int(labels.max()) + 1, pairs=pairs)
    return Epoch(number, loss, measured.accuracy, measured.loss)


def _better(one: Epoch, other: Epoch | None) -> bool:
    if other is None:
        return True
    return (one.validation_accuracy, -one.validation_loss) > (other.validation_accuracy, -other.validation_loss)
