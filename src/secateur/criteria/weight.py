"""Weight: the sum of the absolute weights of a filter."""

from torch import Tensor

from secateur.ranking.network import Network

PAPER = "Li et al., Pruning filters for efficient ConvNets, ICLR 2017"
# Layers differ in the size of their weights: filters are compared across layers as in Molchanov et al. (2017).
NORMALISATION = "l2"
NEEDS = ()


def score(network: Network, *, fold: bool = False) -> dict[str, Tensor]:
    """Σ|w| of each filter; the bias does not count.

    `fold`: take the weights together with the batch-norm after them, so that the score is that of the map that is
    removed. Without it (default) the filter's own weights count, as in the papers, though a batch-norm rescales its
    output.
    """
    return {layer: network.weight(layer, fold=fold).double().abs().sum(1) for layer in network.layers}
