"""SynFlow: the sum, over all paths through a filter, of the product of the absolute weights along the path."""

from torch import Tensor

from secateur.ranking.network import Network

PAPER = "Tanaka et al., Pruning neural networks without any data by iteratively conserving synaptic flow, NeurIPS 2020"
NORMALISATION = "none"  # synaptic flow is conserved from layer to layer, as relevance is
NEEDS = ()


def score(network: Network) -> dict[str, Tensor]:
    """Σ|w| · ∂R/∂|w| over a filter's weights. The paper's hundred rounds are the retrain branch's rounds here."""
    return {layer: flow.sum(1) for layer, flow in network.synaptic_flow().items()}
