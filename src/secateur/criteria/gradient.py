"""Gradient: |Σ gradient of the loss with respect to a filter's output| over positions and samples."""

from torch import Tensor

from secateur.ranking.network import Network
from secateur.relevance.aggregation import magnitude

PAPER = "Sun et al., meProp, ICML 2017, as compared in Yeom et al., Pattern Recognition 115, 2021"
NORMALISATION = "l2"  # within a layer, as Molchanov et al. (2017) do
NEEDS = ("samples", "labels", "gradients")


def score(network: Network, *, of: str = "loss", absolute: str = "total") -> dict[str, Tensor]:
    """|Σ g| over samples and positions, before the non-linearity.

    `of`: the cross-entropy of the true class ("loss") or its logit ("logit"). `absolute`: taken of the sum over
    samples and positions ("total"), of each sample's sum over positions ("sample") or at every position ("position").
    """
    passes = network.gradients(of)
    return magnitude(network, ({layer: g for layer, (_, g) in signals.items()} for signals in passes), absolute)
