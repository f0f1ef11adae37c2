"""Group norm: all weights that go with a unit, in every layer that it takes channels of, as one squared norm."""

import torch
from torch import Tensor

from secateur.ranking.network import Network

PAPER = "Fang et al., DepGraph: towards any structural pruning, CVPR 2023 (arXiv:2301.12900)"
NORMALISATION = "none"  # the paper's own: relative to the other units that are removed alike
COMBINE = "first"  # all channels of a unit have the unit's own number
NEEDS = ()


def score(network: Network, *, relative: bool = True) -> dict[str, Tensor]:
    """Σ ‖w‖² over the filters that make the unit, its batch-norm factors and the weights that read it; no biases.

    `relative`: divided by the mean over the group's units (the paper's relative score with all units as its N), so
    that groups of more or larger layers do not come last.
    """
    scores = {}
    for group in network.groups:
        norms = torch.stack([part.square().sum(1) for part in network.unit_weights(group)]).sum(0)
        scores[group.name] = norms / norms.mean() if relative and norms.mean() > 0 else norms
    return network.scores_of(scores)
