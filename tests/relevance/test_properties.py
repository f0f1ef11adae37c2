"""What must hold of relevance on any network: conservation, limits, signs, batches without influence, no trace."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from secateur.errors import SecateurError
from secateur.ranking.network import Network

COUNT = 3


@st.composite
def chains(draw, bias=True):
    """A random ReLU chain of convolutions on 2 × 8 × 8 inputs, in double precision, with three classes."""
    torch.manual_seed(draw(st.integers(0, 10**6)))
    layers, channels, size = [], 2, 8
    for _ in range(draw(st.integers(1, 3))):
        groups = draw(st.sampled_from([1, 2]))
        width, kernel, stride = 2 * draw(st.integers(1, 3)), draw(st.integers(1, min(3, size))), draw(st.integers(1, 2))
        padding = draw(st.integers(0, kernel // 2))
        layers.append(nn.Conv2d(channels, width, kernel, stride, padding, groups=groups, bias=bias))
        if draw(st.booleans()) and bias:
            layers.append(nn.BatchNorm2d(width))
            nn.init.uniform_(layers[-1].running_var, 0.5, 2)
            nn.init.normal_(layers[-1].weight)
        layers.append(nn.ReLU(inplace=draw(st.booleans())))
        channels, size = width, (size + 2 * padding - kernel) // stride + 1
        if size > 3 and draw(st.booleans()):
            layers.append(draw(st.sampled_from([nn.MaxPool2d(2), nn.AvgPool2d(2)])))
            size //= 2
    layers += [nn.Flatten(), nn.Linear(channels * size * size, 3, bias=bias)]
    return nn.Sequential(*layers).double().eval()


def view(model, count=COUNT, **options):
    layers = [name for name, module in model.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    inputs = torch.randn(count, 2, 8, 8, dtype=torch.float64)
    return Network(model, layers, inputs, torch.arange(count) % 3, **options)


@given(chains(bias=False))
@settings(max_examples=25, deadline=None)
def test_zplus_conserves_relevance_on_relu_chains(model):
    network = view(model)
    with torch.no_grad():
        features = model[:-1](network._inputs)
    head = model[-1].weight.detach().clamp(min=0)[network._labels]
    # Without any positive contribution to the true class nothing can be handed down; else all of it is, to every layer.
    expected = ((features * head).sum(1) > 1e-6).double()
    (relevance,) = network.relevance({"rule": "zplus", "epsilon": 1e-15})
    for layer in network.layers[:-1]:
        assert torch.allclose(relevance[layer].sum((1, 2)), expected, atol=1e-6)


def test_zplus_conserves_exactly_where_every_unit_is_reached():
    model = nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Conv2d(4, 6, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(24, 3)
    ).double()
    for module in model:
        if hasattr(module, "weight"):
            module.weight.data.abs_()
    network = Network(model, ["0", "2", "5"], torch.rand(4, 2, 8, 8), torch.tensor([0, 1, 2, 0]))
    (relevance,) = network.relevance({"rule": "zplus", "epsilon": 1e-12})
    for layer in relevance.values():
        assert torch.allclose(layer.sum((1, 2)), torch.ones(4, dtype=torch.float64), atol=1e-9)


@given(chains())
@settings(max_examples=25, deadline=None)
def test_epsilon_to_zero_is_gradient_times_output(model):
    network = view(model)
    rule = {"rule": "epsilon", "epsilon": 0.0}
    (relevance,), (gradients,) = network.relevance(rule, start="logit"), network.gradients("logit")
    for layer, (output, gradient) in gradients.items():
        assert torch.allclose(relevance[layer], output * gradient, rtol=1e-8, atol=1e-10)


@given(chains(), st.sampled_from(["one-hot", "logit"]))
@settings(max_examples=25, deadline=None)
def test_zplus_relevance_is_never_negative(model, start):
    network = view(model)
    (outputs,) = network.outputs()
    logits = outputs[network.layers[-1]][:, :, 0]
    non_negative = (logits.gather(1, network._labels.unsqueeze(1))[:, 0] >= 0) | (start == "one-hot")
    (relevance,) = network.relevance("zplus", start=start)
    for layer in relevance.values():
        assert bool((layer[non_negative] >= 0).all())


@given(chains(), st.integers(1, 5), st.permutations(range(5)))
@settings(max_examples=15, deadline=None)
def test_neither_the_batch_size_nor_the_order_matters(model, batch_size, order):
    network = view(model, count=5)
    mixed = Network(
        model, network.layers, network._inputs[list(order)], network._labels[list(order)], batch_size=batch_size
    )
    for ask in (lambda n: n.relevance("alpha2beta1"), lambda n: n.relevance("epsilon"), lambda n: n.outputs()):
        for layer in network.layers:
            whole = torch.cat([batch[layer] for batch in ask(network)])
            parts = torch.cat([batch[layer] for batch in ask(mixed)])
            assert torch.allclose(whole[list(order)], parts, rtol=1e-7, atol=1e-10)


@given(chains(bias=False), st.sampled_from(["zplus", "epsilon", "alpha2beta1", "gamma"]))
@settings(max_examples=20, deadline=None)
def test_a_unit_without_outgoing_weights_has_no_relevance(model, rule):
    network = view(model)
    if len(network.layers) < 2:
        return
    last, before = network.layers[-1], network.layers[-2]
    channels = network.weight(before).shape[0]
    weight = model.get_submodule(last).weight.data.reshape(3, channels, -1)
    weight[:, 0] = 0
    for signals in network.relevance(rule):
        assert float(signals[before][:, 0].abs().max()) == 0
        assert float(signals[before].abs().max()) >= 0


class Residual(nn.Module):
    """Branches added in place, as timm's blocks do it."""

    def __init__(self, in_place, fail=False):
        super().__init__()
        self.stem, self.one, self.two = (nn.Conv2d(c, 4, 3, padding=1) for c in (2, 4, 4))
        self.norm, self.head = nn.BatchNorm2d(4), nn.Linear(4, 3)
        self.dropout, self.in_place, self.fail = nn.Dropout(0.5), in_place, fail
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        self.calls += 1
        x = torch.relu(self.stem(x))
        torch.rand(1)
        y = self.two(F.relu(self.norm(self.one(x)), inplace=self.in_place))
        if self.fail:
            raise ValueError("midway")
        if self.in_place:
            y += x
            y.relu_()
        else:
            y = F.relu(y + x)
        return self.head(self.dropout(y.mean((2, 3))))


