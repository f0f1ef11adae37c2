"""Consumers of units: who reads them, through which weights, and what: held against literal, slow computation."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.pruning import networks
from torch import Tensor, nn

from secateur.errors import SecateurError
from secateur.pruning.units import find_unit_groups
from secateur.ranking import consumers as consumers_module
from secateur.ranking import statistics
from secateur.ranking.network import Network

STRUCTURES: dict[str, Callable[[], nn.Module]] = {
    "flattening": networks.chain,
    "residual sharing": networks.Residual,
    "gate, depthwise and grouped": networks.Gated,
    "concatenation": networks.Concatenated,
    "groups that widen and narrow": networks.Multiplied,
}


class Added(nn.Module):
    """A layer that is added to what it reads, strided and dilated readers behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.own = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding="same", dilation=2)
        self.strided, self.head = nn.Conv2d(4, 5, 3, stride=2, padding=(0, 1)), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).relu()
        x = self.own(x) + x
        return self.head(self.strided(x).relu_().mean((2, 3)))


STRUCTURES["own output added"] = Added


def made(name: str, seed: int = 0, images: int = 5) -> tuple[nn.Module, list, Tensor]:
    torch.manual_seed(seed)
    model = STRUCTURES[name]().double().eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 2)
    inputs = torch.rand(images, 3, 16, 16, dtype=torch.float64)
    return model, find_unit_groups(model, inputs[:1]), inputs


def view(model: nn.Module, groups: list, inputs: Tensor, batch_size: int = 2) -> Network:
    layers = list(dict.fromkeys(layer for group in groups for layer, _ in group.producers))
    return Network(model, layers, inputs, batch_size=batch_size, groups=groups)


def read_by(model: nn.Module, layer: str, inputs: Tensor) -> Tensor:
    """What a layer reads, by an ordinary hook."""
    kept = []
    hook = model.get_submodule(layer).register_forward_pre_hook(lambda module, given: kept.append(given[0].clone()))
    with torch.no_grad():
        model(inputs)
    hook.remove()
    return kept[0]


