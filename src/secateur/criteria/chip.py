"""CHIP: how much the map that a filter passes on adds to what the other filters' maps of its layer span."""

import torch
from torch import Tensor

from secateur.ranking.network import Network

PAPER = "Sui et al., CHIP: channel independence-based pruning for compact neural networks, NeurIPS 2021"
NORMALISATION = "l2"  # the paper prunes layer by layer; norms of larger maps are larger
NEEDS = ("samples",)
MOST = 1 << 24
"""Numbers in the matrices whose eigenvalues are taken at a time."""


def score(network: Network) -> dict[str, Tensor]:
    """Mean over samples of ‖A‖* − ‖A without its row i‖*, A the channels × positions that a layer passes on.

    ‖·‖*: the nuclear norm, the sum of singular values (here by way of the smaller of A Aᵀ and Aᵀ A: to eight digits of
    the largest). A: after the ReLU (`Network.activations`).
    """
    sums = network.zeros()
    for signals in network.activations():
        for layer, signal in signals.items():
            for maps in signal.double():
                sums[layer] += _independence(maps) / network.samples
    return sums


def _independence(maps: Tensor) -> Tensor:
    """The nuclear norm of channels × positions, less that without each of its rows: one number a channel."""
    channels, positions = maps.shape
    found = []
    side = min(channels, positions)
    gram = maps @ maps.T if channels <= positions else maps.T @ maps
    for rows in torch.arange(channels, device=maps.device).split(max(1, MOST // side**2)):
        without = gram.repeat(len(rows) + 1, 1, 1)
        if channels <= positions:
            places = torch.arange(len(rows), device=maps.device)
            without[places, rows, :], without[places, :, rows] = 0, 0
        else:
            without[:-1] -= maps[rows].unsqueeze(2) * maps[rows].unsqueeze(1)
        norms = torch.linalg.eigvalsh(without).clamp_min(0).sqrt().sum(1)  # the last one's: nothing is left out
        found.append(norms[-1] - norms[:-1])
    return torch.cat(found)
