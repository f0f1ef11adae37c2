"""HRank: the average rank, as a matrix, of a filter's feature map after its ReLU."""

import torch
from torch import Tensor

from secateur.ranking.network import Network

PAPER = "Lin et al., HRank: filter pruning using high-rank feature map, CVPR 2020"
NORMALISATION = "l2"  # the paper prunes layer by layer; ranks of larger maps are larger
NEEDS = ("samples",)


def score(network: Network) -> dict[str, Tensor]:
    """Mean over samples of rank(max(a, 0)), height × width; without a map (neurons) 1 where the output is positive."""
    sums = network.zeros()
    for outputs in network.outputs():
        for layer, output in outputs.items():
            shape = network.map_shape(layer)
            maps = output.double().clamp(min=0).reshape(*output.shape[:2], *(shape if len(shape) == 2 else (1, -1)))
            sums[layer] += torch.linalg.matrix_rank(maps).double().sum(0) / network.samples
    return sums
