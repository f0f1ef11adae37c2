"""Relevance through attention: one block number by number, every family, and both ways of computing it."""

import pytest
import torch
from attention_networks import FAMILIES, fused, image_size, network
from benchmarks import graph_relevance
from hypothesis import given, settings
from hypothesis import strategies as st
from timm.layers.grn import GlobalResponseNorm
from torch import nn
from torch.nn import functional as F

from attention_by_hand import Block, block_relevance
from secateur.errors import SecateurError
from secateur.ranking.network import Network
from secateur.relevance.composites import assign, depths

RULES = {"cp": "cp-lrp", "attnlrp": "attnlrp"}


def relative(found, expected):
    return float((found - expected).abs().max() / expected.abs().max())


def layers_of(model):
    return [name for name, module in model.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)]


@settings(max_examples=6, deadline=None)
@given(
    rule=st.sampled_from(list(RULES)),
    heads=st.sampled_from([1, 2, 4]),
    tokens=st.integers(2, 4),
    fused=st.booleans(),
    seed=st.integers(0, 10**6),
)
def test_one_block_number_by_number(rule, heads, tokens, fused, seed):
    torch.manual_seed(seed)
    model = Block(4, heads, tokens, fused=fused).double().eval()
    inputs = torch.randn(2, tokens, 4, dtype=torch.float64)
    view = Network(model, ["qkv", "proj"], inputs, torch.tensor([1, 2]))
    composite = {"default": {"rule": "epsilon", "epsilon": 1e-9}, "attention": rule}
    (found,), (at_input,) = view.relevance(composite), view.input_relevance(composite)
    for sample, label in enumerate([1, 2]):
        expected = block_relevance(model, inputs[sample], label, rule, 1e-9)
        assert relative(found["qkv"][sample].T, expected["qkv"]) < 1e-8
        assert relative(found["proj"][sample].T, expected["proj"]) < 1e-8
        assert relative(at_input[sample], expected[""]) < 1e-8


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_as_by_the_gradient_put_right(family, rule):
    model = network(family)
    size = image_size(family)
    inputs, labels = torch.rand(2, 3, size, size, dtype=torch.float64), torch.tensor([1, 3])
    expected = graph_relevance.relevance(fused(model, False), inputs, labels, rule)
    composite = {"default": {"rule": "epsilon", "epsilon": 0.0}, "attention": rule}
    kinds = (nn.Linear,) if any(hasattr(one, "running_mean") for one in model.modules()) else (nn.Linear, nn.Conv2d)
    layers = [layer for layer in expected if layer and isinstance(model.get_submodule(layer), kinds)]
    for way in (False, True):
        view = Network(fused(model, way), layers, inputs, labels)
        (found,), (at_input,) = view.relevance(composite), view.input_relevance(composite)
        assert relative(at_input, expected[""]) < 1e-8
        for layer in layers:
            ours, theirs = found[layer], expected[layer]
            linear = isinstance(model.get_submodule(layer), nn.Linear)
            theirs = theirs.reshape(2, -1, theirs.shape[-1]).transpose(1, 2) if linear else theirs.flatten(2)
            if float(theirs.abs().max()) == 0:
                assert float(ours.abs().max()) == 0
            else:
                assert relative(ours, theirs) < 1e-8
        booked = view.ledger(composite)
        assert abs(sum(share.relevance for share in booked) - 2) < 1e-8
        assert abs(booked[-1].relevance - float(at_input.sum())) < 1e-8 * max(1.0, float(at_input.abs().sum()))


class Whole(nn.Module):
    """A convolution, an operation on its maps, and a classifier."""

    def __init__(self, operation):
        super().__init__()
        self.stem, self.operation, self.head = nn.Conv2d(3, 8, 1), operation, nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.operation(self.stem(x)).reshape(len(x), 8, 4, 4).mean((2, 3)))


class Twice(nn.Module):
    """StarNet's product of two maps of one signal."""

    def __init__(self):
        super().__init__()
        self.one, self.other = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 1)

    def forward(self, x):
        return F.relu6(self.one(x)) * self.other(x)

    def twin(self, x):
        one, other = self.one(x), self.other(x)
        one = one * (F.relu6(one) / one).detach()
        return (one * other.detach() + one.detach() * other) / 2


