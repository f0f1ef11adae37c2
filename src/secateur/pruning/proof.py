"""Evidence that a removal was right: outputs as under the mask, counts as predicted, and a network that trains."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from secateur.models import devices
from secateur.pruning.counting import Counts, count
from secateur.pruning.masking import largest_difference
from secateur.pruning.prediction import Predictor
from secateur.pruning.removal import remove
from secateur.pruning.units import UnitGroup

TOLERANCE = 1e-5  # of the largest output, for float32: rounding differs as sums are taken over fewer terms


class Evidence(NamedTuple):
    """What was found about one removal; `difference` is relative to the largest output."""

    difference: float
    predicted: Counts
    counted: Counts
    trains: bool

    @property
    def holds(self) -> bool:
        """Whether outputs, counts and training are all as they must be."""
        return self.difference <= TOLERANCE and self.predicted == self.counted and self.trains


def prove(
    model: nn.Module, groups: Sequence[UnitGroup], selection: Mapping[str, Sequence[int]], inputs: Tensor
) -> Evidence:
    """Remove `selection` from `model` and hold the result against the oracle, on `inputs` (at least two samples).

    Three things are checked: the pruned network's outputs equal the whole network's with the same units silent; its
    parameters and MACs are what the shapes alone predict; and a training step's backward pass reaches every parameter
    with finite gradients. `model` is left as it was.
    """
    pruned = remove(model, groups, selection)
    difference = largest_difference(model, pruned, groups, selection, inputs)
    size = tuple(inputs.shape[1:])
    predicted = Predictor(model, groups, size).counts(selection)
    counted = count(pruned, size)
    pruned.train()
    with devices.fork_rng():  # dropout draws
        pruned(inputs).square().mean().backward()
    gradients = [parameter.grad for parameter in pruned.parameters() if parameter.requires_grad]
    trains = all(gradient is not None and bool(torch.isfinite(gradient).all()) for gradient in gradients)
    return Evidence(difference, predicted, counted, trains)
