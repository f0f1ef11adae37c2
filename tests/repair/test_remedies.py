"""Remedies: exact where they promise it, ordered as they must be, and refused where they do not apply."""

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from tests.pruning import networks
from torch import Tensor, nn
from torch.nn import functional

from secateur.errors import SecateurError
from secateur.pruning.removal import remove
from secateur.pruning.units import UnitGroup, find_unit_groups
from secateur.relevance.reading import rows_of
from secateur.remedies import bias, least_squares
from secateur.repair import registry
from secateur.repair.fitting import sums
from secateur.repair.view import Repair, Whole

STRUCTURES: dict[str, Callable[[], nn.Module]] = {
    "chain": networks.chain,
    "residual": networks.Residual,
    "gated": networks.Gated,
    "concatenated": networks.Concatenated,
    "multiplied": networks.Multiplied,
}


def pruned(make: Callable[[], nn.Module], seed: int = 0) -> tuple[nn.Module, nn.Module, list[UnitGroup], dict, Tensor]:
    """A network of random weights and statistics, itself without every second unit, and images; all in float64."""
    torch.manual_seed(seed)
    whole = make().double().eval()
    for module in whole.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 2)
    images = torch.rand(12, 3, 16, 16, dtype=torch.float64)
    groups = find_unit_groups(whole, images)
    selection = {group.name: list(range(0, group.size, 2))[: group.size - 1] for group in groups}
    return whole, remove(whole, groups, selection), groups, selection, images


def repaired(name: str, whole: nn.Module, smaller: nn.Module, groups, selection, images: Tensor) -> nn.Module:
    return registry.repaired(registry.load(name), Whole(whole, images, 5), smaller, groups, selection)


def squared(view: Repair, consumer) -> float:
    return sum(float((one.wanted - one.found).square().sum()) for one in view.responses(consumer))


@pytest.mark.parametrize("name", STRUCTURES)
def test_each_layer_answers_better_with_bias_and_best_with_least_squares(name):
    whole, smaller, groups, selection, images = pruned(STRUCTURES[name])
    view = Repair(Whole(whole, images, 5), smaller, groups, selection)
    assert view.consumers
    for consumer in view.consumers:
        errors = {"none": squared(view, consumer)}
        before = copy.deepcopy(view.pruned)
        for remedy in (bias, least_squares):
            view.pruned = copy.deepcopy(before)
            one = Repair(view.whole, view.pruned, groups, selection)
            one.__dict__["consumers"] = [consumer]
            norm = one.whole.norms.get(consumer.layer)
            mean = None if norm is None else view.pruned.get_submodule(norm).running_mean.clone()
            remedy.repair(one)
            if mean is None:
                errors[remedy.__name__] = squared(one, consumer)
            else:  # what the layer answers is moved by the batch-norm after it
                moved = (mean - view.pruned.get_submodule(norm).running_mean).reshape(-1, 1, 1)
                errors[remedy.__name__] = sum(
                    float((part.wanted - part.found - moved).square().sum()) for part in one.responses(consumer)
                )
        none, shifted, fitted = errors.values()
        assert fitted <= shifted * (1 + 1e-9) + 1e-18 and shifted <= none * (1 + 1e-9) + 1e-18


GEOMETRIES = [
    nn.Conv2d(4, 6, 3, padding=1),
    nn.Conv2d(4, 6, 3, stride=2, padding=(0, 1), bias=False),
    nn.Conv2d(4, 6, 3, padding=2, dilation=2),
    nn.Conv2d(4, 6, 4, padding="same"),
    nn.Conv2d(4, 6, 3, padding=1, groups=2),
    nn.Conv2d(4, 6, (1, 3)),
    nn.Conv1d(4, 6, 3, stride=2),
    nn.Conv3d(4, 6, 2, padding=1),
    nn.Linear(4, 6),
]


