"""Criteria that look at who reads a unit, or at all that goes with it: each held against slow, literal computation."""

import copy
import math

import numpy as np
import pytest
import torch
from scipy import stats
from tests.criteria.networks import LABELS, built, samples
from tests.criteria.networks import view as chain_view
from tests.criteria.unit_views import every_structure, of_group, summed, view
from tests.ranking.consumers_by_hand import made
from torch import nn
from torch.nn import functional

from secateur.criteria import (
    chip,
    flap,
    group_fisher,
    group_norm,
    lamp,
    obs,
    reconstruction,
    variance,
    wanda,
)
from secateur.errors import SecateurError
from secateur.pruning.removal import remove
from secateur.pruning.units import find_unit_groups

CLASSES = torch.tensor([0, 2, 1, 2, 0])


@every_structure
def test_wanda_is_weights_times_norms(name):
    model, groups, inputs = made(name)
    found = wanda.score(view(model, groups, inputs))
    for group in groups:
        expected = summed(
            model, group, inputs, lambda x, w: (np.abs(w) * np.sqrt(np.square(x).sum(0) / len(inputs))).sum()
        )
        assert np.allclose(of_group(found, group), expected)


@every_structure
def test_flap_is_weighted_variance_standardised_over_the_group(name):
    model, groups, inputs = made(name)
    raw, found = (flap.score(view(model, groups, inputs), standardise=value) for value in (False, True))
    for group in groups:
        expected = summed(model, group, inputs, lambda x, w: (x.var(0) * np.square(w).sum(0)).sum())
        assert np.allclose(of_group(raw, group), expected)
        assert np.allclose(of_group(found, group), stats.zscore(expected))


@every_structure
def test_group_norm_is_what_the_network_loses_in_squared_weights_when_the_unit_is_removed(name):
    model, groups, inputs = made(name)

    def total(network):
        return sum(
            float(value.detach().square().sum()) for key, value in network.named_parameters() if "bias" not in key
        )

    network = view(model, groups, inputs)
    raw, relative = group_norm.score(network, relative=False), group_norm.score(network)
    for group in groups:
        lost = [total(model) - total(remove(model, groups, {group.name: [unit]})) for unit in range(group.size)]
        assert np.allclose(of_group(raw, group), lost)
        assert np.allclose(of_group(relative, group), np.array(lost) / np.mean(lost))


def test_variance_is_that_of_the_signal_behind_the_relu():
    model, inputs = built(), samples()
    found = variance.score(chain_view(model, inputs))
    for layer, module in {"one": model.relu_one, "two": model.relu_two, "dense": model.relu_dense}.items():
        kept = []
        hook = module.register_forward_hook(lambda module, given, output, kept=kept: kept.append(output.detach()))
        model(inputs)
        hook.remove()
        values = kept[0].reshape(len(inputs), kept[0].shape[1], -1).movedim(1, 0).flatten(1).numpy()
        assert np.allclose(found[layer], values.var(1))


@every_structure
def test_lamp_is_a_share_of_what_outlasts(name):
    model, groups, inputs = made(name)
    found = lamp.score(view(model, groups, inputs))
    for group in groups:
        squares = [
            sum(
                float(model.get_submodule(layer).weight.detach()[channels[unit]].square().sum())
                for layer, channels in producers
            )
            for producers in [group.producers]
            for unit in range(group.size)
        ]
        expected = [square / sum(other for other in squares if other >= square) for square in squares]
        assert np.allclose(of_group(found, group), expected)
        assert max(expected) == 1


def test_lamp_gives_equal_units_equal_scores_and_dead_ones_none():
    model, groups, inputs = made("flattening")
    with torch.no_grad():
        model[0].weight[1], model[0].weight[2] = model[0].weight[0], 0
        model[4].weight[:] = 0
    found = lamp.score(view(model, groups, inputs))
    assert found["0"][0] == found["0"][1] > found["0"][2] == 0
    assert found["4"].tolist() == [0] * 5


