"""SNIP: how much the loss depends on each connection of a filter, Σ|w · ∂L/∂w|."""

from torch import Tensor

from secateur.ranking.network import Network

PAPER = "Lee et al., SNIP: single-shot network pruning based on connection sensitivity, ICLR 2019"
NORMALISATION = "none"  # the paper ranks connections of all layers together
NEEDS = ("samples", "labels", "gradients")


def score(network: Network) -> dict[str, Tensor]:
    """Σ|w · Σₙ∂Lₙ/∂w| over a filter's weights: the paper's saliency of a connection, summed over the filter."""
    total: dict[str, Tensor] = {}
    for step in network.weight_gradients():
        for layer, (weight, gradient) in step.items():
            total[layer] = total.get(layer, 0) + weight.double() * gradient.double()
    return {layer: product.abs().sum(1) for layer, product in total.items()}
