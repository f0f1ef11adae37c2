"""Mean activation: how strongly a filter responds after its ReLU, whatever the class."""

from torch import Tensor

from secateur.ranking.network import Network

PAPER = "Molchanov et al., Pruning convolutional neural networks for resource efficient inference, ICLR 2017"
NORMALISATION = "l2"  # within a layer: Molchanov et al., section 2.2
NEEDS = ("samples",)


def score(network: Network) -> dict[str, Tensor]:
    """Mean of max(a, 0) over samples and positions."""
    sums = network.zeros()
    for outputs in network.outputs():
        for layer, output in outputs.items():
            sums[layer] += output.double().clamp(min=0).mean(2).sum(0) / network.samples
    return sums
