"""LRP ε: a filter's absolute relevance for the true class, by sample; from the logit it is Taylor of the logit."""

from torch import Tensor

from secateur.ranking.network import Network
from secateur.relevance.aggregation import aggregate

PAPER = "Bach et al., On pixel-wise explanations by layer-wise relevance propagation, PLoS ONE 10(7), 2015"
NORMALISATION = "none"
"""As for LRP z⁺, so that rules differ in the rule alone; not because of conservation: biases absorb relevance here, and
absolute values of both signs sum to something else in every layer."""
NEEDS = ("samples", "labels", "gradients")


def score(
    network: Network, *, epsilon: float = 1e-6, start: str = "one-hot", aggregation: str = "sample"
) -> dict[str, Tensor]:
    """Σ over samples of |Σ over positions of R|.

    `epsilon`: the stabiliser (bigger: less of the relevance of outputs that nearly cancel). `start`: as of
    `Network.relevance`. `aggregation`: "sample" (default: the ε rule's relevance has both signs, and samples must not
    cancel), "sum" or "position".

    With `start="logit"` and ε → 0 this is Taylor of the true class's logit, per sample and not normalised, on networks
    of ReLUs: R = a·∂f/∂a there. The default start divides each sample's part by its logit.
    """
    rule = {"rule": "epsilon", "epsilon": epsilon}
    return aggregate(network, network.relevance(rule, start), aggregation)
