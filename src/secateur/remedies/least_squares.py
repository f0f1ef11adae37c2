"""Least squares: the weights that a layer has left are fitted anew to the whole network's response.

Layer by layer in the order of execution, on inputs that are already repaired, by ridge regression towards the weights
as they are; the bias is fitted with them.
"""

import torch

from secateur.errors import SecateurError
from secateur.repair.fitting import sums
from secateur.repair.view import Repair

PAPER = (
    "He et al., Channel pruning for accelerating very deep neural networks, ICCV 2017; Luo et al., ThiNet, ICCV 2017; "
    "CORP (arXiv 2602.05243)"
)


def repair(view: Repair, *, ridge: float = 1e-3) -> None:
    """`ridge`: weight of the distance to the present weights, in units of the inputs' mean variance; at least 0.

    Raises SecateurError for a layer whose response is no affine map, and for a negative ridge.
    """
    if not ridge >= 0:
        raise SecateurError(f"remedy 'least_squares': ridge is {ridge!r}; allowed are numbers from 0 on.")
    for consumer in view.consumers:
        totals = sums(view.responses(consumer), view.whole.batches)
        changes, shifts = zip(*(total.ridge_solution(ridge) for total in totals), strict=True)
        weight = view.pruned.get_submodule(consumer.layer).get_parameter("weight")
        with torch.no_grad():
            weight.add_(torch.cat(changes).reshape(weight.shape).to(weight.device, weight.dtype))
        view.shift(consumer.layer, torch.cat(shifts))
