"""Oracle: how much the loss rises when a unit is really removed, alone; one pass a unit, for small networks."""

from torch import Tensor

from secateur.ranking.network import Network

PAPER = "Molchanov et al., Pruning convolutional neural networks for resource efficient inference, ICLR 2017, 3.1"
NORMALISATION = "none"  # a change of the loss is comparable as it is
COMBINE = "first"  # all channels of a unit have the unit's own number
NEEDS = ("samples", "labels")


def score(network: Network, *, absolute: bool = False) -> dict[str, Tensor]:
    """L(without the unit) − L, mean cross-entropy of the reference samples, with its sign.

    `absolute`: |L(without the unit) − L|, the paper's oracle-abs: what changes the loss either way matters.
    """
    losses = network.removal_losses()
    return {layer: change.abs() if absolute else change for layer, change in losses.items()}
