"""What is inside a gate, held against where relevance flows: two walks over a network that share no code."""

import pytest
import timm
import torch
from benchmarks.removal_proof import disturb
from tests.pruning import networks
from torch import Tensor, nn

from secateur.errors import SecateurError
from secateur.pruning.gates import blind, gated
from secateur.pruning.operations import is_layer
from secateur.pruning.units import GATE, analyse, find_unit_groups, in_scope, outside
from secateur.ranking.network import Network

SIZE = (3, 32, 32)


class Swish(nn.Module):
    """A signal times its own sigmoid, in place, and a head that ends in a sigmoid: neither is inside a gate."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.head = nn.Conv2d(3, 5, 3), nn.Conv2d(5, 6, 3), nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.one(x)
        x = x * x.sigmoid()
        return self.head(self.two(x).mean((2, 3))).sigmoid()


class InPlace(nn.Module):
    """A gate that is multiplied in place, by a hard sigmoid in place, and a second use of its inside as a signal."""

    def __init__(self, also_signal: bool) -> None:
        super().__init__()
        self.stem, self.squeeze, self.excite = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 4, 1), nn.Conv2d(4, 6, 1)
        self.head, self.side = nn.Linear(6, 2), nn.Linear(4, 2)
        self.also_signal = also_signal

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        inside = nn.functional.relu(self.squeeze(x.mean((2, 3), keepdim=True)), inplace=True)
        x.mul_(nn.functional.hardsigmoid(self.excite(inside), inplace=True).expand_as(x))
        found = self.head(x.mean((2, 3)))
        return found + self.side(inside.flatten(1)) if self.also_signal else found


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (networks.Gated(), {"squeeze", "excite"}),
        (networks.chain(), set()),
        (Swish(), set()),
        (InPlace(also_signal=False), {"squeeze", "excite"}),
        (InPlace(also_signal=True), {"excite"}),
    ],
    ids=["squeeze-excite", "chain", "swish", "in place", "in place, a signal too"],
)
def test_a_layer_is_inside_a_gate_where_every_way_from_it_leads_through_one(network, expected):
    assert gated(network.eval(), (3, 16, 16)) == expected


@pytest.mark.parametrize("name", ["resnet18", "seresnet18", "mobilenetv3_small_050", "regnety_002", "efficientnet_b0"])
def test_relevance_is_zero_inside_gates_and_nowhere_else(name):
    network = disturb(timm.create_model(name, num_classes=3)).double().eval()
    inside = gated(network, SIZE)
    layers = [layer for layer, module in network.named_modules() if is_layer(module)]
    images = torch.rand(4, *SIZE, dtype=torch.float64)
    seen = Network(network, layers, images, torch.arange(4) % 3)
    total = dict.fromkeys(layers, 0.0)
    for batch in seen.relevance(rule="epsilon"):
        total = {layer: total[layer] + float(batch[layer].abs().sum()) for layer in layers}
    assert {layer for layer, found in total.items() if found == 0} == inside
    assert len(inside) == (0 if name == "resnet18" else sum(".se." in layer for layer in layers))


def test_the_scope_signal_leaves_out_the_neurons_inside_gates_and_says_so():
    network, image = timm.create_model("seresnet18", num_classes=3).eval(), torch.zeros(1, *SIZE)
    every = analyse(network, image).groups
    gates = [group for group in every if group.gate]
    assert {group.name for group in gates} == {
        f"layer{stage}.{block}.se.fc1" for stage in (1, 2, 3, 4) for block in (0, 1)
    }
    assert [group.name for group in in_scope(every, "signal")] == [group.name for group in every if not group.gate]
    assert {outside(group, "signal") for group in gates} == {outside(group, "inner") for group in gates} == {GATE}
    assert not any(outside(group, "all") for group in every)
    assert not any(group.gate or group.residual for group in in_scope(every, "inner"))


def test_a_network_whose_only_units_are_inside_gates_has_none_by_default():
    network = timm.create_model("nf_regnet_b0", num_classes=3).eval()
    with pytest.raises(SecateurError, match=r"no unit .* in scope 'signal'.* Scope 'all' has 3304 units"):
        find_unit_groups(network, torch.zeros(1, 3, 64, 64), "signal")


class Placed(nn.Module):
    """A map of constants made by a layer and added to what an image gives, as position biases are."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.places, self.head = nn.Conv2d(3, 4, 3), nn.Linear(2, 4), nn.Linear(4, 2)
        self.register_buffer("constants", torch.rand(1, 2))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.stem(x).mean((2, 3)) + self.places(self.constants))


def test_a_layer_that_reads_nothing_of_the_image_is_known_by_name() -> None:
    assert blind(Placed(), SIZE) == {"places"}
    assert blind(Swish(), SIZE) == set()
