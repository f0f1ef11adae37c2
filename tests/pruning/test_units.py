"""Unit groups: which channels hang together, which must stay and why, and what a removal leaves of the groups."""

import time

import pytest
import timm
import torch
from benchmarks.removal_proof import CASES, disturb, random_selection
from tests.pruning import networks
from tests.tiers import rows
from timm.models.vision_transformer import Attention
from torch import nn
from torch_pruning.dependency import index_mapping

from secateur.errors import SecateurError
from secateur.pruning import tracing
from secateur.pruning.operations import NORMALISED
from secateur.pruning.proof import prove
from secateur.pruning.removal import remove, shrink
from secateur.pruning.units import UnitGroup, analyse, find_unit_groups

IMAGE = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(3))


def by_name(groups: list[UnitGroup]) -> dict[str, UnitGroup]:
    return {group.name: group for group in groups}


def layers(group: UnitGroup) -> list[str]:
    return [producer.layer for producer in group.producers]


def same_groups(first: list[UnitGroup], second: list[UnitGroup]) -> bool:
    def facts(group: UnitGroup) -> tuple:
        slices = {(part.owner, part.role): part.index.tolist() for part in group.slices}
        return group.name, group.kind, group.size, group.residual, layers(group), slices

    return [facts(group) for group in first] == [facts(group) for group in second]


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (networks.chain(), {"0": (6, ["0"]), "4": (5, ["4"]), "9": (7, ["9"])}),
        (networks.Residual(), {"stem": (6, ["stem"]), "shortcut": (6, ["shortcut", "back"]), "inner": (5, ["inner"])}),
        (
            networks.Gated(),
            {"stem": (4, ["stem", "depthwise", "excite", "grouped"]), "squeeze": (3, ["squeeze"])},
        ),
        (
            networks.Concatenated(),
            {"right": (5, ["right", "second"]), "left": (4, ["left"]), "first": (6, ["first"])},
        ),
        (networks.Multiplied(), {"stem": (3, ["stem", "wider", "narrower"])}),
        (networks.WithImage("added"), {"middle": (5, ["middle"])}),
        (networks.WithImage("concatenated"), {"middle": (5, ["middle"])}),
        (networks.Shared(), {"after": (6, ["after"])}),
        (networks.standardised(), {"4": (4, ["4"])}),
        (networks.Counted(), {"first": (4, ["first"])}),
        (networks.Sliced(), {"after": (5, ["after"])}),
        (networks.ChannelAttention(), {"after": (5, ["after"])}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_groups_of_small_networks(network: nn.Module, expected: dict[str, tuple[int, list[str]]]) -> None:
    groups = find_unit_groups(disturb(network).eval(), IMAGE)
    assert {group.name: (group.size, layers(group)) for group in groups} == expected
    for seed, rate in enumerate((0.2, 0.5, 0.8)):
        assert prove(network, groups, random_selection(groups, rate, seed), IMAGE).holds


@pytest.mark.parametrize("how", networks.MIXING)
def test_channels_that_meet_a_mixing_operation_stay(how: str) -> None:
    network = disturb(networks.Mixed(how)).eval()
    groups = find_unit_groups(network, IMAGE)
    assert [group.name for group in groups] == ["stem", "after"]
    assert "suspect" in analyse(network, IMAGE).left_out
    assert prove(network, groups, random_selection(groups, 0.5, 0), IMAGE).holds


def test_reasons_name_what_binds() -> None:
    assert analyse(networks.Shared(), IMAGE).left_out["twice"] == "twice is used 2 times in one pass"
    assert analyse(networks.WithImage("added"), IMAGE).left_out["stem"] == "joined with the image itself"
    assert analyse(networks.Mixed("group norm"), IMAGE).left_out["suspect"] == NORMALISED
    assert "re-parametrised" in analyse(networks.standardised(), IMAGE).left_out["2"]
    assert "code" in analyse(networks.Counted(), IMAGE).left_out["second"]
    assert analyse(networks.chain(), IMAGE).left_out == {"11": "an output of the network"}


def test_residual_streams_are_outside_the_inner_scope() -> None:
    network = CASES["ResNet-18"].network()
    every = by_name(find_unit_groups(network, torch.zeros(1, 3, 32, 32)))
    inner = by_name(find_unit_groups(network, torch.zeros(1, 3, 32, 32), "inner"))
    residual = [name for name, group in every.items() if group.residual]
    assert residual == ["conv1", "layer2.0.conv2", "layer3.0.conv2", "layer4.0.conv2"]
    assert layers(every["conv1"]) == ["conv1", "layer1.0.conv2", "layer1.1.conv2"]
    assert layers(every["layer2.0.conv2"]) == ["layer2.0.conv2", "layer2.0.downsample.0", "layer2.1.conv2"]
    assert list(inner) == [name for name in every if name not in residual]


@pytest.mark.slow
def test_fully_connected_layers_are_neurons_also_where_timm_writes_them_as_convolutions() -> None:
    groups = find_unit_groups(CASES["VGG-16"].network(), CASES["VGG-16"].inputs())
    assert [group.name for group in groups if group.kind == "neuron"] == ["pre_logits.fc1", "pre_logits.fc2"]
    groups = find_unit_groups(CASES["ResNet-18"].network(), torch.zeros(1, 3, 32, 32))
    assert {group.kind for group in groups} == {"filter"}  # although the last stage has one position at this size


def test_grouped_convolutions_go_by_whole_groups() -> None:
    groups = by_name(find_unit_groups(CASES["RegNetX-200MF"].network(), CASES["RegNetX-200MF"].inputs()))
    group = groups["s1.b1.conv1.conv"]
    assert layers(group) == ["s1.b1.conv1.conv", "s1.b1.conv2.conv"]
    assert group.size == 3  # 24 channels in convolution groups of 8
    assert group.producers[1].channels.tolist() == torch.arange(24).reshape(3, 8).tolist()


@pytest.mark.slow
def test_streams_under_layer_norm_are_not_offered() -> None:
    case = CASES["ViT-Tiny/16"]
    network = case.network()
    names = [group.name for group in find_unit_groups(network, case.inputs())]
    assert names == [f"blocks.{number}.{part}" for number in range(12) for part in ("attn.qkv", "mlp.fc1")]
    assert analyse(network, case.inputs()).left_out["patch_embed.proj"] == NORMALISED


def test_finding_units_changes_nothing_and_repeats() -> None:
    network = networks.Gated().train()
    network.stem.weight.requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    random = torch.random.get_rng_state()
    with torch.no_grad():
        first = find_unit_groups(network, IMAGE)
    assert same_groups(first, find_unit_groups(network, IMAGE))
    assert network.training and not network.stem.weight.requires_grad
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert torch.equal(random, torch.random.get_rng_state())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())


