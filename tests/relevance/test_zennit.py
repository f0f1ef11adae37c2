"""Unit scores against zennit's, architecture by architecture and rule by rule."""

import pytest
import torch
import zennit_relevance
from relevance_oracle import ARCHITECTURES, RULES, difference_from_exact, largest_difference, network, samples

from secateur.ranking.network import Network

QUICK = ["mlp", "squeezenet1_1", "resnet18"]
SLOW = [name for name in ARCHITECTURES if name not in QUICK]
# One rule of each shape: the other rules and composites are combinations of them, and run on the quick architectures.
SHAPES = ["zplus", "epsilon", "alpha2beta1"]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", ["mlp", "squeezenet1_1"])
def test_double_precision(name, rule):
    assert largest_difference(name, rule, torch.float64) < 1e-8


@pytest.mark.parametrize("rule", ["zplus", "epsilon"])
def test_double_precision_with_additions(rule):
    assert largest_difference("resnet18", rule, torch.float64) < 1e-8


@pytest.mark.slow
@pytest.mark.parametrize("rule", SHAPES)
@pytest.mark.parametrize("name", SLOW)
def test_double_precision_of_every_named_architecture(name, rule):
    assert largest_difference(name, rule, torch.float64) < 1e-8


@pytest.mark.slow
@pytest.mark.parametrize("rule", SHAPES)
@pytest.mark.parametrize("name", QUICK)
def test_single_precision(name, rule):
    assert largest_difference(name, rule, torch.float32) < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("rule", SHAPES)
@pytest.mark.parametrize("name", ["resnet50", "mobilenetv2_100", "inception_v3", "convnext_atto"])
def test_single_precision_is_as_near_to_double_as_zennits(name, rule):
    # Where signs cancel, float32 itself is further from the truth than 1e-4: then ours may not be much the worse.
    ours, theirs = difference_from_exact(name, rule)
    assert ours < max(1e-4, 10 * theirs)


@pytest.mark.slow
@pytest.mark.parametrize("first", ["flat", "zbox"])
def test_rules_of_the_input_layer(first):
    model, (inputs, labels) = network("resnet18").double(), samples("resnet18")
    inputs = inputs.double().clamp(-3, 3)
    _, expected = zennit_relevance.relevance(model, inputs, labels, "zplus", "zplus", "ignore", first)
    option = {"rule": "zbox", "low": -3.0, "high": 3.0} if first == "zbox" else "flat"
    (found,) = Network(model, [], inputs, labels).input_relevance({"default": "zplus", "input": option})
    assert float((found - expected).abs().max() / expected.abs().max()) < 1e-8


def test_the_oracle_notices_another_rule():
    model, (inputs, labels) = network("squeezenet1_1").double(), samples("squeezenet1_1")
    expected, _ = zennit_relevance.relevance(model, inputs.double(), labels, "zplus", "zplus", "ignore")
    (found,) = Network(model, ["features.0"], inputs, labels).relevance("zplus", bias="absorb")
    scores = expected["features.0"].transpose(0, 1).flatten(1).sum(1)
    assert float((found["features.0"].sum((0, 2)) - scores).abs().max() / scores.abs().max()) > 1e-3


def test_half_precision_ranks_alike():
    model, (inputs, labels) = network("resnet18"), samples("resnet18")
    layers = [name for name, module in model.named_modules() if isinstance(module, torch.nn.Conv2d)]
    scores = []
    for dtype in (torch.float32, torch.bfloat16):
        (relevance,) = Network(model.to(dtype), layers, inputs, labels).relevance("zplus")
        scores.append(torch.cat([relevance[layer].double().sum((0, 2)) for layer in layers]))
    ranks = torch.stack([score.argsort().argsort() for score in scores]).double()
    assert float(torch.corrcoef(ranks)[0, 1]) > 0.99
