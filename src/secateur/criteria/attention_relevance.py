"""PXP's head score: Σ|R| at the softmax of attention, over tokens; of other units the same where they are read."""

from typing import Any

import torch
from torch import Tensor

from secateur.ranking.network import Network

PAPER = "Hatefi et al., Pruning by explaining revisited, arXiv:2408.12568, 2024"
NORMALISATION = "none"  # relevance as it is
COMBINE = "first"  # all channels of a unit have the unit's own number
NEEDS = ("samples", "labels", "gradients")


def score(network: Network, *, rule: Any = "attnlrp") -> dict[str, Tensor]:
    """Σ over samples and tokens of |Σ over keys of R|, R at the outputs of attention's softmax.

    Half of the relevance of o = s v belongs to s (AttnLRP), so that the sum over keys is half of that over the head's
    channels of o, which the projection reads: no pass has to keep the attention weights. Units that are no heads have
    Σ over samples and positions of |Σ over channels of R| where they are read. `rule`: as of `relevance`.
    """
    scores = {group.name: torch.zeros(group.size, dtype=torch.float64) for group in network.groups}
    halved = {group.name: 0.5 if group.kind == "head" else 1.0 for group in network.groups}
    for found in network.read_relevance(rule):
        for consumer in network.consumers().every:
            unit = found[consumer.layer].double().cpu()[:, consumer.inputs]  # samples × units × channels × positions
            scores[consumer.group] += halved[consumer.group] * unit.sum(2).abs().sum((0, 2))
    return network.scores_of(scores)
