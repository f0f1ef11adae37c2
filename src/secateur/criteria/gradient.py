"""Gradient: |Σ gradient of the loss with respect to a filter's output| over positions and samples."""

from torch import Tensor

from secateur.ranking.network import Network

PAPER = "Sun et al., meProp, ICML 2017, as compared in Yeom et al., Pattern Recognition 115, 2021"
NORMALISATION = "l2"  # within a layer, as Molchanov et al. (2017) do
NEEDS = ("samples", "labels", "gradients")


def score(network: Network, *, of: str = "loss") -> dict[str, Tensor]:
    """|Σ g| over samples and positions, before the non-linearity.

    `of`: the cross-entropy of the true class ("loss") or its logit ("logit").
    """
    sums = network.zeros()
    for signals in network.gradients(of):
        for layer, (_, gradient) in signals.items():
            sums[layer] += gradient.double().sum((0, 2))
    return {layer: total.abs() for layer, total in sums.items()}