def test_a_duplicate_is_worth_nothing_to_obs_and_a_constant_nothing_to_flap_and_variance():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 4)).double()
    with torch.no_grad():
        model[0].bias[:] = 0.5
        model[0].weight[1] = model[0].weight[0]
        model[0].weight[4], model[0].bias[4] = 0, 2
    inputs = torch.randn(40, 3, dtype=torch.float64)
    network = view(model, find_unit_groups(model, inputs[:1]), inputs)
    exact, norms = obs.score(network, damping=1e-9)["0"], wanda.score(network)["0"]
    assert float(exact[:2].max()) < 1e-6 * float(exact[2:].min()) and float(norms.min()) > 0.1
    for constant in (flap.score(network, standardise=False)["0"], variance.score(network)["0"]):
        assert float(constant[4]) < 1e-12 < float(constant[:4].min())


def test_chip_is_the_change_of_the_nuclear_norm(monkeypatch):
    model, inputs = built(), samples()
    found = chip.score(chain_view(model, inputs))
    monkeypatch.setattr(chip, "MOST", 1)
    assert all(torch.equal(values, found[layer]) for layer, values in chip.score(chain_view(model, inputs)).items())
    for signals in chain_view(model, inputs, batch_size=7).activations():
        for layer, signal in signals.items():
            expected = np.zeros(signal.shape[1])
            for maps in signal.numpy():
                for channel in range(len(maps)):
                    rest = np.delete(maps, channel, axis=0)
                    expected[channel] += np.linalg.norm(maps, "nuc") - np.linalg.norm(rest, "nuc")
            assert np.allclose(found[layer], expected / len(inputs), rtol=1e-6)


@every_structure
def test_group_fisher_squares_the_slope_by_a_gate_at_all_readers(name):
    """By central differences: all layers that read a unit are given a little more and a little less of it."""
    model, groups, inputs = made(name)
    classes = CLASSES % model(inputs).shape[1]
    network = view(model, groups, inputs, classes)
    found, bare = group_fisher.score(network), group_fisher.score(network, cost="none")

    def losses(group, unit, factor):
        hooks = []
        for part in group.consumers:
            module = model.get_submodule(part.owner)
            if getattr(module, "groups", 1) > 1:
                continue

            def scaled(module, given, channels=part.index[unit]):
                values = given[0].movedim(-1 if isinstance(module, nn.Linear) else 1, 0).clone()
                values[channels] *= factor
                return values.movedim(0, -1 if isinstance(module, nn.Linear) else 1)

            hooks.append(module.register_forward_pre_hook(scaled))
        with torch.no_grad():
            found = functional.cross_entropy(model(inputs), classes, reduction="none")
        for hook in hooks:
            hook.remove()
        return found

    step = 1e-6  # small beside the distance to the next kink of a ReLU
    for group in groups:
        expected = [
            float(((losses(group, unit, 1 + step) - losses(group, unit, 1 - step)) / (2 * step)).square().mean())
            for unit in range(group.size)
        ]
        assert np.allclose(of_group(bare, group), expected, rtol=1e-4, atol=1e-12)
        cost = sum(channels.shape[1] * math.prod(network.map_shape(layer)) for layer, channels in group.producers)
        assert np.allclose(of_group(found, group), np.array(expected) / cost, rtol=1e-4, atol=1e-12)


@pytest.mark.parametrize(
    ("criterion", "options", "words"),
    [
        (obs, {"damping": 0}, "damping=0: allowed are numbers above 0"),
        (obs, {"damping": float("nan")}, "damping=nan"),
        (group_fisher, {"cost": "flops"}, "cost='flops': not known. Choose one of memory, none"),
        (reconstruction, {"compare": "best"}, "compare='best'.*error, order"),
        (flap, {"standardise": "yes"}, "standardise='yes': allowed are true and false"),
    ],
)
def test_a_bad_option_is_named(criterion, options, words):
    with pytest.raises(SecateurError, match=words):
        criterion.score(chain_view(built(), samples()), **options)


@pytest.mark.parametrize("criterion", [wanda, flap, obs, reconstruction, group_fisher, variance, chip, group_norm])
def test_a_network_that_passes_nothing_on_is_scored_and_not_an_error(criterion):
    model = copy.deepcopy(built())
    with torch.no_grad():
        for module in (model.norm, model.two, model.dense):
            module.weight[:], module.bias[:] = 0, -1
    scores = criterion.score(chain_view(model, samples(), LABELS))
    assert all(bool(values.isfinite().all()) for values in scores.values())
