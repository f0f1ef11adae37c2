"""Weight (l2): the Euclidean norm of a filter's weights."""

from torch import Tensor

from secateur.ranking.network import Network

PAPER = "He et al., Soft filter pruning for accelerating deep convolutional neural networks, IJCAI 2018"
NORMALISATION = "l2"  # the paper prunes every layer alike; across layers as `weight`
NEEDS = ()


def score(network: Network, *, fold: bool = False) -> dict[str, Tensor]:
    """√Σw² of each filter; the bias does not count. `fold`: with the batch-norm after it folded in."""
    return {layer: network.weight(layer, fold=fold).double().norm(dim=1) for layer in network.layers}
