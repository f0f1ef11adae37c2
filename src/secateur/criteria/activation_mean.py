"""Mean activation: how strong the signal is that a filter passes on, whatever the class."""

from torch import Tensor

from secateur.ranking.network import Network

PAPER = "Molchanov et al., Pruning convolutional neural networks for resource efficient inference, ICLR 2017"
NORMALISATION = "l2"  # within a layer: Molchanov et al., section 2.2
NEEDS = ("samples",)


def score(network: Network) -> dict[str, Tensor]:
    """Mean of |f| over samples and positions.

    f: the signal passed on (`Network.activations`): max(a, 0) after a ReLU, behind the addition at the end of a
    residual branch, and of both signs where no non-linearity follows.
    """
    sums = network.zeros()
    for signals in network.activations():
        for layer, signal in signals.items():
            sums[layer] += signal.double().abs().mean(2).sum(0) / network.samples
    return sums
