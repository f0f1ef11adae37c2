"""Wanda, for whole units: how large the weights that read a unit are, each times the norm of what it reads."""

from torch import Tensor

from secateur.ranking.network import Network

PAPER = "Sun et al., A simple and effective pruning approach for large language models, ICLR 2024 (arXiv:2306.11695)"
NORMALISATION = "l2"  # the paper compares the inputs of one output; across layers as `weight`
COMBINE = "first"  # all channels of a unit have the unit's own number
NEEDS = ("samples",)


def score(network: Network, *, fold: bool = False) -> dict[str, Tensor]:
    """Σ over consumers, their outputs and the unit's columns of |W| · ‖x‖₂.

    The paper's score of a single weight (its equation 1), summed over the weights that go with the unit. ‖x‖₂: the root
    of the column's squares summed over positions and averaged over samples, so that their number does not matter.
    `fold`: weights with the batch-norm behind the consumer.
    """
    consumers = network.consumers()
    scores, moments = consumers.zeros(), consumers.moments()
    for consumer in consumers.every:
        read = moments[consumer.layer]
        norms = (read.second * (read.rows / read.samples)).sqrt()[consumer.columns]
        scores[consumer.group] += (consumers.weights(consumer, fold).abs().sum(2) * norms).sum(1)
    return network.scores_of(scores)
