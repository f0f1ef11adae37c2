"""Copies of networks equal deepcopy's, and share nothing with the original but what is replaced."""

import copy

import pytest
import torch
from benchmarks.removal_proof import CASES
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from secateur.pruning.duplication import duplicate


class Odd(nn.Module):
    """Holds a module twice, once outside its registered children, and mutable settings."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)
        self.again = self.layer
        self.hidden = [self.layer]
        self.settings = {"names": ["a"]}
        self.missing: nn.Module | None = None
        self.register_module("absent", None)
        self.register_buffer("table", torch.arange(3.0), persistent=False)
        self.register_buffer("empty", None)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.again(self.hidden[0](x)) + self.table


def test_the_copy_has_the_same_inner_relations_and_shares_nothing() -> None:
    network = Odd()
    new = duplicate(network, {})
    assert new.hidden[0] is new.layer is new.again is not network.layer
    assert new.settings == network.settings and new.settings["names"] is not network.settings["names"]
    assert new.table.data_ptr() != network.table.data_ptr()
    assert list(new.state_dict()) == list(network.state_dict())
    assert new._non_persistent_buffers_set == {"table"}
    x = torch.randn(2, 3)
    assert torch.equal(new(x), network(x))
    new.layer.register_forward_hook(lambda *_: torch.zeros(2, 3))
    assert torch.equal(network(x), copy.deepcopy(network)(x))


def test_replaced_tensors_are_used_wherever_they_occur() -> None:
    network = Odd()
    smaller = nn.Parameter(torch.zeros(3, 3))
    new = duplicate(network, {id(network.layer.weight): smaller})
    assert new.layer.weight is smaller and new.hidden[0].weight is smaller


def test_modules_with_their_own_way_of_copying_keep_it() -> None:
    network = nn.Sequential(weight_norm(nn.Linear(3, 3)), nn.ReLU())
    x = torch.randn(2, 3)
    assert torch.equal(duplicate(network, {})(x), network(x))


@pytest.mark.parametrize("name", ["MobileNetV3-S", "ViT-Tiny/16", "RegNetX-200MF"])
def test_the_copy_equals_deepcopys(name: str) -> None:
    network, inputs = CASES[name].network(), CASES[name].inputs()
    ours, theirs = duplicate(network, {}), copy.deepcopy(network)
    for one, other in zip(ours.modules(), theirs.modules(), strict=True):
        assert type(one) is type(other) and vars(one).keys() == vars(other).keys()
    own = {tensor.data_ptr() for tensor in network.state_dict().values()}
    assert own.isdisjoint(tensor.data_ptr() for tensor in ours.state_dict().values())
    with torch.inference_mode():
        assert torch.equal(ours(inputs), theirs(inputs))