def patches(module: nn.Module, values: Tensor) -> np.ndarray:
    """Every patch that a convolution multiplies, cut out one by one; the vectors of a linear layer."""
    if isinstance(module, nn.Linear):
        return values.reshape(-1, values.shape[-1]).numpy()
    (high, wide), (down, right), (dy, dx) = module.kernel_size, module.stride, module.dilation
    pads = (dy * (high - 1) // 2, dx * (wide - 1) // 2) if module.padding == "same" else module.padding
    padded = np.pad(values.numpy(), [(0, 0), (0, 0), (pads[0],) * 2, (pads[1],) * 2])
    rows = []
    for image in padded:
        for top in range(0, image.shape[1] - dy * (high - 1), down):
            for left in range(0, image.shape[2] - dx * (wide - 1), right):
                patch = image[:, top : top + dy * high : dy, left : left + dx * wide : dx]
                rows.append(patch[:, :high, :wide].ravel())
    return np.array(rows)


def answer_without(model: nn.Module, layer: str, values: Tensor, silent: Tensor) -> Tensor:
    """What a layer answers with some of its input channels silent, outputs last."""
    module = model.get_submodule(layer)
    linear = isinstance(module, nn.Linear)
    with torch.no_grad():
        found = module(values.index_fill(values.ndim - 1 if linear else 1, silent, 0))
    return found if linear else found.movedim(1, -1)


@pytest.mark.parametrize("name", STRUCTURES)
@given(seed=st.integers(0, 10**6), batch_size=st.integers(1, 5))
@settings(max_examples=2, deadline=None)
def test_moments_and_gram_matrices_are_those_of_the_patches_cut_out_one_by_one(name, seed, batch_size):
    model, groups, inputs = made(name, seed, 3)
    found = view(model, groups, inputs, batch_size).consumers()
    moments = found.moments()
    assert moments is found.moments()
    assert {consumer.layer for consumer, _ in found.grams()} == set(moments) == set(found.layers)
    for consumer, sums in found.grams():
        rows = patches(model.get_submodule(consumer.layer), read_by(model, consumer.layer, inputs))
        both = moments[consumer.layer]
        assert both.rows == sums.rows == len(rows)
        assert np.allclose(both.mean, rows.mean(0)) and np.allclose(both.second, np.square(rows).mean(0))
        assert np.allclose(both.variance, rows.var(0))
        assert np.allclose(sums.gram, rows.T @ rows)


@pytest.mark.parametrize("name", STRUCTURES)
@given(seed=st.integers(0, 10**6))
@settings(max_examples=2, deadline=None)
def test_what_units_give_a_consumer_is_what_it_lacks_when_they_are_silent(name, seed):
    """Alone and in pairs: each consumer's squared change by a forward pass of that layer, without any matrix."""
    model, groups, inputs = made(name, seed)
    found = view(model, groups, inputs).consumers()
    assert {consumer.group for consumer in found.every} == {group.name for group in groups}
    for consumer, sums in found.grams():
        given_ = sums.responses(consumer.columns, found.weights(consumer, fold=False))
        values = read_by(model, consumer.layer, inputs)
        whole = answer_without(model, consumer.layer, values, consumer.inputs[:0].flatten())
        size = float(whole.square().sum())
        for units in [(0,), (1,), (0, 1), (len(given_) - 1, 1)]:
            lost = 0.0
            for one, other in itertools.product(units, units):
                lost += float(given_[one, other])
            stays = torch.ones(whole.shape[-1], dtype=torch.bool)
            if consumer.going.numel() and len(units) > 1:
                continue  # what goes differs from unit to unit
            stays[consumer.going[units[0]]] = False
            without = answer_without(model, consumer.layer, values, consumer.inputs[list(units)].flatten())
            expected = float((whole - without)[..., stays].square().sum())
            assert lost == pytest.approx(expected, rel=1e-9, abs=1e-12 * size)


def test_consumers_stay_when_the_unit_goes():
    readers = {}
    for name in STRUCTURES:
        model, groups, inputs = made(name)
        found = view(model, groups, inputs).consumers().every
        readers[name] = {(one.group, one.layer, one.inputs.shape[1]) for one in found}
    assert readers["flattening"] == {("0", "4", 1), ("4", "9", 16), ("9", "11", 1)}
    stream = {("shortcut", "head", 1)}
    assert readers["residual sharing"] == {("stem", "inner", 1), ("stem", "shortcut", 1), ("inner", "back", 1)} | stream
    for name in ("gate, depthwise and grouped", "groups that widen and narrow"):
        assert not {layer for _, layer, _ in readers[name]} & {"depthwise", "grouped", "wider", "narrower"}
    assert {layer for _, layer, _ in readers["concatenation"]} == {"first", "second", "head"}
    model, groups, inputs = made("own output added")
    own = next(one for one in view(model, groups, inputs).consumers().every if one.layer == "own")
    assert own.going.flatten().tolist() == [0, 1, 2, 3]


def test_weights_are_folded_with_the_batch_norm_behind_the_consumer():
    model, groups, inputs = made("flattening")
    found = view(model, groups, inputs).consumers()
    consumer = next(one for one in found.every if one.layer == "4")
    bare, folded = (found.weights(consumer, fold) for fold in (False, True))
    factor = (model[5].weight / torch.sqrt(model[5].running_var + model[5].eps)).detach()
    assert torch.equal(bare, model[4].weight.detach().flatten(2).permute(1, 2, 0))
    assert torch.allclose(folded, bare * factor)


@pytest.mark.parametrize("name", ["flattening", "concatenation"])
def test_a_memory_gives_the_same_for_any_subset(name):
    model, groups, inputs = made(name)
    network = view(model, groups, inputs)
    cached, chosen = network.cached(), [3, 0, 1]
    for part, alone in ((cached, network), (cached.subset(chosen), view(model, groups, inputs[chosen]))):
        one, other = part.consumers(), alone.consumers()
        for layer, moments in other.moments().items():
            assert torch.allclose(one.moments()[layer].mean, moments.mean)
            assert torch.allclose(one.moments()[layer].second, moments.second)
        for (consumer, mine), (_, theirs) in zip(one.grams(), other.grams(), strict=True):
            assert torch.allclose(mine.gram, theirs.gram)
            assert torch.equal(one.weights(consumer), other.weights(consumer))
    layer = groups[0].consumers[0].owner
    whole = network.consumers().moments()[layer]
    assert network.subset(chosen).consumers().moments()[layer].rows < whole.rows, "statistics of its own"
    assert not torch.allclose(network.scaled(0.5).consumers().moments()[layer].mean, whole.mean)


def test_memory_is_bounded_and_bounds_change_no_number(monkeypatch):
    """Gram matrices of one layer at a time, rows in parts, outputs in parts, and rows where they are fewer."""
    model, groups, inputs = made("flattening")
    plain = list(view(model, groups, inputs).consumers().grams())
    kept = {consumer.layer: sums._gram is None for consumer, sums in plain}
    assert kept == {"4": False, "9": True, "11": True}, "54 columns of 320 rows; 80 and 7 columns of 5 rows"
    monkeypatch.setattr(consumers_module, "MOST_BYTES", 1)
    monkeypatch.setattr(consumers_module, "PART_BYTES", 1)
    monkeypatch.setattr(statistics, "CHUNK", 1)
    network = view(model, groups, inputs)
    passes, run = [], model.forward
    monkeypatch.setattr(model, "forward", lambda x: passes.append(len(x)) or run(x))
    for (consumer, sums), (_, expected) in zip(network.consumers().grams(), plain, strict=True):
        weights = network.consumers().weights(consumer)
        assert torch.allclose(sums.gram, expected.gram)
        assert torch.allclose(sums.responses(consumer.columns, weights), expected.responses(consumer.columns, weights))
    assert passes == 3 * [2, 2, 1], "a pass a layer"


def test_looking_leaves_the_network_as_it_was():
    model, groups, inputs = made("flattening")
    model.train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    view(model, groups, inputs).consumers().moments()
    assert model.training and all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_units_are_needed():
    model, _, inputs = made("flattening")
    network = Network(model, ["0"], inputs)
    for asked in (network.consumers, lambda: network.scores_of({})):
        with pytest.raises(SecateurError, match="give `groups` to Network"):
            asked()
