"""Channels between two layers of a block that no walk follows: removal against the mask and by hand; wrong cuts."""

from unittest import mock

import pytest
import timm
import torch
from removal_proof import disturb
from tests.tiers import rows
from timm.layers import RmsNorm2d
from timm.layers.grn import GlobalResponseNorm
from torch import nn

from secateur.pruning import between, sums, units
from secateur.pruning.between import find_between
from secateur.pruning.cutting import cut
from secateur.pruning.masking import largest_difference, masked
from secateur.pruning.proof import prove
from secateur.pruning.removal import all_channels, remaining, remove, shrink
from secateur.pruning.saved import load, save
from secateur.pruning.units import analyse, find_unit_groups, layers_of

NETWORKS = {
    "split attention": ("resnest14d", {"channels": (8, 8, 16, 16), "stem_width": 4}),
    "selective kernels": ("skresnet18", {"layers": (1, 1, 1, 1), "channels": (16, 16, 24, 24)}),
    "response norms": ("convnextv2_atto", {"depths": (1, 1, 1, 1), "dims": (8, 8, 12, 12)}),
    "response norms, wrapped": (
        "csatv2",
        {"dims": (8, 8, 16, 24), "depths": (1, 1, 2, 2), "transformer_depths": (0, 0, 1, 1)},
    ),
}


class Block(nn.Module):
    """Two convolutions with something between them, in the names that blocks of timm give them."""

    def __init__(self, *between, groups=1):
        super().__init__()
        self.conv1 = nn.Sequential(nn.Conv2d(4, 12, 3, padding=1, groups=groups), *between)
        self.conv2 = nn.Conv2d(12, 4, 1)

    def forward(self, x):
        return x + self.conv2(self.conv1(x))


class Network(nn.Module):
    def __init__(self, block):
        super().__init__()
        self.stem, self.block, self.head = nn.Conv2d(3, 4, 3), block, nn.Linear(4, 5)
        self.norm = nn.GroupNorm(1, 4)  # keeps the stream whole, and so what a convolution in groups ties to it

    def forward(self, x):
        return self.head(self.norm(self.block(self.stem(x))).mean((2, 3)))


BLOCKS = {
    "root mean square": lambda: Block(RmsNorm2d(12, eps=0.1), nn.SiLU()),
    "two norms": lambda: Block(RmsNorm2d(12), nn.ReLU(), nn.Conv2d(12, 12, 1, groups=12), RmsNorm2d(12, eps=0.2)),
    "response": lambda: Block(GlobalResponseNorm(12, eps=0.3, channels_last=False), nn.GELU()),
    "two groups": lambda: Block(nn.BatchNorm2d(12), nn.ReLU(), groups=2),
    "four groups": lambda: Block(nn.SiLU(), groups=4),
}


def network(kind):
    torch.manual_seed(0)
    if kind in BLOCKS:
        return disturb(Network(BLOCKS[kind]())).double().eval()
    name, arguments = NETWORKS[kind]
    return disturb(timm.create_model(name, num_classes=5, **arguments)).double().eval()


