"""LRP z⁺: the relevance of a filter's output for the true class; |R| per position where a network adds branches."""

from typing import Any

from torch import Tensor

from secateur.ranking.network import Network
from secateur.relevance.aggregation import aggregate

PAPER = "Yeom et al., Pruning by explaining, Pattern Recognition 115, 2021"
NORMALISATION = "none"
"""The paper normalises every criterion but LRP: on a chain z⁺ hands all relevance down, so that every layer sums to the
same. Where branches are added, a layer inside one sums to the branch's share, and other rules keep less or more."""
NEEDS = ("samples", "labels", "gradients")


def score(
    network: Network,
    *,
    rule: Any = "zplus",
    start: str = "one-hot",
    additions: str = "value",
    aggregation: str = "auto",
    bias: str | None = None,
) -> dict[str, Tensor]:
    """Relevance of each filter, summed over positions and samples.

    `rule`, `start`, `additions`, `bias`: as of `Network.relevance`. `aggregation`: "sum" of R, "position" for the sum
    of |R|, "sample" for the sum of each sample's |ΣR|; "auto" is "sum" on chains and "position" on networks with
    additions, as in the authors' code: splitting by value at an addition gives relevance of both signs. The choice
    is theirs, and changes little: on three residual networks the signed sum ranked as well (docs/relevance.md).
    """
    if aggregation == "auto":
        aggregation = "position" if network.has_additions else "sum"
    return aggregate(network, network.relevance(rule, start, additions, bias), aggregation)
