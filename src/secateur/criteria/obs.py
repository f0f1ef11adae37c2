"""OBS, for whole units: how much worse the readers' responses get if their other weights make up for the unit."""

import torch
from torch import Tensor

from secateur.errors import SecateurError
from secateur.ranking.network import Network

PAPER = (
    "Hassibi et al., Second order derivatives for network pruning: optimal brain surgeon, NeurIPS 1992; for whole "
    "columns: Kurtic et al., ZipLM, NeurIPS 2023 (arXiv:2302.04089)"
)
NORMALISATION = "l2"  # the problem is one layer's own; across layers as `weight`
COMBINE = "first"  # all channels of a unit have the unit's own number
NEEDS = ("samples",)


def score(network: Network, *, damping: float = 0.01, fold: bool = False) -> dict[str, Tensor]:
    """Σ over consumers and outputs of wₛᵀ ([H⁻¹]ₛₛ)⁻¹ wₛ, S the unit's columns; of one column w² / [H⁻¹]ⱼⱼ.

    H = Σ x xᵀ + λ 1 over the rows that the consumer reads. It is the least value, over all other weights, of the
    squared change of the response plus λ times the squared change of the weights, once the unit's weights are zero;
    a sample's, so that their number does not matter. `damping`: λ in units of the mean of Σ x². `fold`: weights with
    the batch-norm behind the consumer.
    """
    if not damping > 0:
        raise SecateurError(f"damping={damping!r}: allowed are numbers above 0.")
    consumers = network.consumers()
    scores = consumers.zeros()
    for consumer, read in consumers.grams():
        if read.penalty(damping) == 0:
            continue  # nothing is ever read: nothing is lost
        weights = consumers.weights(consumer, fold)
        solved = torch.linalg.solve(read.inverse_blocks(consumer.columns, damping), weights)
        scores[consumer.group] += (weights * solved).sum((1, 2)) / network.samples
    return network.scores_of(scores)
