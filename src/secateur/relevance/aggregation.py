"""From relevance, or any signal, at every position of every sample to one number per channel."""

from collections.abc import Iterable
from typing import Any

from torch import Tensor

from secateur.relevance.passes import choose

AGGREGATIONS = ("sum", "position", "sample")
ABSOLUTE = {"total": "sum", "sample": "sample", "position": "position"}
"""Where first-order criteria take the absolute value → the aggregation before it."""


def aggregate(network: Any, batches: Iterable[dict[str, Tensor]], aggregation: str) -> dict[str, Tensor]:
    """Layer -> float64 relevance per channel, from batches of layer -> samples × channels × positions.

    `aggregation`: "sum" ΣR (sign kept, conserved); "position" Σ|R| (what matters anywhere matters); "sample" Σ over
    samples of |Σ over positions of R| (signs cancel within a sample, never between samples).
    """
    choose("aggregation", aggregation, AGGREGATIONS)
    sums: dict[str, Tensor] = network.zeros()
    for signals in batches:
        for layer, relevance in signals.items():
            if aggregation == "position":
                relevance = relevance.abs()
            per_sample = relevance.double().sum(2)
            sums[layer] += (per_sample.abs() if aggregation == "sample" else per_sample).sum(0)
    return sums


def magnitude(network: Any, batches: Iterable[dict[str, Tensor]], absolute: str) -> dict[str, Tensor]:
    """Layer -> float64 size of a signal per channel, at least 0, from batches of signals as of `aggregate`.

    `absolute`: of what the absolute value is taken, the sum over samples and positions ("total": |ΣΣ|), each sample's
    sum over positions ("sample": Σ|Σ|), or every number ("position": ΣΣ|·|).
    """
    choose("absolute", absolute, tuple(ABSOLUTE))
    return {layer: total.abs() for layer, total in aggregate(network, batches, ABSOLUTE[absolute]).items()}
