"""Variance: how much the signal that a filter passes on varies; a constant one can go into the next layer's bias."""

from torch import Tensor

from secateur.ranking.network import Network

PAPER = "Berisha et al., Variance-based pruning for accelerating and compressing trained networks, ICCV 2025"
NORMALISATION = "none"  # the paper compares variances of all layers as they are
NEEDS = ("samples",)


def score(network: Network) -> dict[str, Tensor]:
    """Variance of f over samples and positions, f the signal passed on (`Network.activations`); arXiv:2507.12988.

    The paper measures it behind the non-linearity, as here. Folding the mean into the next layer's bias is the remedy
    `bias`.
    """
    totals, squares, counts = network.zeros(), network.zeros(), dict.fromkeys(network.layers, 0)
    for signals in network.activations():
        for layer, signal in signals.items():
            values = signal.double()
            totals[layer] += values.sum((0, 2))
            squares[layer] += values.square().sum((0, 2))
            counts[layer] += values.shape[0] * values.shape[2]
    return {
        layer: (squares[layer] / counts[layer] - (totals[layer] / counts[layer]).square()).clamp_min(0)
        for layer in network.layers
    }
