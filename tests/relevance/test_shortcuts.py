"""What the way back takes for known instead of computing it: the signs behind a ReLU, and what an activation gave."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from secateur.ranking.network import Network
from secateur.relevance import functions
from secateur.relevance.functions import Activation
from secateur.relevance.vocabulary import FACTORS


class Negated(nn.Module):
    """What ReLUs give, made negative or NaN by `change` before the next layer reads it."""

    def __init__(self, change):
        super().__init__()
        self.first, self.second, self.head = nn.Conv2d(2, 4, 3), nn.Conv2d(4, 4, 3), nn.Linear(4, 3)
        self.change = change

    def forward(self, x):
        x = F.relu(self.first(x))
        return self.head(F.relu(self.second(self.change(x)).mean((2, 3))))


CHANGES = {
    "nothing": lambda x: x,
    "in place": lambda x: x.mul_(-1),
    "another function": lambda x: x - 0.5,
    "a view": lambda x: x.flip(1).neg(),
    "shrunk": lambda x: F.leaky_relu(-x, 0.5),
    "negative zeros": lambda x: F.relu(torch.where(x > 0.1, x, -0.0)),
    "not a number": lambda x: F.relu(torch.where(x > 0.3, torch.nan, x)),
}


def looked_up(monkeypatch, model, rule, always):
    """Relevance with the signs of all inputs looked up, or only where their maker leaves them open."""
    with monkeypatch.context() as patch:
        if always:
            patch.setattr(functions, "RELU", "no such maker")
        network = Network(model.double(), ["first", "second"], torch.randn(3, 2, 8, 8), torch.arange(3))
        (relevance,) = network.relevance(rule)
    return relevance


@pytest.mark.parametrize("rule", ["zplus", "alpha2beta1", "gamma", "epsilon"])
@pytest.mark.parametrize("change", CHANGES)
def test_signs_that_are_known_are_those_that_are_found(monkeypatch, change, rule):
    model, found = Negated(CHANGES[change]), []
    for always in (True, False):
        torch.manual_seed(1)
        found.append(looked_up(monkeypatch, model, rule, always))
    for layer, expected in found[0].items():
        assert torch.equal(found[1][layer].nan_to_num(nan=7), expected.nan_to_num(nan=7))


def test_signs_taken_for_known_where_they_are_not_would_be_seen(monkeypatch):
    model, found = Negated(CHANGES["another function"]), []
    for maker in (functions.RELU, "SubBackward0"):
        torch.manual_seed(1)
        monkeypatch.setattr(functions, "RELU", maker)
        found.append(looked_up(monkeypatch, model, "zplus", False)["first"])
    assert not torch.allclose(*found)


def test_after_a_relu_no_sign_is_looked_up():
    class Looks(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            del types
            found.append(str(function))
            return function(*args, **(kwargs or {}))

    for change, expected in (("nothing", 1), ("another function", 2)):
        network = Network(Negated(CHANGES[change]), ["first", "second"], torch.randn(3, 2, 8, 8), torch.arange(3))
        found: list[str] = []
        with Looks():
            list(network.relevance("zplus"))
        # One for the head's input, a mean; the first layer hands nothing down.
        assert sum("amin" in name for name in found) == expected


SPECIAL = [0.0, -0.0, 1e-30, -1e-30, 5e-8, -5e-8, 1e-3, -1e-3, 0.5, -0.5, 3.0, -3.0, 40.0, -40.0]


@pytest.mark.parametrize("name", sorted(FACTORS - {"softshrink", "hardshrink", "tanhshrink"}))
def test_the_factor_of_an_activation_is_its_quotient_and_its_slope_at_zero(name):
    function = getattr(F, name, None) or getattr(torch, name)
    inputs = torch.tensor(SPECIAL, requires_grad=True)
    (factor,) = torch.autograd.grad(Activation.apply(inputs, function).sum(), inputs)
    exact = inputs.detach().double()
    quotient = function(exact) / exact
    beside = torch.tensor(1e-7, dtype=torch.float64)
    expected = torch.where(exact == 0, function(beside) / beside, quotient)
    assert torch.allclose(factor.double(), expected, rtol=1e-4, atol=1e-6)


def test_relevance_of_what_is_no_number_is_no_number():
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.SiLU(), nn.Conv2d(4, 4, 3), nn.Flatten(), nn.Linear(64, 3)).double()
    inputs = torch.randn(2, 2, 8, 8, dtype=torch.float64)
    inputs[0, 0, 4, 4] = torch.inf
    (relevance,) = Network(model, ["0", "2"], inputs, torch.arange(2)).relevance("epsilon")
    for layer in relevance.values():
        assert not layer[0].isfinite().all() and layer[1].isfinite().all()