@pytest.mark.parametrize("name", rows(["ResNet-18", "MobileNetV3-S", "RegNetX-200MF"], ["ResNet-18"]))
def test_groups_after_removal_are_those_of_a_fresh_trace(name: str) -> None:
    case = CASES[name]
    network, inputs = case.network(), case.inputs()
    groups = find_unit_groups(network, inputs)
    names = [group.name for group in groups]
    for _ in range(2):
        selection = {group.name: [0, 2] for group in groups if group.size > 5}
        network, groups = remove(network, groups, selection), shrink(groups, selection)
        assert same_groups(groups, find_unit_groups(network, inputs))
        assert [group.name for group in groups] == names


def test_one_convolution_group_left_is_an_ordinary_convolution_to_a_fresh_trace() -> None:
    network = networks.Gated().eval()
    groups = find_unit_groups(network, IMAGE)
    selection = {"stem": [0, 1, 2]}
    traced = find_unit_groups(remove(network, groups, selection), IMAGE)
    assert [group.name for group in shrink(groups, selection)] == ["stem", "squeeze"]
    assert [group.name for group in traced] == ["stem", "squeeze", "grouped"]


def test_bad_input_is_one_clear_error() -> None:
    with pytest.raises(
        SecateurError, match="allowed are signal, all, inner, filters, neurons, heads, head_channels, embedding"
    ):
        find_unit_groups(networks.chain(), IMAGE, "outer")
    with pytest.raises(SecateurError, match="cannot be traced at input size"):
        find_unit_groups(networks.chain(), torch.zeros(1, 3, 9, 9))
    with pytest.raises(SecateurError, match="no unit that can be removed"):
        find_unit_groups(nn.Sequential(nn.Flatten(), nn.Linear(768, 3)), IMAGE)


