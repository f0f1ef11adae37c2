"""Heads and gated neurons whose layers lie inside wrappers (LeViT, Gemma's clipped layers, multi-query attention)."""

import pytest
import timm
import torch
from attention_networks import fused
from removal_proof import disturb
from tests.tiers import rows
from timm.layers import MultiQueryAttention2d
from torch import nn

from secateur.pruning import layouts
from secateur.pruning.attention import stated
from secateur.pruning.heads import find_heads
from secateur.pruning.masking import largest_difference
from secateur.pruning.proof import prove
from secateur.pruning.removal import all_channels, remaining, remove
from secateur.pruning.saved import load, save
from secateur.pruning.units import find_unit_groups

LEVIT = {"embed_dim": (16, 24, 32), "key_dim": 8, "num_heads": (2, 3, 4), "depth": (1, 1, 1)}
GEMMA = {"embed_dim": 24, "depth": 2, "num_heads": 3, "head_dim": 8, "intermediate_size": 40}
NETWORKS = {
    "levit": ("levit_128s", {"img_size": 64, **LEVIT}),
    "levit, convolutions": ("levit_conv_128s", {"img_size": 64, **LEVIT}),
    "gemma": ("gemma4_vit_167m", GEMMA),
}


class Shared(nn.Module):
    """Attention whose heads share their keys and values, on an image."""

    def __init__(self):
        super().__init__()
        self.stem, self.head = nn.Conv2d(3, 12, 5, stride=3), nn.Linear(12, 5)
        self.attn = MultiQueryAttention2d(12, num_heads=3, key_dim=6, value_dim=6, kv_stride=2)

    def forward(self, x):
        x = self.stem(x)
        return self.head((x + self.attn(x)).mean((2, 3)))


def network(kind):
    torch.manual_seed(0)
    if kind == "shared":
        return disturb(Shared()).double().eval()
    name, arguments = NETWORKS[kind]
    model = disturb(timm.create_model(name, num_classes=5, **arguments)).double().eval()
    for parameter in model.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, 0, 0.6 / parameter[0].numel() ** 0.5)
    return model


def images():
    return torch.rand(2, 3, 64, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


def of_modules(model):
    """The groups of heads, and of neurons of gated MLPs."""
    return [
        group
        for group in find_unit_groups(model, images())
        if group.kind == "head" or any("gate_proj" in name for name, _ in group.producers)
    ]


@pytest.mark.parametrize("kind", rows([*NETWORKS, "shared"], ["levit", "shared"]))
def test_without_some_it_is_the_whole_with_them_silent(kind):
    model = network(kind)
    groups = of_modules(model)
    assert {group.kind for group in groups} == ({"head", "neuron"} if kind == "gemma" else {"head"})
    every = [selected(groups, 2), {group.name: list(range(1, group.size)) for group in groups}]
    for selection in every:
        for way in (False, True):
            evidence = prove(fused(model, way), groups, selection, images())
            assert evidence.difference < 1e-12 and evidence.predicted == evidence.counted and evidence.trains


def selected(groups, step):
    return {group.name: list(range(0, group.size - 1, step)) for group in groups}


def test_where_the_heads_lie():
    model = network("levit")
    group = next(group for group in of_modules(model) if group.name == "stages.0.blocks.0.attn.qkv.linear")
    found = {(part.owner.removeprefix("stages.0.blocks.0.attn"), part.role): part.index[1] for part in group.slices}
    assert found[".qkv.linear", "out"].tolist() == list(range(32, 64))  # two keys of 8 and a value of 16 for each head
    assert torch.equal(found[".qkv.bn", "channels"], found[".qkv.linear", "out"])
    assert found[".proj.ln.linear", "in"].tolist() == list(range(16, 32))
    assert found[".attention_biases", "axis0"].tolist() == [1]
    model = network("shared")
    assert stated(model.attn) == (3, "output.proj", "head")
    (group,) = of_modules(model)
    assert [name for name, _ in group.producers] == ["attn.query.proj"]  # keys and values are of all heads
    pruned = remove(model, [group], {group.name: [1]})
    assert (pruned.attn.num_heads, pruned.attn.query.proj.out_channels, pruned.attn.key.proj.out_channels) == (2, 12, 6)


@pytest.mark.parametrize("kind", rows(["levit", "gemma"], ["levit"]))
def test_a_head_that_lies_elsewhere_is_found_out(kind, monkeypatch):
    """Planted: the rows of another head go; and a batch-norm behind the layer keeps them all."""
    model = network(kind)
    groups = [group for group in of_modules(model) if group.kind == "head"]
    wrong = {group.name: [0] for group in groups}
    other = {group.name: [1] for group in groups}
    assert largest_difference(model, remove(model, groups, wrong), groups, other, images()) > 1e-6
    if kind == "levit":
        monkeypatch.setattr(layouts, "_norms_behind", lambda *_: [])
        found, refused = find_heads(model, (3, 64, 64))
        assert not found and "stages.0.blocks.0.attn.qkv.linear" in refused


@pytest.mark.parametrize("kind", rows(NETWORKS, ["levit"]))
def test_saved_and_loaded_they_are_the_same_to_the_bit(kind, tmp_path):
    model = network(kind)
    groups = of_modules(model)
    selection = selected(groups, 2)
    pruned = remove(model, groups, selection)
    name, arguments = NETWORKS[kind]
    kept = remaining(all_channels(model), groups, selection)
    save(pruned, tmp_path, architecture=name, arguments={"num_classes": 5, **arguments}, kept=kept)
    with torch.no_grad():
        assert torch.equal(load(tmp_path).model(images()), pruned(images()))
