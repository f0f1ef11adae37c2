"""Consumers of units: who reads them, through which weights, and what: held against literal, slow computation."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.ranking.consumers_by_hand import STRUCTURES, answer_without, made, patches, read_by, view

from secateur.errors import SecateurError
from secateur.ranking import consumers as consumers_module
from secateur.ranking import statistics
from secateur.ranking.network import Network


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
