"""The small chains: as wide as they are asked to be, and the same network as ever where nobody asks."""

import pytest
import torch
from torch import nn

from secateur.models import build


@pytest.mark.parametrize("name", ["vgg_small", "vgg_bn_small"])
def test_a_small_chain_has_the_channels_that_are_asked_for(name):
    network = build.create({"architecture": name, "arguments": {"channels": [4, 6, 10, 12]}}, 5, 3, seed=1)
    widths = [module.out_channels for module in network.modules() if isinstance(module, nn.Conv2d)]
    assert widths == [4, 6, 10, 12, 12, 12]
    assert network.get_classifier().in_features == network.head_hidden_size == 12
    assert network.eval()(torch.rand(2, 3, 32, 32)).shape == (2, 5)


def test_without_channels_it_is_the_network_that_it_was():
    small = build.create({"architecture": "vgg_small", "arguments": {}}, 5, 1, seed=1)
    told = build.create({"architecture": "vgg_small", "arguments": {"channels": [16, 32, 64, 64]}}, 5, 1, seed=1)
    layers = [(9, 1, 16), (9, 16, 32), (9, 32, 64), (9, 64, 64), (4, 64, 64), (1, 64, 64), (1, 64, 5)]
    counted = sum(positions * inputs * outputs + outputs for positions, inputs, outputs in layers)
    assert sum(value.numel() for value in small.parameters()) == counted
    for (name, one), (other, two) in zip(small.state_dict().items(), told.state_dict().items(), strict=True):
        assert name == other and torch.equal(one, two)
