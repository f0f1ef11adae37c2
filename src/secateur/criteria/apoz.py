"""APoZ: one minus the average percentage of zeros, the share of positions at which a filter is active."""

from torch import Tensor

from secateur.ranking.network import Network

PAPER = "Hu et al., Network trimming: a data-driven neuron pruning approach, arXiv:1607.03250, 2016"
NORMALISATION = "none"  # a share is comparable as it is
NEEDS = ("samples",)


def score(network: Network) -> dict[str, Tensor]:
    """Share of samples and positions with f > 0, f the signal passed on (`Network.activations`).

    After a ReLU, behind the addition at the end of a residual branch, that is one minus the share of zeros. Other
    non-linearities, or none, give hardly any zeros: there it is the share of positive signals.
    """
    sums = network.zeros()
    for signals in network.activations():
        for layer, signal in signals.items():
            sums[layer] += (signal > 0).double().mean(2).sum(0) / network.samples
    return sums
