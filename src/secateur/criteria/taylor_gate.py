"""Taylor 2019: the squared first-order change of the loss if a gate at a filter's output were closed."""

from torch import Tensor

from secateur.ranking.network import Network

PAPER = "Molchanov et al., Importance estimation for neural network pruning, CVPR 2019"
NORMALISATION = "none"  # the paper compares scores across layers as they are
NEEDS = ("samples", "labels", "gradients")


def score(network: Network) -> dict[str, Tensor]:
    """Mean over samples of (Σ over positions of a·g)². Half of it is Fisher pruning's Δ (Theis et al., 2018)."""
    sums = network.zeros()
    for signals in network.gradients():
        for layer, (output, gradient) in signals.items():
            change = (output.double() * gradient.double()).sum(2)
            sums[layer] += change.square().sum(0) / network.samples
    return sums