@pytest.mark.parametrize("additions", ["value", "positive", "absolute"])
@pytest.mark.parametrize("rule", ["zplus", "epsilon", "alpha2beta1"])
def test_in_place_additions_and_activations_change_nothing(rule, additions):
    torch.manual_seed(0)
    plain = Residual(False).double()
    in_place = Residual(True).double()
    in_place.load_state_dict(plain.state_dict())
    found = []
    for model in (plain, in_place):
        torch.manual_seed(1)
        network = view(model)
        assert network.has_additions
        (relevance,) = network.relevance(rule, additions=additions)
        (gradients,) = network.gradients()
        found.append((relevance, gradients))
    for layer, signal in found[0][0].items():
        assert torch.equal(signal, found[1][0][layer])
        assert all(torch.equal(a, b) for a, b in zip(found[0][1][layer], found[1][1][layer], strict=True))


@pytest.mark.parametrize("additions", ["value", "positive", "absolute"])
def test_an_addition_splits_as_defined(additions):
    model = Residual(False).double()
    network = view(model, count=2)
    (found,) = network.relevance("epsilon", additions=additions, start="logit")
    (outputs,) = network.outputs()
    branch, trunk = outputs["two"], outputs["stem"].clamp(min=0)
    total = branch + trunk
    (logit_gradient,) = network.gradients("logit")
    upper = logit_gradient["two"][1] * total  # what reaches the sum: the classifier is linear in it
    share = {
        "value": branch / total,
        "positive": branch.clamp(min=0) / (branch.clamp(min=0) + trunk + 1e-6),
        "absolute": branch.abs() / (branch.abs() + trunk + 1e-6),
    }[additions]
    expected = torch.where(total > 0, upper * share, 0)
    assert torch.allclose(found["two"], expected, rtol=1e-4, atol=1e-7)


def test_chains_have_no_additions():
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))
    assert not Network(model, ["0"], torch.rand(1, 2, 8, 8)).has_additions


def state_of(model):
    hooks = [(len(m._forward_hooks), len(m._forward_pre_hooks), len(m._backward_hooks)) for m in model.modules()]
    return (
        copy.deepcopy(model.state_dict()),
        [m.training for m in model.modules()],
        [p.requires_grad for p in model.parameters()],
        [p.grad for p in model.parameters()],
        hooks,
        torch.get_rng_state(),
    )


@pytest.mark.parametrize("fail", [False, True], ids=["to the end", "raising midway"])
@pytest.mark.parametrize("ask", ["outputs", "gradients", "relevance", "input_relevance"])
def test_no_trace_is_left(ask, fail):
    model = Residual(True)
    model.train()
    model.norm.eval()
    model.head.weight.requires_grad_(False)
    model.stem.register_forward_hook(lambda module, given, output: output * 1)
    network = view(model.float(), batch_size=2)
    inputs = network._inputs.clone()
    before = state_of(model)
    model.fail = fail
    if fail:
        with pytest.raises(ValueError, match="midway"):
            list(getattr(network, ask)())
    else:
        list(getattr(network, ask)())
    after = state_of(model)
    assert all(torch.equal(before[0][key], after[0][key]) for key in before[0])
    assert before[1:5] == after[1:5]
    assert torch.equal(before[5], after[5])
    assert torch.equal(inputs, network._inputs)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.query, self.key = nn.Linear(8, 8), nn.Linear(8, 8)


class Weights(Attention):
    def forward(self, x):
        return self.key(x) + self.query(x).softmax(-1)


class Exponentials(Attention):
    def forward(self, x):
        return self.query(x).exp()


class Cubes(Attention):
    def forward(self, x):
        return self.query(x) ** 3


class Quotients(Attention):
    def forward(self, x):
        return self.query(x) / self.key(x)


class Deviations(Attention):
    def forward(self, x):
        return self.query(x).std(1, keepdim=True) + self.key(x)


class Sigmoids(Attention):
    def forward(self, x):
        return self.key(torch.sigmoid(self.query(x)))


class Own(Attention):
    class Function(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.exp()

        @staticmethod
        def backward(ctx, gradient):
            return gradient

    def forward(self, x):
        return self.Function.apply(self.query(x))


@pytest.mark.parametrize("part", [Weights, Exponentials, Cubes, Quotients, Deviations, Sigmoids, Own])
def test_what_cannot_be_exact_is_refused_by_name(part):
    class Whole(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.odd, self.head = nn.Conv2d(2, 8, 1), part(), nn.Linear(8, 3)

        def forward(self, x):
            return self.head(self.odd(self.stem(x).flatten(2).transpose(1, 2)).mean(1))

    network = Network(Whole(), ["stem", "head"], torch.rand(2, 2, 4, 4), torch.tensor([0, 1]))
    with pytest.raises(SecateurError, match="odd" if part is not Own else "FunctionBackward"):
        list(network.relevance())
    # A criterion that needs no relevance still works.
    assert all(bool(g.isfinite().all()) for batch in network.gradients() for _, g in batch.values())
