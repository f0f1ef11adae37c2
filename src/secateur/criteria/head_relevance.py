"""Head relevance: the relevance of what a head (or any unit) passes on, by CP-LRP, as a share of its layer's."""

from typing import Any

import torch
from torch import Tensor

from secateur.ranking.network import Network

PAPER = "Voita et al., Analyzing multi-head self-attention, ACL 2019 (arXiv:1905.09418)"
NORMALISATION = "sum"  # the paper's are shares of a layer's heads
COMBINE = "first"  # all channels of a unit have the unit's own number
NEEDS = ("samples", "labels", "gradients")


def score(network: Network, *, rule: Any = "cp-lrp") -> dict[str, Tensor]:
    """Σ of R over samples, positions and the unit's channels where its readers read it; `rule`: as of `relevance`."""
    scores = {group.name: torch.zeros(group.size, dtype=torch.float64) for group in network.groups}
    for found in network.read_relevance(rule):
        for consumer in network.consumers().every:
            unit = found[consumer.layer].double().cpu()[:, consumer.inputs]  # samples × units × channels × positions
            scores[consumer.group] += unit.sum((0, 2, 3))
    return network.scores_of(scores)