class Kernels(nn.Module):
    """Selective kernels: a softmax over two branches, computed from their sum, weighs them."""

    def __init__(self):
        super().__init__()
        self.one, self.other, self.choose = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 1), nn.Conv2d(8, 16, 1)

    def forward(self, x, gated=lambda gate: gate):
        both = torch.stack([self.one(x), self.other(x)], 1)
        gate = self.choose(both.sum(1).mean((2, 3), keepdim=True)).reshape(len(x), 2, 8, 1, 1)
        return (both * gated(gate.softmax(1))).sum(1)

    def twin(self, x):
        return self(x, torch.Tensor.detach)


class Response(GlobalResponseNorm):
    """ConvNeXt-V2's global response norm."""

    def __init__(self):
        super().__init__(8, channels_last=False)
        nn.init.normal_(self.weight)
        nn.init.normal_(self.bias)

    def twin(self, x):
        size = x.detach().norm(p=2, dim=(2, 3), keepdim=True)
        share = size / (size.mean(dim=1, keepdim=True) + self.eps)
        return x + self.bias.view(1, -1, 1, 1) + self.weight.view(1, -1, 1, 1) * x * share


class Variance(nn.Module):
    """A norm by the variance, as timm's SimpleNorm where torch has none of its own."""

    def forward(self, x):
        return x * torch.rsqrt(x.var(1, keepdim=True) + 1e-6)

    def twin(self, x):
        return x * torch.rsqrt(x.detach().var(1, keepdim=True) + 1e-6)


class Squares(nn.Module):
    """A norm by the mean square, as timm's RmsNorm2d, of what StarReLU gives: s · relu(x)² + b."""

    def forward(self, x):
        x = 0.9 * F.relu(x) ** 2 - 0.4
        return x * torch.rsqrt(x.pow(2).mean(1, keepdim=True) + 1e-6)

    def twin(self, x):
        ramp = F.relu(x)
        x = 0.9 * ramp * ramp.detach() - 0.4
        return x * torch.rsqrt(x.detach().pow(2).mean(1, keepdim=True) + 1e-6)


class Cosines(nn.Module):
    """Vectors of length one times each other, as in attention by cosines, and a quotient by a smaller signal."""

    def forward(self, x):
        y = F.normalize(x.flatten(2), dim=1)
        return x.flatten(2) @ (y.transpose(1, 2) @ y) / x.mean((1, 2, 3)).reshape(-1, 1, 1)

    def twin(self, x):
        flat = x.flatten(2)
        y = flat / flat.detach().norm(dim=1, keepdim=True)
        frozen = y.detach()
        # x (yᵀ y): x gets a half, and each y a half of the other half.
        by_y = flat.detach() @ (y.transpose(1, 2) @ frozen + frozen.transpose(1, 2) @ y) / 4
        return (flat @ (frozen.transpose(1, 2) @ frozen) / 2 + by_y) / flat.detach().mean((1, 2)).reshape(-1, 1, 1)


@pytest.mark.parametrize("operation", [Twice, Kernels, Response, Variance, Squares, Cosines])
def test_products_gates_and_norms_as_defined(operation):
    torch.manual_seed(0)
    model = Whole(operation()).double().eval()
    inputs, labels = torch.randn(2, 3, 4, 4, dtype=torch.float64), torch.tensor([1, 2])
    x = model.stem(inputs).detach().requires_grad_()
    twin = model.operation.twin(x)
    assert torch.allclose(twin.detach().reshape(2, 8, -1), model.operation(x).detach().reshape(2, 8, -1))
    score = model.head(twin.reshape(2, 8, 4, 4).mean((2, 3))).gather(1, labels.unsqueeze(1))
    (slope,) = torch.autograd.grad((score / score.detach()).sum(), x)
    view = Network(model, ["stem"], inputs, labels)
    (found,) = view.relevance({"rule": "epsilon", "epsilon": 0.0})
    assert relative(found["stem"], (x.detach() * slope).flatten(2)) < 1e-10
    assert abs(sum(share.relevance for share in view.ledger({"rule": "epsilon", "epsilon": 0.0})) - 2) < 1e-10


def test_attention_has_rules_of_its_own_by_depth():
    kinds = ["convolution", "normalisation", *["linear", "attention", "linear", "linear"] * 4, "linear"]
    assert depths(kinds)[-1] == "classifier"
    assert depths(kinds).count("classifier") == 1
    assert {rule.name for rule, kind in zip(assign("zplus", kinds), kinds, strict=True) if kind == "attention"} == {
        "cp"
    }
    chosen = assign(
        {"default": "gamma", "attention": "attnlrp", "first": {"attention": "cp"}, "last": "epsilon"}, kinds
    )
    names = [rule.name for rule, kind in zip(chosen, kinds, strict=True) if kind == "attention"]
    assert names == ["cp", "attnlrp", "attnlrp", "attnlrp"]
    assert chosen[-2].name == "epsilon"
    with pytest.raises(SecateurError, match="of attention: choose one of cp, attnlrp"):
        assign({"attention": "zplus"}, kinds)
    with pytest.raises(SecateurError, match="no such rule"):
        assign({"linear": "attnlrp"}, kinds)


