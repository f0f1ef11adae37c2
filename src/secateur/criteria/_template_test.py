"""The criterion `_template` on a network small enough to work it out in another way."""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from secateur.ranking import registry
from secateur.ranking.network import Network

criterion = registry.load("_template", [Path(__file__).parent])
LAYERS = ["0", "2"]


def small() -> tuple[nn.Sequential, Tensor, Tensor]:
    """A network, its samples and their labels."""
    torch.manual_seed(0)
    body = nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 5, 3), nn.ReLU()
    model = nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 3)).double()
    return model, torch.randn(6, 1, 8, 8).double(), torch.tensor([0, 1, 2, 0, 1, 2])


def test_it_is_what_its_equation_says() -> None:
    """Σ|a · g|, sample by sample, by plain autograd. Put your own equation here."""
    model, inputs, labels = small()
    found = criterion.score(Network(model, LAYERS, inputs, labels, batch_size=4))
    expected = {"0": torch.zeros(4).double(), "2": torch.zeros(5).double()}
    for sample, label in zip(inputs, labels, strict=True):
        one = model[0](sample[None])
        two = model[2](model[1](one))
        loss = functional.cross_entropy(model[3:](two), label[None])
        for layer, output, gradient in zip(LAYERS, (one, two), torch.autograd.grad(loss, (one, two)), strict=True):
            expected[layer] += (output * gradient).abs().sum((0, 2, 3)).detach()
    for layer in LAYERS:
        assert torch.allclose(found[layer], expected[layer])


def test_it_gives_one_finite_number_a_channel_and_leaves_the_network_as_it_was() -> None:
    """The contract of every criterion."""
    model, inputs, labels = small()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    scores = criterion.score(Network(model, LAYERS, inputs, labels))
    assert {layer: tuple(values.shape) for layer, values in scores.items()} == {"0": (4,), "2": (5,)}
    assert all(bool(values.isfinite().all()) for values in scores.values())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
