"""Norms, clamps and sums on the way back: a norm's deviation is a constant, a clamp must let 0 through, a sum of
another shape is no sum of branches."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from secateur.errors import SecateurError
from secateur.ranking.network import Network
from secateur.relevance.operators import Convolution

CLASSES = 3


class Between(nn.Module):
    """Two convolutions with a function between them."""

    def __init__(self, between):
        super().__init__()
        self.first, self.head, self.between = nn.Conv2d(2, 4, 3), nn.Linear(64, CLASSES), between

    def forward(self, x):
        return self.head(self.between(self.first(x)).flatten(1))


def relevance_of_first(between, **options):
    torch.manual_seed(0)
    model = Between(between).double().eval()
    inputs, labels = torch.randn(5, 2, 6, 6, dtype=torch.float64), torch.arange(5) % CLASSES
    (found,) = Network(model, ["first"], inputs, labels).relevance(
        {"rule": "epsilon", "epsilon": 1e-12}, start="logit", **options
    )
    return model, inputs, labels, found["first"]


def with_deviation_held(values, groups, weight, bias):
    """Group norm with the mean a signal and the deviation a constant, written out."""
    parts = values.reshape(len(values), groups, -1)
    centred = parts - parts.mean(2, keepdim=True)
    spread = (parts.detach().var(2, unbiased=False, keepdim=True) + 1e-5).sqrt()
    return (centred / spread).reshape(values.shape) * weight.reshape(1, -1, 1, 1) + bias.reshape(1, -1, 1, 1)


WEIGHT, BIAS = torch.tensor([0.5, -1.0, 2.0, 1.5]).double(), torch.tensor([0.1, 0.0, -0.3, 0.2]).double()
MEAN, VARIANCE = torch.zeros(4).double(), torch.ones(4).double()
NORMS = {
    "group": (lambda x: F.group_norm(x, 2, WEIGHT, BIAS), 2),
    "instance": (lambda x: F.instance_norm(x, weight=WEIGHT, bias=BIAS), 4),
    "instance with statistics that are not used": (lambda x: F.instance_norm(x, MEAN, VARIANCE, WEIGHT, BIAS), 4),
}


@pytest.mark.parametrize("name", NORMS)
def test_relevance_through_a_norm_is_signal_times_gradient_with_its_deviation_held(name):
    norm, groups = NORMS[name]
    model, inputs, labels, found = relevance_of_first(norm)
    signal = model.first(inputs).detach().requires_grad_()
    logits = model.head(with_deviation_held(signal, groups, WEIGHT, BIAS).flatten(1))
    assert torch.allclose(logits, model(inputs)), "the same network"
    (gradient,) = torch.autograd.grad(logits[range(5), labels].sum(), signal)
    assert torch.allclose(found.flatten(2), (signal * gradient).flatten(2), atol=1e-8)


def test_a_norm_by_running_statistics_of_instances_is_refused():
    with pytest.raises(SecateurError, match="normalises instances by running statistics"):
        relevance_of_first(lambda x: F.instance_norm(x, MEAN, VARIANCE, use_input_stats=False))


@pytest.mark.parametrize("clamp", [
    lambda x: torch.clamp(x, 0, 6), lambda x: x.clamp(min=0.0), lambda x: torch.clamp(x, -0.5, 0.5),
    lambda x: x.clamp_max(0.0),
])  # fmt: skip
def test_a_clamp_around_0_passes_relevance_on(clamp):
    model, inputs, labels, found = relevance_of_first(clamp)
    signal = model.first(inputs).detach().requires_grad_()
    weights = model.head.weight[labels].reshape(signal.shape)
    assert torch.allclose(found.flatten(2), (clamp(signal) * weights).flatten(2), atol=1e-8)


BY_POSITION = torch.linspace(-1, 0, 4).reshape(1, 4, 1, 1).double()


@pytest.mark.parametrize("clamp", [
    lambda x: torch.clamp(x, 0.5, 6), lambda x: x.clamp(max=-0.1), lambda x: x.clamp_min(1.0),
    lambda x: torch.clamp(x, min=BY_POSITION), lambda x: torch.clamp(x, min=torch.tensor(-1.0).double()),
])  # fmt: skip
def test_a_clamp_that_makes_something_of_0_or_differs_by_position_is_refused(clamp):
    with pytest.raises(SecateurError, match="clamps between bounds that do not contain 0, or that differ by position"):
        relevance_of_first(clamp)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("transposed", [False, True])
def test_a_weight_with_factors_is_the_map_and_then_the_factors(transposed, groups):
    torch.manual_seed(0)
    weight, factors = (
        torch.randn((4, 3, 3, 2) if transposed else (6, 4 // groups, 3, 2)).double(),
        torch.rand(6).double(),
    )
    factors = factors[: 3 * groups] if transposed else factors
    function = F.conv_transpose2d if transposed else F.conv2d
    inputs = torch.randn(2, 4, 5, 5, dtype=torch.float64)
    operator = Convolution((1, 1), (0, 0), (1, 1), transposed, (0, 0), groups)
    expected = function(inputs, weight, groups=groups) * factors.reshape(1, -1, 1, 1)
    assert torch.allclose(function(inputs, operator.scaled(weight, factors), groups=groups), expected)


@pytest.mark.parametrize("additions", ["positive", "absolute"])
def test_a_sum_is_shared_out_between_signals_of_one_shape_alone(additions):
    torch.manual_seed(1)
    whole, by_channel = torch.randn(5, 4, 4, 4).double(), torch.randn(1, 4, 1, 1).double()
    for other, shared in ((whole, True), (by_channel, False)):
        by_value, found = (
            relevance_of_first(lambda x, other=other: x + other, additions=how)[3] for how in ("value", additions)
        )
        assert torch.equal(by_value, found) != shared


@pytest.mark.parametrize("additions", ["positive", "absolute"])
def test_a_difference_is_a_sum_with_the_other_sign_and_a_factor_belongs_to_its_summand(additions):
    torch.manual_seed(1)
    other = torch.randn(5, 4, 4, 4).double()
    for function, summand in (
        (lambda x: x - other, -other), (lambda x: torch.sub(x, other, alpha=2), -2 * other),
        (lambda x: torch.add(x, other, alpha=3), 3 * other),
    ):  # fmt: skip
        found = relevance_of_first(function, additions=additions)[3]
        assert torch.allclose(found, relevance_of_first(lambda x, it=summand: x + it, additions=additions)[3])
    found = relevance_of_first(lambda x: torch.rsub(x, other), additions=additions)[3]
    assert torch.allclose(found, relevance_of_first(lambda x: other + -1 * x, additions=additions)[3])
