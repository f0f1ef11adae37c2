"""The Hessian's product with the gradient, that GraSP looks at."""

import torch
from torch import nn

from secateur.ranking.network import Network


def test_the_hessian_is_of_the_loss_as_it_is_where_no_temperature_is_given():
    torch.manual_seed(0)
    model, images = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double(), torch.randn(5, 3).double()
    network = Network(model.eval(), ["0", "2"], images, torch.tensor([0, 1, 0, 1, 1]))
    plain, one, two = network.hessian_gradient(), network.hessian_gradient(1.0), network.hessian_gradient(2.0)
    for layer in network.layers:
        assert torch.equal(plain[layer][1], one[layer][1]) and not torch.allclose(plain[layer][1], two[layer][1])
