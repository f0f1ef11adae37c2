"""Parameters, MACs and their prediction."""

import pytest
import torch
from benchmarks.removal_proof import CASES, random_selection
from tests.pruning import networks
from tests.tiers import rows
from torch.utils.flop_counter import FlopCounterMode

from secateur.errors import SecateurError
from secateur.pruning.counting import Counter, Counts, count
from secateur.pruning.prediction import Predictor
from secateur.pruning.removal import remove
from secateur.pruning.units import find_unit_groups


def test_counts_by_hand() -> None:
    network = networks.chain()
    params = (27 * 6 + 6) + 12 + 6 + 54 * 5 + 10 + (80 * 7 + 7) + (7 * 4 + 4)
    macs = 27 * 6 * 256 + 54 * 5 * 64 + 80 * 7 + 7 * 4
    assert count(network, (3, 16, 16)) == Counts(params, macs)


@pytest.mark.parametrize("name", ["ResNet-18", "RegNetY-200MF", "ViT-Tiny/16"])
def test_macs_are_half_of_what_torch_counts_on_a_real_pass(name: str) -> None:
    case = CASES[name]
    network = case.network()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(case.inputs(1))
    found = count(network, (3, case.side, case.side))
    assert 2 * found.macs == counter.get_total_flops()
    assert found.params == sum(tensor.numel() for tensor in network.parameters())


def test_counting_leaves_the_network_alone() -> None:
    network = networks.chain().train()
    count(network, (3, 16, 16))
    assert network.training and next(network.parameters()).device.type == "cpu"


@pytest.mark.parametrize("name", rows(["MobileNetV3-S", "ViT-Tiny/16"], []))
def test_the_fast_counter_counts_what_a_pass_counts(name: str) -> None:
    case = CASES[name]
    network, size = case.network(), (3, case.side, case.side)
    groups = find_unit_groups(network, case.inputs())
    counter = Counter(network, size)
    assert counter.count(network) == count(network, size)
    pruned = remove(network, groups, random_selection(groups, 0.6, 0))
    assert counter.count(pruned) == count(pruned, size)
    assert not any(module._forward_hooks for module in network.modules())


def test_prediction_without_a_selection_is_the_count() -> None:
    network = networks.Gated()
    groups = find_unit_groups(network, torch.zeros(1, 3, 8, 8))
    predictor = Predictor(network, groups, (3, 8, 8))
    assert predictor.counts() == predictor.counts({}) == count(network, (3, 8, 8))
    assert predictor.counts({"squeeze": [0]}).params == count(network, (3, 8, 8)).params - 8 - 1 - 8


def test_a_wrong_input_size_is_one_clear_error() -> None:
    with pytest.raises(SecateurError, match=r"does not run at input size \(4, 16, 16\)"):
        count(networks.chain(), (4, 16, 16))
