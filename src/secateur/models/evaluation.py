"""What a network is worth on a test split: accuracy, loss and its worst class."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from secateur.models.inputs import Images


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


@torch.no_grad()
def evaluate(
    network: nn.Module, inputs: Images | Tensor, labels: Tensor, classes: int, batch_size: int = 256
) -> Evaluation:
    """Evaluate `network` in eval mode on N images or a tensor N × C × H × W, with N labels; every class needs one."""
    network.eval()
    logits = torch.cat([network(batch) for batch in inputs.split(batch_size)]).to("cpu", torch.float64)
    truth = labels.cpu()
    right = (logits.argmax(1) == truth).to(torch.float64)
    per_class = torch.stack([right[truth == label].mean() for label in range(classes)])
    return Evaluation(
        accuracy=float(right.mean()),
        loss=float(functional.cross_entropy(logits, truth)),
        worst_class=int(per_class.argmin()),
        worst_class_accuracy=float(per_class.min()),
        samples=len(truth),
    )
