"""Every rule on small chains against the rules written out contribution by contribution."""

import pytest
import torch
from torch import nn

from relevance_by_hand import chain_relevance
from secateur.ranking.network import Network
from secateur.relevance import rules

CHAINS = {
    "stride and padding": lambda: [
        nn.Conv2d(2, 4, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(4, 3, 3, padding="same", dilation=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(27, 3),
    ],
    "groups and depthwise, signed": lambda: [
        nn.Conv2d(2, 4, 3, groups=2),
        nn.SiLU(),
        nn.Conv2d(4, 8, 2, groups=4, padding="same"),
        nn.Conv2d(8, 4, 1),
        nn.GELU(),
        nn.Flatten(),
        nn.Linear(36, 3),
    ],
    "pooling": lambda: [
        nn.Conv2d(2, 4, 2, bias=False),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 4, 2, padding=1),
        nn.LeakyReLU(0.1),
        nn.Flatten(),
        nn.Linear(36, 3),
    ],
    "transposed": lambda: [
        nn.ConvTranspose2d(2, 4, 2, stride=2, groups=2),
        nn.ReLU6(),
        nn.Conv2d(4, 2, 3, stride=3),
        nn.Tanh(),
        nn.Flatten(),
        nn.Linear(18, 3),
    ],
    "one dimension of position": lambda: [
        nn.Flatten(2),
        nn.Conv1d(2, 4, 3, stride=2),
        nn.Hardswish(),
        nn.ConvTranspose1d(4, 3, 2, bias=False),
        nn.Flatten(),
        nn.Linear(39, 3),
    ],
}


def relative(found, expected):
    return float((found - expected).abs().max() / expected.abs().max())


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("absorb", [True, False], ids=["absorb", "ignore"])
@pytest.mark.parametrize("rule", ["zplus", "alpha2beta1", "epsilon", "gamma"])
@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("block", [2**20, 10], ids=["whole", "in parts"])
def test_every_layer_and_the_input(chain, rule, absorb, block, monkeypatch):
    monkeypatch.setattr(rules, "_LINEAR_BLOCK", block)
    monkeypatch.setattr(rules, "_CONVOLUTION_BLOCK", block)
    layers = CHAINS[chain]()
    model = nn.Sequential(*layers).double().eval()
    inputs = torch.randn(2, 2, 5, 5, dtype=torch.float64)
    names = [str(i) for i, layer in enumerate(layers) if hasattr(layer, "weight")]
    network = Network(model, names, inputs, torch.tensor([2, 0]))
    bias = "absorb" if absorb else "ignore"
    (found,) = network.relevance(rule, bias=bias)
    (at_input,) = network.input_relevance(rule, bias=bias)
    for sample, label in enumerate([2, 0]):
        expected = chain_relevance(layers, inputs[sample : sample + 1], label, [rule] * len(layers), absorb)
        for name in names:
            assert relative(found[name][sample].flatten(), expected[int(name) + 1].flatten()) < 1e-9
        assert relative(at_input[sample], expected[0][0]) < 1e-9


@pytest.mark.parametrize("first", ["flat", "zbox"])
def test_rules_of_the_input_layer(first):
    layers = CHAINS["stride and padding"]()
    model = nn.Sequential(*layers).double().eval()
    inputs = torch.rand(1, 2, 5, 5, dtype=torch.float64) * 6 - 3
    network = Network(model, ["0", "2", "5"], inputs, torch.tensor([1]))
    option = {"rule": "zbox", "low": -3.0, "high": [3.0, 3.0]} if first == "zbox" else first
    (found,) = network.input_relevance({"default": "zplus", "input": option})
    expected = chain_relevance(layers, inputs, 1, [first, "", "zplus", "", "", "zplus"], absorb=False)
    assert relative(found, expected[0]) < 1e-9


def test_a_composite_of_depths():
    layers = [nn.Linear(6, 6), nn.ReLU()] * 1
    for _ in range(3):
        layers += [nn.Linear(6, 6), nn.ReLU()]
    layers.append(nn.Linear(6, 3))
    model = nn.Sequential(*layers).double().eval()
    inputs = torch.randn(1, 6, dtype=torch.float64)
    network = Network(model, ["0", "2", "4", "6", "8"], inputs, torch.tensor([0]))
    composite = {"first": "zplus", "middle": "gamma", "last": "alpha2beta1", "classifier": {"linear": "epsilon"}}
    (found,) = network.relevance(composite, bias="absorb")
    by_layer = ["zplus", "", "gamma", "", "gamma", "", "alpha2beta1", "", "epsilon"]
    expected = chain_relevance(layers, inputs, 0, by_layer, absorb=True)
    for name in ("0", "2", "4", "6"):
        assert relative(found[name][0].flatten(), expected[int(name) + 1].flatten()) < 1e-9


@pytest.mark.parametrize("rule", ["zplus", "alpha2beta1", "epsilon"])
def test_every_start_is_a_sum_of_one_hot_starts(rule):
    layers = CHAINS["pooling"]()
    model = nn.Sequential(*layers).double().eval()
    inputs = torch.randn(1, 2, 5, 5, dtype=torch.float64)
    names = ["0", "3"]

    def relevance(label, start):
        (found,) = Network(model, names, inputs, torch.tensor([label])).relevance(rule, start=start)
        return found

    from_class = [relevance(label, "one-hot") for label in range(3)]
    logits = model(inputs).detach().requires_grad_()
    (slopes,) = torch.autograd.grad(logits.softmax(1)[0, 1], logits)  # of the true class's probability
    for name in names:
        contrast = sum(float(slopes[0, label]) * from_class[label][name] for label in range(3))
        assert relative(relevance(1, "softmax-contrast")[name], contrast) < 1e-9
        assert relative(relevance(1, "logit")[name], float(logits[0, 1]) * from_class[1][name]) < 1e-9
