"""FLAP: how much what a unit gives its readers fluctuates around its mean, which a bias could give in its place."""

import torch
from torch import Tensor

from secateur.errors import SecateurError
from secateur.ranking.network import Network

PAPER = (
    "An et al., Fluctuation-based adaptive structured pruning for large language models, AAAI 2024 (arXiv:2312.11983)"
)
NORMALISATION = "none"  # the paper's own: scores are standardised within a layer
COMBINE = "first"  # all channels of a unit have the unit's own number
NEEDS = ("samples",)


def score(network: Network, *, standardise: bool = True, fold: bool = False) -> dict[str, Tensor]:
    """Σ over consumers and the unit's columns of var(x) · ‖W‖₂², the paper's weighted input feature variance.

    `standardise`: minus the mean over the units that are removed alike, divided by their standard deviation (the
    paper's search for a global structure). `fold`: weights with the batch-norm behind the consumer.
    """
    if not isinstance(standardise, bool):
        raise SecateurError(f"standardise={standardise!r}: allowed are true and false.")
    consumers = network.consumers()
    scores, moments = consumers.zeros(), consumers.moments()
    for consumer in consumers.every:
        variance = moments[consumer.layer].variance[consumer.columns]
        scores[consumer.group] += (consumers.weights(consumer, fold).square().sum(2) * variance).sum(1)
    return network.scores_of({group: _standard(values) if standardise else values for group, values in scores.items()})


def _standard(values: Tensor) -> Tensor:
    """(s − mean) / deviation; zeros where all are the same."""
    deviation = values.std(correction=0)
    return (values - values.mean()) / deviation if deviation > 0 else torch.zeros_like(values)
