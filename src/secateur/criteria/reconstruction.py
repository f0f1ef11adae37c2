"""ThiNet: the readers' responses once a unit is gone with those that went before it, each the one that costs least."""

import math

import torch
from torch import Tensor

from secateur.ranking.network import Network
from secateur.relevance.passes import choose

PAPER = "Luo et al., ThiNet: a filter level pruning method for deep neural network compression, ICCV 2017"
NORMALISATION = "none"  # errors are relative to what the units give
COMBINE = "first"  # all channels of a unit have the unit's own number
NEEDS = ("samples",)


def score(network: Network, *, compare: str = "error", fold: bool = False) -> dict[str, Tensor]:
    """The place of a unit in the paper's greedy order (algorithm 1), as the squared error of the responses then.

    Within a group of units, the next to go is the one with which the squared change of all consumers' responses, over
    all rows and outputs, is smallest. `compare`: how groups are compared, which the paper leaves open, as it prunes
    every layer alike. "error": by that change, divided by the sum of what each unit gives alone, never falling along
    the order; "order": by the place itself, from 0 to 1. `fold`: weights with the batch-norm behind the consumer.
    """
    choose("compare", compare, ("error", "order"))
    consumers = network.consumers()
    given = {name: torch.zeros(len(zeros), len(zeros)).double() for name, zeros in consumers.zeros().items()}
    for consumer, read in consumers.grams():
        given[consumer.group] += read.responses(consumer.columns, consumers.weights(consumer, fold))
    scores = consumers.zeros()
    for name, together in given.items():
        order, errors = greedy(together)
        total = float(together.diagonal().sum())
        last = 0.0
        for place, (unit, error) in enumerate(zip(order, errors, strict=True)):
            relative = error / total if total else 0.0
            # Where the error falls, the next number above the last one keeps the order.
            last = relative if relative >= last else math.nextafter(last, math.inf)
            scores[name][unit] = (place + 0.5) / len(order) if compare == "order" else last
    return network.scores_of(scores)


def greedy(together: Tensor) -> tuple[list[int], list[float]]:
    """The order in which units go, and the error once each has gone.

    `together` (units × units): the error of a set is the sum over its pairs, each unit with itself included.
    """
    left = torch.ones(len(together), dtype=torch.bool)
    cost, error = together.diagonal().clone(), 0.0
    order, errors = [], []
    for _ in range(len(together)):
        unit = int(torch.where(left, cost, math.inf).argmin())
        error += float(cost[unit])
        left[unit] = False
        cost += 2 * together[unit]
        order.append(unit)
        errors.append(max(error, 0.0))
    return order, errors
