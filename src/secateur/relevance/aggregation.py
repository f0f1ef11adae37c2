"""From relevance at every position of every sample to one number per channel."""

from collections.abc import Iterable
from typing import Any

from torch import Tensor

from secateur.errors import SecateurError

AGGREGATIONS = ("sum", "position", "sample")


def aggregate(network: Any, batches: Iterable[dict[str, Tensor]], aggregation: str) -> dict[str, Tensor]:
    """Layer -> float64 relevance per channel, from batches of layer -> samples × channels × positions.

    `aggregation`: "sum" ΣR (sign kept, conserved); "position" Σ|R| (what matters anywhere matters); "sample" Σ over
    samples of |Σ over positions of R| (signs cancel within a sample, never between samples).
    """
    if aggregation not in AGGREGATIONS:
        raise SecateurError(f"aggregation={aggregation!r}: not known. Choose one of {', '.join(AGGREGATIONS)}.")
    sums: dict[str, Tensor] = network.zeros()
    for signals in batches:
        for layer, relevance in signals.items():
            if aggregation == "position":
                relevance = relevance.abs()
            per_sample = relevance.double().sum(2)
            sums[layer] += (per_sample.abs() if aggregation == "sample" else per_sample).sum(0)
    return sums
