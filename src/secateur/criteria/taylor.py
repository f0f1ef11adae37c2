"""Taylor: the first-order change of the loss if a filter's output became zero, |Σ output · gradient|."""

from torch import Tensor

from secateur.ranking.network import Network
from secateur.relevance.aggregation import magnitude

PAPER = "Molchanov et al., Pruning convolutional neural networks for resource efficient inference, ICLR 2017"
NORMALISATION = "l2"  # within a layer: Molchanov et al., section 2.2
NEEDS = ("samples", "labels", "gradients")


def score(network: Network, *, of: str = "loss", absolute: str = "total") -> dict[str, Tensor]:
    """|Σ a·g|; before a ReLU as after it, for the gradient is zero where the ReLU is.

    `of`: the cross-entropy of the true class ("loss") or its logit ("logit"). `absolute`: taken of the sum over
    samples and positions ("total", as Yeom et al. compare it), of each sample's sum over positions ("sample",
    Molchanov's Θ) or at every position ("position"). Of the logit, by "sample" and without normalisation it is
    `lrp_epsilon` with `start: logit` on ReLU networks.
    """
    passes = network.gradients(of)
    changes = ({layer: a.double() * g.double() for layer, (a, g) in signals.items()} for signals in passes)
    return magnitude(network, changes, absolute)
