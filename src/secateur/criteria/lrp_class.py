"""Class-conditional LRP: a filter is as important as it is to the class that needs it most."""

import torch
from torch import Tensor

from secateur.errors import SecateurError
from secateur.ranking.network import Network
from secateur.relevance.aggregation import aggregate
from secateur.relevance.passes import choose

PAPER = "Achtibat et al., From attribution maps to human-understandable explanations, Nat. Mach. Intell. 5, 2023"
NORMALISATION = "none"  # as for `lrp_epsilon`, for the same reason; a maximum over classes conserves nothing either
NEEDS = ("samples", "labels", "gradients")
REDUCTIONS = {"max": "amax", "mean": "mean", "min": "amin"}


def score(
    network: Network,
    *,
    rule: str = "epsilon",
    start: str = "one-hot",
    aggregation: str = "sample",
    over_classes: str = "max",
    classes: tuple[int, ...] = (),
) -> dict[str, Tensor]:
    """Maximum over the classes of the mean over a class's samples of |Σ over positions of R|.

    `rule`, `start`, `aggregation`: as of `lrp`, with other defaults. `over_classes`: "max", "mean" or "min". `classes`:
    those that count (their indices); all where empty, so that naming some asks what only these classes need.
    """
    choose("over_classes", over_classes, tuple(REDUCTIONS))
    found = []
    for label, part in network.classes():
        if not classes or label in classes:
            totals = aggregate(part, part.relevance(rule, start), aggregation)
            found.append({layer: total / part.samples for layer, total in totals.items()})
    if not found:
        raise SecateurError(f"classes={list(classes)}: no reference sample is of these classes.")
    stacked = {layer: torch.stack([scores[layer] for scores in found]) for layer in network.layers}
    return {layer: getattr(scores, REDUCTIONS[over_classes])(0) for layer, scores in stacked.items()}
