"""What a network is worth on a test split: accuracy, loss and its worst class."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from secateur.models import devices, memory_format
from secateur.models.inputs import Images
from secateur.relevance import folding

PIXELS, LEAST, MOST = 2**18, 8, 256
"""Pixels of a batch on a CPU, and bounds of its images: 256 of 32 × 32, 64 of 64 × 64; docs/benchmarks.md."""


@dataclass(frozen=True)
class Evaluation:
    """Scores on one split. A mean hides the collapse of single classes, so the worst class stands beside it."""

    accuracy: float
    """Share of samples classified rightly, 0…1."""
    loss: float
    """Mean cross-entropy a sample, in nats."""
    worst_class: int
    """Label of the class with the lowest accuracy (the first of them)."""
    worst_class_accuracy: float
    """Its accuracy, 0…1."""
    samples: int


def evaluate(
    network: nn.Module,
    inputs: Images | Tensor,
    labels: Tensor,
    classes: int,
    *,
    pairs: Mapping[str, str] | None = None,
    batch_size: int | None = None,
) -> Evaluation:
    """Evaluate `network` in eval mode on N images or a tensor N × C × H × W, with N labels.

    The worst class is one of those that have a sample. `pairs` and `batch_size` as of `logits`.
    """
    outputs, truth = logits(network, inputs, pairs=pairs, batch_size=batch_size), labels.cpu()
    right = (outputs.argmax(1) == truth).to(torch.float64)
    own = [right[truth == label] for label in range(classes)]
    per_class = torch.stack([each.mean() if len(each) else torch.tensor(torch.inf) for each in own])
    return Evaluation(
        accuracy=float(right.mean()),
        loss=float(functional.cross_entropy(outputs, truth)),
        worst_class=int(per_class.argmin()),
        worst_class_accuracy=float(per_class.min()),
        samples=len(truth),
    )


@torch.no_grad()
def logits(
    network: nn.Module,
    inputs: Images | Tensor,
    *,
    pairs: Mapping[str, str] | None = None,
    batch_size: int | None = None,
) -> Tensor:
    """What `network` says in eval mode, in which it is left: N × classes, float64, on the CPU.

    Batch-norms are folded into the layers before them, and batches are in the memory format of the network's weights.

    Args:
        network: on the device of `inputs`.
        inputs: N images or a tensor N × C × H × W (or N × features).
        pairs: what is folded, from `relevance.folding.pairs` of this network or the one that it was cut from; found
            anew where it is None.
        batch_size: by default as many as make `PIXELS` on a CPU, where larger batches leave the processor's cache.
            Changes speed and memory, not the result beyond rounding.
    """
    network.eval()
    form = memory_format.of(network)
    pairs = folding.pairs(network, inputs[:1]) if pairs is None else pairs
    size = batch_size or _batch_size(inputs)
    with folding.joined(network, pairs):
        outputs = [network(memory_format.laid_out(batch, form)) for batch in inputs.split(size)]
    return torch.cat(outputs).to("cpu", torch.float64)


def _batch_size(inputs: Images | Tensor) -> int:
    if not devices.of(inputs.device).cached or inputs.dim() != 4:
        return MOST
    return min(MOST, max(LEAST, PIXELS // (inputs.shape[2] * inputs.shape[3])))
