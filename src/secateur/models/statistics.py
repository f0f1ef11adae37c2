"""Batch-norm's running statistics: estimated anew from images, and whether a network lives by them as it was trained.

A network in training normalises by the statistics of each batch, in use by running ones, which follow slowly: after a
step of training with momentum 0.1 nine tenths are still those of the network before. After a short fine-tuning of a
pruned network they are largely another network's, and its accuracy in use says little about it.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from secateur.models import memory_format
from secateur.models.inputs import Images, equal_batches


def normalisations(network: nn.Module) -> list[_BatchNorm]:
    """The batch-norm modules that have running statistics, in the network's order."""
    return [
        module
        for module in network.modules()
        if isinstance(module, _BatchNorm) and module.running_mean is not None and module.running_var is not None
    ]


@torch.no_grad()
def reestimate(network: nn.Module, images: Images | Tensor, batch_size: int) -> None:
    """Replace all running statistics by the mean of those of batches of `images`; leaves the network in eval mode.

    What `torch.optim.swa_utils.update_bn` does, but with dropout silent: its noise would widen the variances that the
    network never meets in use. Weights stay as they are; without batch-norm the network is not even run.

    Args:
        network: on the device of `images`.
        images: N images or a tensor N × C × H × W, in an order that mixes the classes; N ≥ 2.
        batch_size: at most so many images a batch; all batches are equally large, give or take one image, since each
            counts the same.

    Source: Wu and Johnson, Rethinking "Batch" in BatchNorm (arXiv 2105.07576), section 3.
    """
    network.eval()
    layers = normalisations(network)
    if not layers:
        return
    form, momenta = memory_format.of(network), [module.momentum for module in layers]
    try:
        for module in layers:
            module.reset_running_stats()
            module.momentum = None  # a plain mean over all batches
            module.train()
        for start, end in equal_batches(len(images), batch_size):
            network(memory_format.laid_out(images[start:end], form))
    finally:
        for module, momentum in zip(layers, momenta, strict=True):
            module.momentum = momentum
            module.eval()


@torch.no_grad()
def accuracy_in_both_modes(
    network: nn.Module, images: Images | Tensor, labels: Tensor, batch_size: int
) -> tuple[float, float]:
    """Share of images classified rightly by the running statistics, and by those of each batch as in training.

    The two differ where the running statistics are not this network's. Dropout is silent in both, and without
    batch-norm both are the same. The network stays as it was, running statistics included, in eval mode.

    Args:
        network: on the device of `images`.
        images, labels: N images (N × C × H × W) in an order that mixes the classes, N ≥ 2, and N class indices.
        batch_size: as of `reestimate`: the batches of the training.
    """
    network.eval()
    form, truth = memory_format.of(network), labels.cpu()

    def accuracy() -> float:
        batches = equal_batches(len(images), batch_size)
        given = (memory_format.laid_out(images[start:end], form) for start, end in batches)
        predicted = torch.cat([network(batch).argmax(1) for batch in given]).cpu()
        return float((predicted == truth).to(torch.float64).mean())

    by_running = accuracy()
    layers = normalisations(network)
    if not layers:
        return by_running, by_running
    with _by_batches(layers):
        return by_running, accuracy()


@contextmanager
def _by_batches(layers: list[_BatchNorm]) -> Iterator[None]:
    """Inside, these modules normalise by each batch; afterwards their buffers are as before."""
    kept = [{name: value.clone() for name, value in module.named_buffers()} for module in layers]
    try:
        for module in layers:
            module.train()
        yield
    finally:
        for module, buffers in zip(layers, kept, strict=True):
            module.eval()
            for name, value in buffers.items():
                module.get_buffer(name).copy_(value)
