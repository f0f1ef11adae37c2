"""FPGM: a filter's distances to all others of its layer; near the geometric median it can be replaced by them."""

import torch
from torch import Tensor

from secateur.ranking.network import Network

PAPER = "He et al., Filter pruning via geometric median for deep CNN acceleration, CVPR 2019"
NORMALISATION = "l2"  # the paper prunes every layer alike; across layers as `weight`
NEEDS = ()


def score(network: Network) -> dict[str, Tensor]:
    """Σⱼ ‖wᵢ − wⱼ‖₂ over the filters j of the same layer, without batch-norm and bias."""
    weights = {layer: network.weight(layer, fold=False).double() for layer in network.layers}
    return {layer: torch.cdist(weight, weight).sum(1) for layer, weight in weights.items()}
