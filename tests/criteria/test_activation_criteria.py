"""Criteria that look at activations: their mean, the share of zeros, the rank of maps."""

import numpy as np
import pytest
import torch
from tests.criteria.networks import signals, view
from torch import nn

from secateur.criteria import activation_mean, apoz, hrank
from secateur.ranking.network import Network


def test_filters_of_the_small_network_are_neither_dead_nor_always_on(model, inputs):
    """What the tests of all criteria rest on: else they would not see what they look for."""
    for output, gradient in signals(model, inputs).values():
        on = (output > 0).double().mean((0, 2))
        assert float(on.min()) > 0.2 and float(on.max()) < 0.8
        assert int((gradient != 0).any(2).sum(0).min()) > 1


def test_activation_criteria_see_what_comes_out_of_the_relu(model, inputs):
    means, active, ranks = (module.score(view(model, inputs)) for module in (activation_mean, apoz, hrank))
    for layer, (output, _) in signals(model, inputs).items():
        after = torch.relu(output)
        assert torch.allclose(means[layer], after.mean((0, 2)))
        assert torch.allclose(active[layer], 1 - (after == 0).double().mean((0, 2)))
        side = round(output.shape[2] ** 0.5)
        maps = after.reshape(*output.shape[:2], side, side).numpy()
        expected = np.mean([[np.linalg.matrix_rank(one) for one in sample] for sample in maps], axis=0)
        assert np.allclose(ranks[layer].numpy(), expected)


def test_a_filter_that_is_exactly_zero_everywhere_is_never_active(model, inputs):
    with torch.no_grad():
        model.two.weight[1], model.two.bias[1] = 0, 0
    for criterion in (activation_mean, apoz, hrank):
        scores = criterion.score(view(model, inputs))["two"]
        assert scores[1] == 0 and scores[0] > 0


def test_hrank_finds_the_rank_of_maps_whose_rank_is_known():
    images = torch.stack([torch.eye(4), torch.ones(4, 4), -torch.ones(4, 4)]).unsqueeze(1).double()
    model = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2)).double()
    nn.init.ones_(model[0].weight)
    assert float(hrank.score(Network(model, ["0"], images))["0"]) == pytest.approx((4 + 1 + 0) / 3)


def test_hrank_of_a_row_of_tokens_is_whether_any_is_on():
    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.head = nn.Linear(1, 2, bias=False), nn.Linear(2, 2)

        def forward(self, x):
            return self.head(torch.relu(self.layer(x)).mean(1))

    model = Tokens().double()
    with torch.no_grad():
        model.layer.weight[:] = torch.tensor([[1.0], [-1.0]])
    tokens = torch.tensor([[[1.0], [2.0], [-3.0]], [[1.0], [1.0], [5.0]]]).double()
    assert hrank.score(Network(model, ["layer"], tokens))["layer"].tolist() == [1, 0.5]
