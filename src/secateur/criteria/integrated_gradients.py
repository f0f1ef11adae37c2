"""Integrated gradients: what a filter contributes to the true class's logit on the way from zero to the image."""

from torch import Tensor

from secateur.errors import SecateurError
from secateur.ranking.network import Network

PAPER = (
    "Sundararajan et al., Axiomatic attribution for deep networks, ICML 2017; for inner units Dhamdhere et al., "
    "ICLR 2019; for pruning Hatefi et al., Pruning by explaining revisited, ECCV workshops 2024"
)
NORMALISATION = "none"  # before |·|, contributions of a layer that nothing bypasses sum up to the logit's difference
NEEDS = ("samples", "labels", "gradients")


def score(network: Network, *, tolerance: float = 0.05, steps: int = 16, most: int = 128) -> dict[str, Tensor]:
    """Σ over samples of |Σ over positions and steps of Δa · ∂f/∂a|, by the trapezoidal rule (conductance).

    The way has as many steps as it needs: `steps` (even) and then twice as many, until leaving out every second point
    changes no score by more than `tolerance` of its layer's largest, or the next would be more than `most`. On networks
    for digits that change was 1.3 to 2.1 times what the scores were off from those of 400 steps; at the default they
    were off by 2.3 % (residual, 32 steps) and 1.2 % (chain, 16 steps).
    """
    if steps < 2 or steps % 2 or not tolerance > 0:
        raise SecateurError(f"steps={steps}, tolerance={tolerance}: steps must be even, and both above zero.")
    while True:
        scores, with_half = _conductance(network, steps)
        off = max(float((scores[layer] - with_half[layer]).abs().max() / _largest(scores[layer])) for layer in scores)
        if off <= tolerance or 2 * steps > most:
            return scores
        steps *= 2


def _conductance(network: Network, steps: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The scores by `steps` steps, and by half as many: one point of the way is held at a time, and two before it."""
    sums = network.zeros(), network.zeros()
    way = [network.scaled(step / steps).gradients("logit") for step in range(steps + 1)]
    for start in way[0]:
        totals: tuple[dict[str, Tensor], dict[str, Tensor]] = {}, {}
        before = [start, start]
        for step, points in enumerate(way[1:], 1):
            point = next(points)
            for finer, stride in ((0, 1), (1, 2)):
                if step % stride == 0:
                    for layer in network.layers:
                        part = _trapezoid(before[finer][layer], point[layer])
                        totals[finer][layer] = totals[finer][layer] + part if layer in totals[finer] else part
                    before[finer] = point
        for sum_, total in zip(sums, totals, strict=True):
            for layer in network.layers:
                sum_[layer] += total[layer].abs().sum(0)
    return sums


def _trapezoid(start: tuple[Tensor, Tensor], end: tuple[Tensor, Tensor]) -> Tensor:
    """Σ over positions of Δa times the mean of the slopes at both ends: samples × channels, float64."""
    return ((end[0] - start[0]).double() * (start[1] + end[1]) / 2).sum(2)


def _largest(scores: Tensor) -> float:
    return max(float(scores.max()), 1e-300)
