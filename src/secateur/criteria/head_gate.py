"""Gate gradient: the slope of the loss as what a head (or any unit) passes on is scaled."""

import torch
from torch import Tensor

from secateur.ranking.network import Network

PAPER = "Michel et al., Are sixteen heads really better than one?, NeurIPS 2019 (arXiv:1905.10650)"
NORMALISATION = "l2"  # per layer, as the paper does
COMBINE = "first"  # all channels of a unit have the unit's own number
NEEDS = ("samples", "labels", "gradients")


def score(network: Network) -> dict[str, Tensor]:
    """Mean over samples of |∂Lₙ/∂ξ|; ξ: a factor, 1, of all inputs that read the unit (a head: its weighed values)."""
    scores = {group.name: torch.zeros(group.size, dtype=torch.float64) for group in network.groups}
    for slopes in network.gate_gradients():
        for name, slope in slopes.items():
            scores[name] += slope.double().cpu().abs().sum(0) / network.samples
    return network.scores_of(scores)
