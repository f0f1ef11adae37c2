"""Criteria that solve a least-squares problem at the readers of a unit, each held against a literal computation."""

import math

import numpy as np
import pytest
import torch
from tests.criteria.unit_views import every_structure, of_group, view
from tests.ranking.consumers_by_hand import made, readers
from torch import nn

from secateur.criteria import (
    obs,
    reconstruction,
)
from secateur.pruning.units import find_unit_groups


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
