"""Group Fisher: the squared slope of the loss by one gate that all readers of a unit share, for what its maps cost."""

import math

import torch
from torch import Tensor

from secateur.ranking.network import Network
from secateur.relevance.passes import choose

PAPER = "Liu et al., Group Fisher pruning for practical network compression, ICML 2021 (arXiv:2108.00708)"
NORMALISATION = "none"  # a change of the loss is comparable as it is
COMBINE = "first"  # all channels of a unit have the unit's own number
NEEDS = ("samples", "labels", "gradients")


def score(network: Network, *, cost: str = "memory") -> dict[str, Tensor]:
    """Mean over samples of (∂Lₙ/∂m)², divided by the unit's cost; m: a factor, 1, of all inputs that read the unit.

    Slopes of coupled layers are added up before they are squared. `cost`: "memory", how many numbers a sample's maps of
    the unit have, in all layers that make it (what the paper divides by, as it goes with the time saved), or "none".
    """
    choose("cost", cost, ("memory", "none"))
    scores = {group.name: torch.zeros(group.size, dtype=torch.float64) for group in network.groups}
    for slopes in network.gate_gradients():
        for name, slope in slopes.items():
            scores[name] += slope.double().cpu().square().sum(0) / network.samples
    if cost == "memory":
        for group in network.groups:
            scores[group.name] /= sum(
                channels.shape[1] * math.prod(network.map_shape(layer)) for layer, channels in group.producers
            )
    return network.scores_of(scores)
