"""HRank: the average rank, as a matrix, of the feature map that a filter passes on."""

import torch
from torch import Tensor

from secateur.ranking.network import Network

PAPER = "Lin et al., HRank: filter pruning using high-rank feature map, CVPR 2020"
NORMALISATION = "l2"  # the paper prunes layer by layer; ranks of larger maps are larger
NEEDS = ("samples",)


def score(network: Network) -> dict[str, Tensor]:
    """Mean over samples of rank(f), height × width; without a map (neurons) 1 where f is not zero.

    f: the signal passed on (`Network.activations`): after the ReLU, behind the addition at the end of a residual
    branch.
    """
    sums = network.zeros()
    for signals in network.activations():
        for layer, signal in signals.items():
            shape = network.map_shape(layer)
            maps = signal.double().reshape(*signal.shape[:2], *(shape if len(shape) == 2 else (1, -1)))
            sums[layer] += torch.linalg.matrix_rank(maps).double().sum(0) / network.samples
    return sums
