"""Criteria that look at who reads a unit, or at all that goes with it: each held against slow, literal computation."""

import copy
import math

import numpy as np
import pytest
import torch
from scipy import stats
from tests.criteria.networks import LABELS, built, samples
from tests.criteria.networks import view as chain_view
from tests.ranking.consumers_by_hand import STRUCTURES, made, readers
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
from secateur.ranking.network import Network

CLASSES = torch.tensor([0, 2, 1, 2, 0])
every_structure = pytest.mark.parametrize("name", STRUCTURES)


def view(model, groups, inputs, labels=None, batch_size=2):
    layers = list(dict.fromkeys(layer for group in groups for layer, _ in group.producers))
    return Network(model, layers, inputs, labels, batch_size=batch_size, groups=groups)


def of_group(scores, group):
    """A unit's number, which all of its channels have."""
    first = [scores[layer][channels] for layer, channels in group.producers]
    for values in first:
        assert torch.equal(values, first[0][:, :1].expand_as(values))
    return first[0][:, 0].numpy()


def summed(model, group, inputs, of_unit):
    """Σ over the layers that read a group of `of_unit(rows of the unit, its weights that stay)`."""
    total = np.zeros(group.size)
    for _, rows, weight, units in readers(model, group, inputs):
        for unit, (columns, going) in enumerate(units):
            total[unit] += of_unit(rows[:, columns], np.delete(weight[:, columns], going, axis=0))
    return total


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


@pytest.mark.parametrize("images", [2, 5])
@every_structure
def test_obs_is_the_exact_rise_of_the_least_squares_problem(name, images):
    """Solved anew for each unit, with its weights held at zero and the penalty as further equations."""
    model, groups, inputs = made(name, images=images)
    damping = 0.03
    found = obs.score(view(model, groups, inputs), damping=damping)
    for group in groups:
        expected = np.zeros(group.size)
        for _, rows, weight, units in readers(model, group, inputs):
            penalty = math.sqrt(damping * np.square(rows).sum(0).mean())
            for unit, (columns, going) in enumerate(units):
                staying = np.delete(weight, going, axis=0)
                gone = staying.copy()
                gone[:, [column for column in range(weight.shape[1]) if column not in columns]] = 0
                free = [column for column in range(weight.shape[1]) if column not in columns]
                left = np.vstack([rows[:, free], penalty * np.eye(len(free))])
                lost = np.vstack([rows @ gone.T, np.zeros((len(free), len(staying)))])
                change = np.linalg.lstsq(left, lost, rcond=None)[0]
                expected[unit] += np.square(lost - left @ change).sum() + penalty**2 * np.square(gone).sum()
        assert np.allclose(of_group(found, group), expected / images, rtol=1e-6, atol=1e-12)


def test_obs_of_one_column_is_the_squared_weight_by_the_diagonal_of_the_inverse():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).double()
    inputs = torch.randn(30, 3, dtype=torch.float64)
    found = obs.score(view(model, find_unit_groups(model, inputs[:1]), inputs), damping=1e-9)["0"]
    read = model[:2](inputs).detach().numpy()
    inverse = np.linalg.inv(read.T @ read)
    assert np.allclose(found, np.square(model[2].weight.detach().numpy()[0]) / np.diag(inverse) / 30, rtol=1e-6)


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


@every_structure
def test_reconstruction_is_the_literal_greedy_order(name):
    """Each step tries every unit that is left, and adds up what the layers that read them lose, row by row."""
    model, groups, inputs = made(name, seed=3)
    network = view(model, groups, inputs)
    found, places = reconstruction.score(network), reconstruction.score(network, compare="order")
    for group in groups:
        given = []
        for _, rows, weight, units in readers(model, group, inputs):
            parts = [rows[:, columns] @ weight[:, columns].T for columns, _ in units]
            for part, (_, going) in zip(parts, units, strict=True):
                part[:, going] = 0
            given.append(np.array(parts))

        def error(gone, given=given):
            return sum(np.square(parts[gone].sum(0)).sum() for parts in given)

        order, errors = [], []
        while len(order) < group.size:
            tried = {unit: error([*order, unit]) for unit in range(group.size) if unit not in order}
            order.append(min(tried, key=tried.get))
            errors.append(tried[order[-1]])
        scores = of_group(found, group)
        assert np.argsort(scores).tolist() == order
        alone = sum(error([unit]) for unit in range(group.size)) or 1.0
        assert np.allclose(scores[order], np.maximum.accumulate(errors) / alone)
        assert np.allclose(of_group(places, group)[order], (np.arange(group.size) + 0.5) / group.size)


def test_units_that_cancel_go_one_after_the_other():
    """The error falls when the second goes; the order is kept all the same."""
    together = torch.tensor([[9.0, -8.9, 0.0], [-8.9, 9.0, 0.0], [0.0, 0.0, 20.0]]).double()
    order, errors = reconstruction.greedy(together)
    assert order == [0, 1, 2] and errors[1] < errors[0]
    model = nn.Sequential(nn.Linear(1, 3, bias=False), nn.Linear(3, 1, bias=False)).double()
    with torch.no_grad():
        model[0].weight[:] = torch.tensor([[1.0], [-1.0], [3.0]])
        model[1].weight[:] = 1
    inputs = torch.ones(4, 1).double()
    scores = reconstruction.score(view(model, find_unit_groups(model, inputs[:1]), inputs))["0"]
    assert scores.argsort().tolist() == [0, 1, 2] and scores[0] < scores[1] < scores[2]


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
