"""Removal, its oracle, sweeps and the record of original channels."""

import copy

import pytest
import torch
from benchmarks.removal_proof import CASES, disturb, random_selection
from tests.pruning import networks
from torch import nn

from secateur.errors import SecateurError
from secateur.pruning.masking import largest_difference, masked
from secateur.pruning.removal import all_channels, remaining, remove, removed_units, shrink, sweep
from secateur.pruning.selection import Selector, select
from secateur.pruning.units import find_unit_groups

IMAGE = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(4))


def gated() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return disturb(networks.Gated()).eval()


def test_the_new_network_is_plain_and_smaller_and_the_old_one_untouched() -> None:
    network = gated()
    network.squeeze.weight.requires_grad_(False)
    before = copy.deepcopy(network.state_dict())
    groups = find_unit_groups(network, IMAGE)
    pruned = remove(network, groups, {"stem": [1, 3], "squeeze": [0]})
    assert type(pruned) is type(network)
    assert (pruned.stem.out_channels, pruned.depthwise.groups, pruned.depthwise.in_channels) == (4, 4, 4)
    assert (pruned.grouped.groups, pruned.grouped.in_channels, pruned.grouped.out_channels) == (2, 4, 6)
    assert (pruned.squeeze.in_features, pruned.squeeze.out_features, pruned.head.in_features) == (4, 2, 6)
    assert torch.equal(pruned.stem.weight, network.stem.weight[[0, 1, 4, 5]])
    assert pruned.scale.shape == (1, 4, 1, 1)
    assert not pruned.squeeze.weight.requires_grad and pruned.stem.weight.requires_grad
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in pruned.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    own = {tensor.data_ptr() for tensor in network.state_dict().values()}
    assert own.isdisjoint(tensor.data_ptr() for tensor in pruned.state_dict().values())
    with torch.no_grad():
        for tensor in pruned.state_dict().values():
            tensor.zero_()
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_the_oracle_silences_units_and_leaves_no_trace() -> None:
    network = gated()
    groups = find_unit_groups(network, IMAGE)
    selection = {"stem": [0, 2]}
    with torch.no_grad():
        whole = network(IMAGE)
        with masked(network, groups, selection):
            silent = network(IMAGE)
        assert torch.equal(network(IMAGE), whole)
    assert (silent - whole).abs().max() > 1e-2
    wrong = remove(network, groups, {"stem": [0, 3]})
    assert largest_difference(network, wrong, groups, selection, IMAGE) > 1e-2
    right = remove(network, groups, selection)
    assert largest_difference(network, right, groups, selection, IMAGE) < 1e-6


def test_double_precision_agrees_to_rounding() -> None:
    network = gated().double()
    groups = find_unit_groups(network, IMAGE)
    selection = {"stem": [0, 2], "squeeze": [1]}
    difference = largest_difference(network, remove(network, groups, selection), groups, selection, IMAGE.double())
    assert difference < 1e-14


def test_two_removals_equal_one() -> None:
    network = gated()
    groups = find_unit_groups(network, IMAGE)
    once = remove(network, groups, {"stem": [0, 2], "squeeze": [2]})
    first = {"stem": [2]}
    twice = remove(remove(network, groups, first), shrink(groups, first), {"stem": [0], "squeeze": [2]})
    assert shrink(shrink(groups, first), {"stem": [0]})[0].original.tolist() == [1, 3]
    for name, tensor in once.state_dict().items():
        assert torch.equal(tensor, twice.state_dict()[name])


def test_the_record_of_original_channels_goes_over_rounds() -> None:
    network = gated()
    groups = find_unit_groups(network, IMAGE)
    kept = all_channels(network)
    first, second = {"stem": [2]}, {"stem": [0], "squeeze": [2]}
    kept = remaining(kept, groups, first)
    left = shrink(groups, first)
    kept = remaining(kept, left, second)
    assert kept["stem"] == [2, 3, 6, 7]
    assert kept["grouped"] == [3, 4, 5, 9, 10, 11]
    assert kept["squeeze"] == [0, 1] and kept["head"] == [0, 1, 2, 3]
    selection = removed_units(groups, kept)
    assert selection == {"stem": [0, 2], "squeeze": [2]}
    with pytest.raises(SecateurError, match="splits units of group stem"):
        removed_units(groups, kept | {"stem": [2, 3, 6]})
    with pytest.raises(SecateurError, match="lacks layer stem"):
        removed_units(groups, {})


@pytest.mark.parametrize("budget", ["units", "macs"])
def test_a_sweep_gives_what_single_removals_give(budget: str) -> None:
    network = gated()
    groups = find_unit_groups(network, IMAGE)
    scores = {group.name: torch.rand(group.size, generator=torch.Generator().manual_seed(1)) for group in groups}
    rates = [0.0, 0.2, 0.4, 0.4, 0.7]
    size = tuple(IMAGE.shape[1:])
    selector = Selector(budget=budget, input_size=size)
    steps = list(sweep(network, groups, scores, rates, selector))
    assert [step.rate for step in steps] == rates
    for step in steps:
        chosen = select(groups, scores, step.rate, selector, network)
        assert step.selection == chosen
        for name, tensor in remove(network, groups, chosen).state_dict().items():
            assert torch.equal(tensor, step.model.state_dict()[name])
    with pytest.raises(SecateurError, match="ascending"):
        next(sweep(network, groups, scores, [0.4, 0.2]))


def test_a_new_head_fits_a_pruned_timm_network() -> None:
    case = CASES["ResNet-18"]
    network = case.network()
    groups = find_unit_groups(network, case.inputs())
    pruned = remove(network, groups, random_selection(groups, 0.5, 0))
    assert pruned.num_features == pruned.fc.in_features < network.num_features
    pruned.reset_classifier(3)
    assert pruned(case.inputs()).shape == (2, 3)


def test_bad_selections_are_one_clear_error() -> None:
    network = gated()
    groups = find_unit_groups(network, IMAGE)
    with pytest.raises(SecateurError, match="'stern' is unknown"):
        remove(network, groups, {"stern": [0]})
    with pytest.raises(SecateurError, match="units 0 to 4 selected, but it has 4"):
        remove(network, groups, {"stem": [0, 4]})
    with pytest.raises(SecateurError, match="a layer must keep one"):
        remove(network, groups, {"squeeze": [0, 1, 2]})
    with pytest.raises(SecateurError, match="another network's"):
        remove(networks.chain(), groups, {"stem": [0]})
    smaller = remove(network, groups, {"stem": [0]})
    with pytest.raises(SecateurError, match="those that `shrink` gives"):
        remove(smaller, groups, {"stem": [0]})


def test_a_unit_before_the_first_is_none() -> None:
    network = gated()
    groups = find_unit_groups(network, IMAGE)
    with pytest.raises(SecateurError, match="units -1 to 0 selected, but it has 4"):
        remove(network, groups, {"stem": [0, -1]})