class Focus(nn.Module):
    """An image put together of its own slices, whose number torch-pruning does not find, and attention behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.attn, self.head = nn.Conv2d(12, 24, 3), Attention(24, num_heads=3), nn.Linear(24, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.cat([x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2]], dim=1)
        return self.head(self.attn(self.stem(x).flatten(2).transpose(1, 2)).mean(1))


def test_a_network_that_cannot_be_followed_still_has_its_heads(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise IndexError("of the library's own")

    monkeypatch.setattr(tracing, "build", fails)
    network = Focus().eval()
    found = analyse(network, IMAGE)
    assert [(group.name, group.kind, group.size) for group in found.groups] == [("attn.qkv", "head", 3)]
    assert set(found.left_out) == {"stem", "attn.proj", "head"}
    assert all("cannot follow this network" in reason for reason in found.left_out.values())
    assert prove(network, found.groups, {"attn.qkv": [1]}, torch.randn(2, *IMAGE.shape[1:])).holds


class Joined(nn.Module):
    """A convolution of such slices, and what it makes joined with slices of the image."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.next, self.head = nn.Conv2d(12, 6, 1), nn.Conv2d(6, 5, 1), nn.Linear(17, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        slices = torch.cat([x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2]], dim=1)
        return self.head(torch.cat([slices, self.next(self.stem(slices).relu())], dim=1).mean((2, 3)))


def test_a_step_of_unknown_size_keeps_its_channels_and_no_others() -> None:
    network = Joined().eval()
    before = index_mapping.update_concat_index_mapping
    found = analyse(network, IMAGE)
    assert index_mapping.update_concat_index_mapping is before
    assert [(group.name, group.size) for group in found.groups] == [("stem", 6)]
    assert found.left_out["next"] == "joined or reshaped with what has no known number of channels"
    assert prove(network, found.groups, {"stem": [0, 3]}, IMAGE).holds
    assert {group.name for group in analyse(Focus().eval(), IMAGE).groups} == {"attn.qkv"}


class Neighbours(nn.Module):
    """Efficient channel attention: each channel's gate reads its neighbours' means."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, channels, 3, padding=1)
        self.gate = nn.Conv1d(1, 1, 3, padding=1, bias=False)
        self.next, self.head = nn.Conv2d(channels, 8, 1), nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        gate = self.gate(x.mean((2, 3)).view(len(x), 1, -1)).view(len(x), -1, 1, 1).sigmoid()
        return self.head(self.next(x * gate.expand_as(x)).mean((2, 3)))


def test_channels_that_multiply_are_given_up_at_once() -> None:
    began = time.process_time()
    found = analyse(Neighbours(1024).eval(), IMAGE)
    assert time.process_time() - began < 3
    assert [group.name for group in found.groups] == ["next"] and "stem" in found.left_out


@pytest.mark.slow
def test_nonsense_of_the_graph_is_no_traceback() -> None:
    network = timm.create_model("efficientvit_m0", num_classes=4).eval()
    found = analyse(network, torch.zeros(1, 3, 64, 64))
    assert "its channels cannot be followed through the network" in found.left_out.values()
    assert len(found.groups) == 23
