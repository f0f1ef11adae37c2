"""Random: every filter gets a uniform random number; what pruning costs when nothing is known."""

import torch
from torch import Tensor

from secateur.ranking.network import Network

NORMALISATION = "none"
COMBINE = "first"  # every unit the same chance: a sum of random numbers would spare the units that many layers produce
NEEDS = ()


def score(network: Network) -> dict[str, Tensor]:
    """Numbers from [0, 1), drawn layer by layer from the criterion's own random stream."""
    return {
        layer: torch.rand(len(zeros), dtype=torch.float64, generator=network.generator).to(zeros.device)
        for layer, zeros in network.zeros().items()
    }
