"""Batch-norm scale: |γ|, the factor that a filter's batch-norm gives its output (network slimming)."""

import torch
from torch import Tensor

from secateur.errors import SecateurError
from secateur.ranking.network import Network

PAPER = "Liu et al., Learning efficient convolutional networks through network slimming, ICCV 2017"
NORMALISATION = "none"  # one threshold on |γ| for the whole network
NEEDS = ()


def score(network: Network) -> dict[str, Tensor]:
    """|γ|; a layer without batch-norm counts as γ = 1. The paper trains with an l1 penalty on γ, this network was not.

    Raises SecateurError for a network without any batch-norm after a scored layer: all units would be equal.
    """
    scales = {layer: network.batch_norm_scale(layer) for layer in network.layers}
    if all(scale is None for scale in scales.values()):
        raise SecateurError("the network has no batch-norm after any scored layer, so there is no scale to rank by.")
    return {
        layer: torch.ones_like(zeros) if (scale := scales[layer]) is None else scale.abs().double()
        for layer, zeros in network.zeros().items()
    }