@pytest.mark.parametrize("layer", GEOMETRIES, ids=str)
def test_rows_times_weight_is_the_layer(layer):
    layer = copy.deepcopy(layer).double()
    axes = 0 if isinstance(layer, nn.Linear) else layer.weight.ndim - 2
    values = torch.rand(3, 4, *[7] * axes, dtype=torch.float64)
    keys = ("stride", "padding", "dilation", "groups") if axes else ()
    arguments = {"input": values, "weight": layer.weight, **{key: getattr(layer, key) for key in keys}}
    weights = layer.weight.flatten(1).chunk(getattr(layer, "groups", 1))
    found = torch.cat([rows @ weight.T for rows, weight in zip(rows_of(arguments), weights, strict=True)], 1)
    wanted = layer(values) - (0 if layer.bias is None else layer.bias.reshape(-1, *[1] * axes))
    wanted = wanted.flatten(2).transpose(1, 2).reshape(-1, 6) if axes else wanted
    assert torch.allclose(found, wanted, rtol=0, atol=1e-12)


def literal(rows: Tensor, wanted: Tensor, weight: Tensor, ridge: float) -> np.ndarray:
    """Ridge regression towards `weight` as one least-squares problem with the penalty as further equations."""
    centred = rows - rows.mean(0)
    penalty = ridge * float(centred.square().sum(0).mean())
    if penalty == 0:  # a silent input says nothing, and the weights stay
        return weight.numpy()
    left = np.vstack([centred.numpy(), np.sqrt(penalty) * np.eye(rows.shape[1])])
    right = np.vstack([(wanted - wanted.mean(0)).numpy(), np.sqrt(penalty) * weight.T.numpy()])
    return np.linalg.lstsq(left, right, rcond=None)[0].T


@pytest.mark.parametrize("images", [2, 12], ids=["rows kept", "Gram matrices"])
@pytest.mark.parametrize("name", STRUCTURES)
def test_least_squares_is_the_literal_solution(name, images):
    whole, smaller, groups, selection, pixels = pruned(STRUCTURES[name], seed=1)
    view = Repair(Whole(whole, pixels[:images], 5), smaller, groups, selection)
    for consumer in view.consumers:
        weight = view.pruned.get_submodule(consumer.layer).weight.detach().clone().flatten(1)
        parts = [(rows_of(part.arguments), part) for part in view.responses(consumer)]
        count = len(parts[0][0])
        expected = []
        for group in range(count):
            rows = torch.cat([part[0][group] for part in parts])
            linear = [_flat(part.wanted, part) for _, part in parts]
            wanted = torch.cat(linear).chunk(count, 1)[group]
            expected.append(literal(rows, wanted, weight.chunk(count)[group], 1e-3))
        one = Repair(view.whole, view.pruned, groups, selection)
        one.__dict__["consumers"] = [consumer]
        least_squares.repair(one, ridge=1e-3)
        found = view.pruned.get_submodule(consumer.layer).weight.detach().flatten(1).numpy()
        assert np.abs(found - np.vstack(expected)).max() < 1e-6


def _flat(values: Tensor, part) -> Tensor:
    if "stride" not in part.arguments:
        return values.reshape(-1, values.shape[-1])
    return values.flatten(2).transpose(1, 2).reshape(-1, values.shape[1])


@pytest.mark.parametrize("remedy", registry.names())
def test_with_nothing_removed_a_remedy_changes_nothing(remedy):
    whole, _, groups, _, images = pruned(networks.chain)
    smaller = remove(whole, groups, {})
    found = repaired(remedy, whole, smaller, groups, {group.name: [] for group in groups}, images)
    assert torch.equal(found(images), whole(images))


@pytest.mark.parametrize("remedy", registry.names())
def test_neither_network_that_is_given_is_changed(remedy):
    whole, smaller, groups, selection, images = pruned(networks.chain)
    before = [copy.deepcopy(network.state_dict()) for network in (whole, smaller)]
    found = repaired(remedy, whole, smaller, groups, selection, images)
    for network, state in zip((whole, smaller), before, strict=True):
        assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())
    assert torch.equal(found(images), smaller(images)) == (remedy == "none")


