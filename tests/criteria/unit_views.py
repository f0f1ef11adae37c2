"""Views of networks whose units others read, and what is summed over the readers of a unit."""

import numpy as np
import pytest
import torch
from tests.ranking.consumers_by_hand import STRUCTURES, readers

from secateur.pruning.units import layers_of
from secateur.ranking.network import Network

every_structure = pytest.mark.parametrize("name", STRUCTURES)


def view(model, groups, inputs, labels=None, batch_size=2):
    layers = layers_of(groups)
    return Network(model, layers, inputs, labels, batch_size=batch_size, groups=groups)


def of_group(scores, group):
    """A unit's number, which all of its channels have."""
    first = [scores[layer][channels] for layer, channels in group.producers]
    for values in first:
        assert torch.equal(values, first[0][:, :1].expand_as(values))
    return first[0][:, 0].numpy()


def summed(model, group, inputs, of_unit):
    """Σ over the layers that read a group of `of_unit(rows of the unit, its weights that stay)`."""
    total = np.zeros(group.size)
    for _, rows, weight, units in readers(model, group, inputs):
        for unit, (columns, going) in enumerate(units):
            total[unit] += of_unit(rows[:, columns], np.delete(weight[:, columns], going, axis=0))
    return total
