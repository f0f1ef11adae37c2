"""GraSP: how much of the gradient's flow is lost with a filter, Σ w · (Hg)."""

from torch import Tensor

from secateur.ranking.network import Network

PAPER = "Wang et al., Picking winning tickets before training by preserving gradient flow, ICLR 2020"
NORMALISATION = "none"  # the paper ranks connections of all layers together
NEEDS = ("samples", "labels", "gradients")


def score(network: Network, *, temperature: float = 200.0) -> dict[str, Tensor]:
    """Σ w · (Hg) over a filter's weights, with its sign: the paper removes what has the largest −w · (Hg).

    g and H are those of the layers that are ranked. `temperature`: logits are divided by it, 200 in the authors' code.
    """
    found = network.hessian_gradient(temperature)
    return {layer: (weight.double() * product.double()).sum(1) for layer, (weight, product) in found.items()}
