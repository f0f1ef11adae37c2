"""Integrated gradients: what a filter contributes to the true class's logit on the way from zero to the image."""

from itertools import pairwise

import torch
from torch import Tensor

from secateur.ranking.network import Network

PAPER = (
    "Sundararajan et al., Axiomatic attribution for deep networks, ICML 2017; for inner units Dhamdhere et al., "
    "ICLR 2019; for pruning Hatefi et al., Pruning by explaining revisited, ECCV workshops 2024"
)
NORMALISATION = "none"  # contributions of a layer sum up to the logit's difference
NEEDS = ("samples", "labels", "gradients")


def score(network: Network, *, steps: int = 8) -> dict[str, Tensor]:
    """Σ over samples of |Σ over positions and steps of Δa · ∂f/∂a|, by the trapezoidal rule (conductance)."""
    sums = network.zeros()
    points = [network.scaled(step / steps).gradients("logit") for step in range(steps + 1)]
    for path in zip(*points, strict=True):
        for layer in network.layers:
            ways = pairwise(point[layer] for point in path)
            parts = [
                ((end - start).double() * (slope + next_slope) / 2).sum(2) for (start, slope), (end, next_slope) in ways
            ]
            sums[layer] += torch.stack(parts).sum(0).abs().sum(0)
    return sums
