"""Bias: what a layer lost on average with the removed inputs goes into its bias.

The mean, over images and positions, of the whole network's response minus the pruned one's, with the layers before it
already repaired. For the first layers that lose inputs this is Σ w · E[x] of the removed inputs x.
"""

from secateur.repair.fitting import mean_missing
from secateur.repair.view import Repair

PAPER = (
    "An et al., Fluctuation-based adaptive structured pruning for large language models, AAAI 2024 (arXiv 2312.11983); "
    "Variance-based pruning (arXiv 2507.12988)"
)


def repair(view: Repair) -> None:
    """Layer by layer in the order of execution. Raises SecateurError for a layer whose response is no affine map."""
    for consumer in view.consumers:
        view.shift(consumer.layer, mean_missing(view.responses(consumer)))