def test_the_rule_of_each_depth_reaches_its_attention():
    model, inputs = fused(network("vit"), True), torch.rand(2, 3, 32, 32, dtype=torch.float64)
    layers = ["blocks.0.attn.qkv", "blocks.1.attn.qkv"]
    view = Network(model, layers, inputs, torch.tensor([1, 3]))

    def queries(attention):
        (found,) = view.relevance({"default": "epsilon", **attention})
        return [float(found[layer][:, :16].abs().max()) for layer in layers]

    assert queries({}) == [0.0, 0.0]
    assert all(value > 0 for value in queries({"attention": "attnlrp"}))
    early, late = queries({"first": {"attention": "attnlrp"}})
    assert early > 0 == late


@pytest.mark.parametrize("rule", ["zplus", {"default": "gamma", "attention": "attnlrp"}, "epsilon-alpha2beta1"])
def test_rules_of_linear_maps_with_attention_agree_fused_or_not(rule):
    found = []
    for way in (False, True):
        model = fused(network("swin"), way)
        torch.manual_seed(0)
        view = Network(model, layers_of(model), torch.rand(2, 3, 32, 32, dtype=torch.float64), torch.tensor([1, 3]))
        found.append(next(iter(view.relevance(rule))))
        assert abs(sum(share.relevance for share in view.ledger(rule)) - 2) < 1e-6
    for layer, relevance in found[0].items():
        assert torch.allclose(relevance, found[1][layer], rtol=1e-7, atol=1e-9 * float(relevance.abs().max()))


def test_the_ledger_says_where_relevance_went():
    torch.manual_seed(0)
    model = Block(4, 2, 3).double().eval()
    inputs = torch.randn(1, 3, 4, dtype=torch.float64)
    composite = {"default": {"rule": "epsilon", "epsilon": 1e-9}, "attention": "cp"}
    view = Network(model, ["proj"], inputs, torch.tensor([1]))
    booked = {(share.place, share.kind): share.relevance for share in view.ledger(composite)}
    (found,), (arrived,) = view.relevance(composite), view.input_relevance(composite)
    (outputs,) = view.outputs()
    bias = (model.proj.bias.detach().unsqueeze(1) / outputs["proj"] * found["proj"]).sum()
    assert abs(booked["proj", "bias"] - float(bias)) < 1e-6 * abs(float(bias))
    assert abs(booked["", "input"] - float(arrived.sum())) < 1e-10
    assert ("norm", "normalisation") in booked
    vit = network("vit")
    booked = Network(vit, ["head"], torch.rand(1, 3, 32, 32).double(), torch.tensor([0])).ledger("cp-lrp")
    constants = {share.place for share in booked if share.kind == "constant"}
    assert constants == {"cls_token", "pos_embed"}


def test_attention_pooled_by_a_learned_query_and_masked():
    """Keys are then no factor of a product of two signals, and masked positions get nothing."""

    class Pooling(nn.Module):
        def __init__(self):
            super().__init__()
            self.k, self.v, self.head = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 3)
            self.query = nn.Parameter(torch.randn(1, 1, 4))

        def forward(self, x):
            mask = torch.tensor([[True, True, False]])
            q = self.query.expand(len(x), -1, -1)
            return self.head(F.scaled_dot_product_attention(q, self.k(x), self.v(x), attn_mask=mask)[:, 0])

    torch.manual_seed(0)
    model = Pooling().double().eval()
    inputs = torch.randn(2, 3, 4, dtype=torch.float64)
    view = Network(model, ["k", "v"], inputs, torch.tensor([1, 2]))
    rule = {"default": {"rule": "epsilon", "epsilon": 0.0}, "attention": "attnlrp"}
    (found,) = view.relevance(rule, start="logit")
    (gradients,) = view.gradients("logit")
    for layer in ("k", "v"):  # each factor of A V half; keys all of what reaches the logits of attention
        output, gradient = gradients[layer]
        assert torch.allclose(found[layer], output * gradient / 2, rtol=1e-9, atol=1e-12)
        assert float(found[layer][:, :, 2].abs().max()) == 0