def test_a_unit_that_is_constant_is_replaced_by_its_mean():
    torch.manual_seed(0)
    first, second = nn.Conv2d(3, 5, 3), nn.Conv2d(5, 4, 3, stride=2, bias=False)
    whole = nn.Sequential(first, nn.ReLU(), second, nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 36, 3)).eval()
    with torch.no_grad():
        first.weight[2] = 0
        first.bias[2] = 1.5
    images = torch.rand(6, 3, 16, 16)
    groups = find_unit_groups(whole, images)
    selection = {groups[0].name: [2]}
    smaller = remove(whole, groups, selection)
    assert (smaller(images) - whole(images)).abs().max() > 1e-3
    for remedy in ("bias", "least_squares"):
        found = repaired(remedy, whole, smaller, groups, selection, images)
        assert (found(images) - whole(images)).abs().max() < 1e-5
        assert found[2].bias is None, "the batch-norm after it takes the shift"


def test_a_layer_without_bias_and_batch_norm_gains_a_bias():
    torch.manual_seed(0)
    whole = nn.Sequential(nn.Linear(3, 6), nn.ReLU(), nn.Linear(6, 4, bias=False), nn.ReLU(), nn.Linear(4, 2)).eval()
    images = torch.rand(6, 3)
    groups = find_unit_groups(whole, images)
    selection = {groups[0].name: [0, 1]}
    found = repaired("bias", whole, remove(whole, groups, selection), groups, selection, images)
    assert found[2].bias is not None
    assert torch.allclose(found[2](found[:2](images)).mean(0), whole[2](whole[:2](images)).mean(0), atol=1e-6)


def test_batch_norm_takes_the_statistics_of_the_images():
    whole, smaller, groups, selection, images = pruned(networks.chain)
    found = repaired("batch_norm", whole, smaller, groups, selection, images)
    maps = smaller[0](images)
    assert torch.allclose(found[1].running_mean, maps.mean((0, 2, 3)))
    assert torch.allclose(found[1].running_var, maps.var((0, 2, 3)))


class Standardised(nn.Conv2d):
    """A convolution whose weight is computed from its parameter."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.conv2d(x, self.weight - self.weight.mean(), self.bias)


@pytest.mark.parametrize(
    ("make", "remedy", "words"),
    [
        (networks.Residual, "batch_norm", ["'batch_norm'", "no batch-norm"]),
        (networks.chain, "magic", ["unknown remedy 'magic'", "none, batch_norm, bias, least_squares"]),
    ],
)
def test_what_does_not_apply_is_refused_by_name(make, remedy, words):
    with pytest.raises(SecateurError) as caught:
        repaired(remedy, *pruned(make))
    assert all(word in str(caught.value) for word in words)


def test_a_layer_whose_weight_is_computed_is_refused_by_name():
    whole = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), Standardised(4, 5, 1), nn.ReLU(), nn.Conv2d(5, 2, 1)).eval()
    images = torch.rand(2, 3, 4, 4)
    groups = find_unit_groups(nn.Sequential(*whole[:2], nn.Conv2d(4, 5, 1), *whole[3:]), images)
    selection = {groups[0].name: [0]}
    smaller = remove(whole, groups, selection)
    with pytest.raises(SecateurError, match="layer '2' .Standardised. does not apply its weight as it is"):
        repaired("bias", whole, smaller, groups, selection, images)


def test_one_value_per_channel_has_no_variance_and_the_error_says_so():
    torch.manual_seed(0)
    whole = nn.Sequential(nn.Linear(3, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 2)).eval()
    image = torch.rand(1, 3)
    groups = find_unit_groups(whole, image)
    selection = {groups[0].name: [0]}
    with pytest.raises(SecateurError, match="1 image.* single value.*Use more images per class"):
        repaired("batch_norm", whole, remove(whole, groups, selection), groups, selection, image)


def test_memory_is_that_of_the_smaller_of_rows_and_gram_matrix():
    whole, smaller, groups, selection, images = pruned(networks.chain)
    view = Repair(Whole(whole, images, 5), smaller, groups, selection)
    kept = {consumer.layer: sums(view.responses(consumer), 3)[0].gram is None for consumer in view.consumers}
    assert kept == {"4": False, "9": True, "11": False}, "48 inputs of 12 rows; 4 inputs of 12 rows"
