"""LAMP, for whole units: a unit's squared weights as a share of those of all units that would outlast it."""

import torch
from torch import Tensor

from secateur.ranking.network import Network

PAPER = "Lee et al., Layer-adaptive sparsity for the magnitude-based pruning, ICLR 2021 (arXiv:2010.07611)"
NORMALISATION = "none"  # the score itself makes layers comparable
COMBINE = "first"  # all channels of a unit have the unit's own number
NEEDS = ()


def score(network: Network) -> dict[str, Tensor]:
    """‖w‖² / Σ ‖v‖² over the units v of the group with ‖v‖ ≥ ‖w‖ (equation 4, for filters in place of weights).

    w: the filters of all layers that make the unit, without batch-norm. The largest unit of a group has 1.
    """
    scores = {}
    for group in network.groups:
        squares = torch.zeros(group.size, dtype=torch.float64)
        for layer, channels in group.producers:
            squares += network.weight(layer, fold=False).cpu().double().square().sum(1)[channels].sum(1)
        values, order = squares.sort()
        outlasting = values.flip(0).cumsum(0).flip(0)
        outlasting = outlasting[torch.searchsorted(values, values)]  # equal units outlast each other
        scores[group.name] = torch.zeros_like(squares).scatter_(0, order, (values / outlasting).nan_to_num(0.0))
    return network.scores_of(scores)
