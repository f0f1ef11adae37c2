"""Fisher (OBD's diagonal): ½ Σ w² F, the second-order change of the loss, with the empirical Fisher for the Hessian."""

from torch import Tensor

from secateur.ranking.network import Network

PAPER = "LeCun et al., Optimal brain damage, NeurIPS 1989; Theis et al., Faster gaze prediction, arXiv:1801.05787, 2018"
NORMALISATION = "none"  # a change of the loss is comparable as it is
NEEDS = ("samples", "labels", "gradients")


def score(network: Network) -> dict[str, Tensor]:
    """½ Σ w² · mean over samples of (∂Lₙ/∂w)² over a filter's weights; one gradient pass a sample."""
    sums = network.zeros()
    for step in network.weight_gradients(samples=1):
        for layer, (weight, gradient) in step.items():
            sums[layer] += (weight.double() * gradient.double()).square().sum(1) / (2 * network.samples)
    return sums