def images(kind):
    side = 9 if kind in BLOCKS else 64
    return torch.rand(2, 3, side, side, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


def alone(model, kind):
    """What this finds beside all that is found otherwise."""
    with mock.patch.object(units, "find_between", return_value=[]):
        others = analyse(model, images(kind)).groups
    return find_between(model, tuple(images(kind).shape[1:]), layers_of(others))


def private(model, kind):
    """The groups that only this finds."""
    made = {name for one in alone(model, kind) for name in one.sources}
    return [group for group in find_unit_groups(model, images(kind)) if group.producers[0].layer in made]


@pytest.mark.parametrize("kind", rows([*BLOCKS, *NETWORKS], [*BLOCKS, "selective kernels"]))
def test_a_block_without_channels_is_the_whole_one_with_them_silent(kind):
    model = network(kind)
    groups = private(model, kind)
    assert groups
    for step in (2, 3):
        selection = {group.name: list(range(0, group.size - 1, step)) for group in groups}
        evidence = prove(model, groups, selection, images(kind))
        assert evidence.difference < 1e-12 and evidence.predicted == evidence.counted and evidence.trains
    with torch.no_grad():
        whole = model(images(kind))
        with masked(model, groups, selection):
            assert float((model(images(kind)) - whole).abs().max()) > 1e-6


def test_what_a_unit_is():
    def places(kind):
        (group, *_) = private(network(kind), kind)
        return group.kind, {(part.owner, part.role): part.index[1].tolist() for part in group.slices}

    kind, found = places("two groups")
    assert kind == "filter" and found["block.conv1.0", "out"] == found["block.conv2", "in"] == [1, 7]
    assert found["block.conv1.1", "channels"] == [1, 7] and ("block.conv1.0", "in") not in found
    _, found = places("split attention")
    width = network("split attention").layer1[0].conv2.fc1.in_channels
    assert found["layer1.0.conv2.conv", "out"] == found["layer1.0.conv2.fc2", "out"] == [1, 1 + width]
    assert found["layer1.0.conv2.fc1", "in"] == found["layer1.0.conv3", "in"] == [1]
    kind, found = places("response norms, wrapped")
    assert kind == "neuron" and [role for _, role in found] == ["out", "channels", "in"]


@torch.no_grad()
@pytest.mark.parametrize("kind", ["root mean square", "response"])
def test_a_norm_by_hand(kind):
    """The sum over the channels that are there, divided by the number that there once was."""
    model, inputs = network(kind), images(kind)
    (group,) = private(model, kind)
    gone = [0, 3, 4, 11]
    left = [channel for channel in range(12) if channel not in gone]
    first, norm, *after = model.block.conv1
    x = model.stem(inputs)
    made = nn.functional.conv2d(x, first.weight[left], first.bias[left], padding=1)
    factors = norm.weight[left].view(1, -1, 1, 1)
    if kind == "response":
        size = made.square().sum((2, 3), keepdim=True).sqrt()
        shares = size / (size.sum(1, keepdim=True) / 12 + norm.eps)
        made = made + factors * made * shares + norm.bias[left].view(1, -1, 1, 1)
    else:
        made = made / (made.square().sum(1, keepdim=True) / 12 + norm.eps).sqrt() * factors
    read = nn.functional.conv2d(nn.Sequential(*after)(made), model.block.conv2.weight[:, left], model.block.conv2.bias)
    expected = model.head(model.norm(x + read).mean((2, 3)))
    pruned = remove(model, [group], {group.name: gone})
    assert float((pruned(inputs) - expected).abs().max()) < 1e-12 * float(expected.abs().max())
    steps = remove(model, [group], {group.name: gone[:2]})
    steps = remove(steps, shrink([group], {group.name: gone[:2]}), {group.name: [2, 9]})  # 4 and 11, less 0 and 3
    assert float((steps(inputs) - expected).abs().max()) < 1e-12 * float(expected.abs().max())


@pytest.mark.parametrize("kind", rows(["root mean square", "two norms", "response", "response norms"], ["two norms"]))
@pytest.mark.parametrize("planted", ["nothing", "weights alone", "ε alone"])
def test_a_norm_that_is_not_put_right_would_be_told(kind, planted, monkeypatch):
    """Planted: what makes up for the smaller number of channels is left out. Neither proof nor trial believes it."""
    if kind == "response norms" and planted != "nothing":
        pytest.skip("its ε is 1e-6 of what it stands beside")
    model, groups = network(kind), private(network(kind), kind)
    right = sums.correct

    def wrong(norm, before):
        kept = norm.weight.detach().clone(), norm.eps
        if planted != "nothing":
            right(norm, before)
        if planted == "weights alone":
            norm.eps = kept[1]
        if planted == "ε alone":
            norm.weight.data = kept[0]

    monkeypatch.setattr(sums, "correct", wrong)
    selection = {group.name: list(range(0, group.size, 2)) for group in groups}
    assert largest_difference(model, remove(model, groups, selection), groups, selection, images(kind)) > 1e-6
    assert not alone(model, kind)


@pytest.mark.parametrize("kind", ["two groups", "split attention", "selective kernels"])
def test_channels_that_are_laid_otherwise_are_refused(kind, monkeypatch):
    """Planted: the channels of a unit lie side by side."""
    model, groups = network(kind), private(network(kind), kind)
    assert groups
    monkeypatch.setattr(between, "_rows", lambda width, size: torch.arange(width).reshape(size, -1))
    assert not alone(model, kind)


def test_layer_norms_between_and_layers_that_are_used_twice_stay():
    torch.manual_seed(0)
    assert not find_between(Network(Block(nn.GroupNorm(1, 12))).double(), (3, 9, 9), set())
    shared = Network(Block(RmsNorm2d(12)))
    assert find_between(shared, (3, 9, 9), set())
    twice = Network(nn.Sequential(shared.block, shared.block))
    twice.block.add_module("2", shared.block)
    assert not find_between(twice, (3, 9, 9), set())
    assert not find_between(shared, (3, 9, 9), {"block.conv1.0"})


class Chain(nn.Module):
    """A block of three layers, with norms between that no walk passes."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Sequential(nn.Conv2d(4, 12, 1), RmsNorm2d(12))
        self.conv2 = nn.Sequential(nn.Conv2d(12, 8, 1), RmsNorm2d(8), nn.ReLU())
        self.conv3 = nn.Conv2d(8, 4, 1)

    def forward(self, x):
        return x + self.conv3(self.conv2(self.conv1(x)))


def test_a_block_may_lose_channels_in_two_places():
    torch.manual_seed(0)
    model, inputs = disturb(Network(Chain())).double().eval(), images("two norms")
    groups = find_unit_groups(model, inputs)
    assert [(group.name, group.size) for group in groups] == [("block.conv1.0", 12), ("block.conv2.0", 8)]
    evidence = prove(model, groups, {group.name: [0, 2, 5] for group in groups}, inputs)
    assert evidence.difference < 1e-12 and evidence.predicted == evidence.counted and evidence.trains


def test_a_convolution_that_loses_outputs_of_each_group_keeps_its_groups():
    layer = nn.Sequential(nn.Conv2d(4, 12, 1, groups=2).double())
    new = cut(layer, {("0", "out"): torch.tensor([0, 3, 7, 8])})
    assert (new[0].groups, new[0].in_channels, new[0].out_channels) == (2, 4, 4)
    x = torch.rand(1, 4, 3, 3, dtype=torch.float64)
    assert torch.allclose(new(x), layer(x)[:, [0, 3, 7, 8]], rtol=1e-14, atol=0)


@pytest.mark.parametrize("kind", rows(NETWORKS, ["response norms, wrapped"]))
def test_saved_and_loaded_they_are_the_same_to_the_bit(kind, tmp_path):
    model = network(kind)
    groups = private(model, kind)
    kept = all_channels(model)
    for _ in range(2):  # ε is the product of two steps
        selection = {group.name: list(range(0, group.size, 3)) for group in groups}
        kept = remaining(kept, groups, selection)
        model, groups = remove(model, groups, selection), shrink(groups, selection)
    name, arguments = NETWORKS[kind]
    save(model, tmp_path, architecture=name, arguments={"num_classes": 5, **arguments}, kept=kept)
    loaded = load(tmp_path).model
    with torch.no_grad():
        assert torch.equal(loaded(images(kind)), model(images(kind)))
    selection = {group.name: [0] for group in groups}
    with torch.no_grad():
        assert torch.equal(*(remove(one, groups, selection)(images(kind)) for one in (loaded, model)))
