"""Each built-in criterion against its definition, worked out on a small network in another way."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from secateur.criteria import gradient, lrp, lrp_epsilon, random, taylor, weight
from secateur.errors import SecateurError
from secateur.ranking.network import Network

EVERY = [weight, gradient, taylor, lrp, lrp_epsilon, random]
LABELS = torch.tensor([0, 1, 2, 1, 0])


class Chain(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.norm, self.two = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 5, 3)
        self.head = nn.Linear(5 * 4, 3)

    def forward(self, x):
        return self.head(F.relu(self.two(F.relu(self.norm(self.one(x))))).flatten(1))


class Residual(Chain):
    def forward(self, x):
        x = F.relu(self.norm(self.one(x)))
        return self.head(F.relu(self.two(x) + F.pad(x[:, :, 1:-1, 1:-1], (0, 0, 0, 0, 0, 1))).flatten(1))


def model_of(kind=Chain):
    torch.manual_seed(0)
    model = kind().double().eval()
    nn.init.normal_(model.norm.weight)
    model.norm.running_var.uniform_(0.5, 2)
    return model


def view(model, **options):
    torch.manual_seed(1)
    return Network(model, ["one", "two"], torch.randn(5, 3, 6, 6), LABELS, **options)


def signals(model):
    """Outputs after the batch-norm and the loss's gradients, sample by sample, by plain autograd."""
    inputs = view(model)._inputs.double()
    found = {"one": [], "two": []}
    for sample, label in zip(inputs, LABELS, strict=True):
        one = model.norm(model.one(sample[None])).detach().requires_grad_()
        two = model.two(F.relu(one))
        logits = model.head(F.relu(two).flatten(1))
        for name, output, slope in zip(
            ("one", "two"),
            (one, two),
            torch.autograd.grad(F.cross_entropy(logits, label[None]), (one, two)),
            strict=True,
        ):
            found[name].append((output.detach()[0], slope[0]))
    return found


def test_weight_is_the_l1_norm_of_the_filter_bare_or_folded():
    model = model_of()
    factor = (model.norm.weight / torch.sqrt(model.norm.running_var + model.norm.eps)).abs()
    bare = model.one.weight.abs().sum((1, 2, 3))
    assert torch.allclose(weight.score(view(model), fold=True)["one"], factor * bare)
    assert torch.allclose(weight.score(view(model))["one"], bare)
    assert torch.allclose(weight.score(view(model), fold=True)["two"], model.two.weight.abs().sum((1, 2, 3)))


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_gradient_and_taylor_are_sums_over_samples_and_positions(batch_size):
    model = model_of()
    network = view(model, batch_size=batch_size)
    by_gradient, by_taylor = gradient.score(network), taylor.score(network)
    by_sample = taylor.score(network, absolute="sample")
    for layer, samples in signals(model).items():
        assert torch.allclose(by_gradient[layer], sum(g.sum((1, 2)) for _, g in samples).abs())
        assert torch.allclose(by_taylor[layer], sum((a * g).sum((1, 2)) for a, g in samples).abs())
        assert torch.allclose(by_sample[layer], sum((a * g).sum((1, 2)).abs() for a, g in samples))


def test_taylor_is_the_same_after_the_relu():
    model = model_of()
    for layer, samples in signals(model).items():
        after = sum((F.relu(a) * g).sum((1, 2)) for a, g in samples).abs()
        assert torch.allclose(taylor.score(view(model))[layer], after)


@pytest.mark.parametrize(("kind", "automatic"), [(Chain, "sum"), (Residual, "position")])
def test_lrp_keeps_the_sign_on_chains_and_not_where_branches_are_added(kind, automatic):
    network = view(model_of(kind), batch_size=2)
    found = lrp.score(network)
    for aggregation in ("sum", "position", "sample"):
        chosen = lrp.score(network, aggregation=aggregation)
        for layer in network.layers:
            total = 0
            for relevance in network.relevance("zplus"):
                values = relevance[layer].abs() if aggregation == "position" else relevance[layer]
                values = values.sum(2)
                total = total + (values.abs() if aggregation == "sample" else values).sum(0)
            assert torch.allclose(chosen[layer], total)
            if aggregation == automatic:
                assert torch.equal(found[layer], chosen[layer])
    with pytest.raises(SecateurError, match="aggregation"):
        lrp.score(network, aggregation="mean")


def test_lrp_epsilon_takes_the_absolute_value_of_each_sample():
    network = view(model_of(), batch_size=5)
    (relevance,) = network.relevance("epsilon")
    for layer, found in lrp_epsilon.score(network).items():
        assert torch.allclose(found, relevance[layer].sum(2).abs().sum(0))


def test_random_draws_from_the_criterions_own_stream():
    model = model_of()
    draws = [random.score(view(model, generator=torch.Generator().manual_seed(seed))) for seed in (1, 1, 2)]
    assert torch.equal(draws[0]["one"], draws[1]["one"])
    assert not torch.equal(draws[0]["one"], draws[2]["one"])
    assert bool(((draws[0]["two"] >= 0) & (draws[0]["two"] < 1)).all())


@pytest.mark.parametrize("criterion", EVERY, ids=lambda module: module.__name__.split(".")[-1])
def test_the_contract(criterion):
    network = view(model_of())
    scores = criterion.score(network)
    assert list(scores) == network.layers
    assert {layer: tuple(score.shape) for layer, score in scores.items()} == {"one": (4,), "two": (5,)}
    assert all(score.dtype == torch.float64 and bool(score.isfinite().all()) for score in scores.values())
    assert criterion.NORMALISATION in ("none", "sum", "l2")
    subset = view(model_of()).cached().subset([3, 0])
    alone = Network(model_of(), ["one", "two"], network._inputs[[3, 0]], LABELS[[3, 0]])
    from_subset = criterion.score(subset)
    assert all(torch.allclose(score, from_subset[layer]) for layer, score in criterion.score(alone).items())
