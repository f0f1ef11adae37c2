"""Criteria that look at no data: norms, batch-norm, distances, synaptic flow and chance, worked out another way."""

import itertools

import numpy as np
import pytest
import torch
from tests.criteria.networks import LABELS, LAYERS, Residual, built, view, weights
from torch import nn

from secateur.criteria import batch_norm, fpgm, random, synflow, weight, weight_l2
from secateur.errors import SecateurError
from secateur.pruning.units import find_unit_groups
from secateur.ranking import registry
from secateur.ranking.network import Network
from secateur.ranking.rank import Scoring, rank


@pytest.mark.parametrize(("criterion", "order"), [(weight, 1), (weight_l2, 2)])
def test_weight_criteria_are_norms_of_the_filter_bare_or_folded(criterion, order, model, inputs):
    factor = (model.norm.weight / torch.sqrt(model.norm.running_var + model.norm.eps)).abs().detach().numpy()
    bare, folded = criterion.score(view(model, inputs)), criterion.score(view(model, inputs), fold=True)
    for layer, weight_ in zip(LAYERS, weights(model), strict=True):
        expected = [np.linalg.norm(filter_.detach().numpy().ravel(), order) for filter_ in weight_]
        assert np.allclose(bare[layer], expected)
        assert np.allclose(folded[layer], expected * factor if layer == "one" else expected)


def test_batch_norm_is_the_absolute_scale_and_one_without(model, inputs):
    found = batch_norm.score(view(model, inputs))
    assert torch.equal(found["one"], model.norm.weight.detach().abs())
    assert torch.equal(found["two"], torch.ones(5).double())
    with pytest.raises(SecateurError, match="no batch-norm"):
        batch_norm.score(Network(model, ["two", "dense"], inputs, LABELS))


def test_a_batch_norm_without_factors_counts_as_one(inputs):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, affine=False), nn.Flatten(), nn.Linear(256, 2)).double()
    assert torch.equal(batch_norm.score(Network(model, ["0"], inputs))["0"], torch.ones(4).double())


def test_fpgm_sums_the_distances_to_the_other_filters(model, inputs):
    found = fpgm.score(view(model, inputs))
    for layer, weight_ in zip(LAYERS, weights(model), strict=True):
        flat = weight_.detach().flatten(1).numpy()
        expected = [sum(np.linalg.norm(one - other) for other in flat) for one in flat]
        assert np.allclose(found[layer].numpy(), expected)


def test_synflow_sums_the_absolute_weights_over_all_paths():
    """A linear network small enough to walk every path; a batch-norm multiplies by |γ|/σ."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2)).double().eval()
    nn.init.normal_(model[1].weight)
    nn.init.normal_(model[1].bias)
    model[1].running_mean.normal_()
    model[1].running_var.uniform_(0.5, 2)
    found = synflow.score(Network(model, ["0", "3"], torch.zeros(1, 3)))
    factor = model[1].weight / torch.sqrt(model[1].running_var + model[1].eps)
    first, last = torch.zeros(4), torch.zeros(2)
    for i, j, k in itertools.product(range(3), range(4), range(2)):
        path = abs((model[0].weight[j, i] * factor[j] * model[3].weight[k, j]).item())
        first[j] += path
        last[k] += path
    assert torch.allclose(found["0"].float(), first) and torch.allclose(found["3"].float(), last)


def test_synaptic_flow_is_conserved_from_layer_to_layer(model, inputs):
    """Tanaka et al., theorem 2: what all filters of a layer get is the same in every layer of a chain."""
    totals = [float(scores.sum()) for scores in synflow.score(view(model, inputs)).values()]
    assert totals == pytest.approx([totals[0]] * 3) and totals[0] > 0


def test_random_draws_from_the_criterions_own_stream(model, inputs):
    draws = [random.score(view(model, inputs, generator=torch.Generator().manual_seed(seed))) for seed in (1, 1, 2)]
    assert torch.equal(draws[0]["one"], draws[1]["one"])
    assert not torch.equal(draws[0]["one"], draws[2]["one"])


def test_random_is_uniform_also_for_units_that_several_layers_make(inputs):
    """Sixty rankings of ten units: a sum of two draws would go beyond 1, a normal number below 0."""
    model = built(Residual)
    groups = find_unit_groups(model, inputs[:1])
    criterion = registry.load("random")
    drawn = [rank(model, groups, inputs, None, Scoring(criterion, seed)) for seed in range(60)]
    tied = next(group.name for group in groups if len(group.producers) == 2)
    values = torch.stack([scores[tied] for scores in drawn])
    assert float(values.min()) > 0 and float(values.max()) < 1
    assert float(values.mean()) == pytest.approx(0.5, abs=0.1)
    assert float(values.std()) == pytest.approx(12**-0.5, abs=0.05)
