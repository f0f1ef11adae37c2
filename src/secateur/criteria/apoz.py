"""APoZ: one minus the average percentage of zeros, the share of positions at which a filter's ReLU is active."""

from torch import Tensor

from secateur.ranking.network import Network

PAPER = "Hu et al., Network trimming: a data-driven neuron pruning approach, arXiv:1607.03250, 2016"
NORMALISATION = "none"  # a share is comparable as it is
NEEDS = ("samples",)


def score(network: Network) -> dict[str, Tensor]:
    """Share of samples and positions with a > 0."""
    sums = network.zeros()
    for outputs in network.outputs():
        for layer, output in outputs.items():
            sums[layer] += (output > 0).double().mean(2).sum(0) / network.samples
    return sums
