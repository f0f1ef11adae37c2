"""Channels of attention heads as units: removal against the mask and by hand, the scale, and what is refused."""

import math
import random

import pytest
import timm
import torch
from attention_networks import fused, image_size, network
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tiers import rows
from timm.layers import Attention
from timm.models.cait import ClassAttn
from torch import nn

from secateur.errors import SecateurError
from secateur.pruning import head_channels, removal
from secateur.pruning.counting import count
from secateur.pruning.head_channels import CHANNELS_MIXED, NORMED, ROTARY
from secateur.pruning.heads import PACKED, find_heads
from secateur.pruning.masking import largest_difference, masked
from secateur.pruning.proof import prove
from secateur.pruning.removal import remove, shrink
from secateur.pruning.selection import Selector, select
from secateur.pruning.units import analyse, find_unit_groups

CARRYING = ("vit", "deit3", "deit_distilled", "swin", "swinv2", "beit", "cait", "xcit", "maxvit", "coatnet")
SCOPE = "head_channels"


def images(family, count=2):
    size = image_size(family)
    return torch.rand(count, 3, size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


def vision_transformer(size=8, heads=3, **arguments):
    """A small ViT whose attention is far from even: there a wrong scale shows."""
    torch.manual_seed(0)
    shape = {"img_size": 16, "patch_size": 4, "embed_dim": size * heads, "depth": 2, "num_heads": heads}
    model = timm.create_model("vit_tiny_patch16_224", num_classes=3, **shape, **arguments).eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, 0, 0.5 if parameter.ndim < 2 else 2 * parameter[0].numel() ** -0.5)
    return model


PICTURES = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("family", rows(CARRYING, ["vit", "swin"]))
def test_a_network_without_channels_of_heads_is_the_whole_one_with_them_silent(family):
    model, inputs = network(family), images(family)
    whole = count(model, tuple(inputs.shape[1:]))
    groups = find_unit_groups(model, inputs, SCOPE)
    assert {group.kind for group in groups} == {"head_channel"}
    draw = random.Random(family)
    some = {group.name: draw.sample(range(group.size), draw.randint(1, group.size - 1)) for group in groups}
    for selection in (some, {group.name: list(range(1, group.size)) for group in groups}):
        for way in (False, True):
            evidence = prove(fused(model, way), groups, selection, inputs)
            assert evidence.difference < 1e-12
            assert evidence.predicted == evidence.counted and evidence.trains
            assert evidence.counted.macs < whole.macs and evidence.counted.params < whole.params


def by_hand(layers, heads, inputs, gone, queries):
    """Attention written out number by number, with the channels `gone` of every head's q, k and v set to zero."""
    q, k, v, projection = layers
    size = len(q[0]) // heads
    rows = []
    for row in inputs:
        made = [row[:queries] @ q[0].T + q[1], row @ k[0].T + k[1], row @ v[0].T + v[1]]
        joined = torch.zeros(queries, heads * size, dtype=row.dtype)
        for head in range(heads):
            mine = [part[:, head * size : (head + 1) * size].clone() for part in made]
            for part in mine:
                part[:, gone] = 0
            for token in range(queries):
                products = [float(mine[0][token] @ key) / math.sqrt(size) for key in mine[1]]
                shares = [math.exp(value - max(products)) for value in products]
                for share, value in zip(shares, mine[2], strict=True):
                    joined[token, head * size : (head + 1) * size] += share / sum(shares) * value
        rows.append(joined @ projection[0].T + projection[1])
    return torch.stack(rows)


class Single(nn.Module):
    """One attention module, with a layer behind it."""

    def __init__(self, attention):
        super().__init__()
        self.attention, self.head = attention, nn.Linear(attention.proj.out_features, 3)

    def forward(self, x):
        return self.head(self.attention(x).mean(1))


def parted(layer, parts):
    return list(zip(layer.weight.chunk(parts), layer.bias.chunk(parts), strict=True))


@pytest.mark.parametrize("kind", ["one layer for q, k and v", "three layers"])
@pytest.mark.parametrize("way", [False, True], ids=["unfused", "fused"])
@torch.no_grad()
def test_the_pruned_module_gives_what_attention_by_hand_gives(kind, way):
    torch.manual_seed(0)
    attention = Attention(12, 3, qkv_bias=True) if kind.startswith("one") else ClassAttn(12, 3, qkv_bias=True)
    for parameter in attention.parameters():
        nn.init.normal_(parameter)
    model = fused(Single(attention).double().eval(), way)
    inputs = torch.randn(2, 5, 12, dtype=torch.float64)
    if kind.startswith("one"):
        layers, queries = [*parted(attention.qkv, 3), *parted(attention.proj, 1)], 5
    else:
        layers = [pair for name in ("q", "k", "v", "proj") for pair in parted(getattr(attention, name), 1)]
        queries = 1
    groups = find_unit_groups(model, inputs, SCOPE)
    assert [group.size for group in groups] == [4]
    pruned = remove(model, groups, {groups[0].name: [0, 2]})
    found, expected = pruned.attention(inputs), by_hand(layers, 3, inputs, [0, 2], queries)
    assert float((found - expected).abs().max()) < 1e-12 * float(expected.abs().max())
    assert pruned.attention.num_heads == 3 and pruned.attention.scale == 2**-0.5
    assert pruned.attention.proj.in_features == 6
    if kind.startswith("one"):
        assert (pruned.attention.head_dim, pruned.attention.attn_dim) == (2, 6)
        assert pruned.attention.qkv.weight.shape == (18, 12) and pruned.attention.qkv.bias.shape == (18,)


def test_without_the_scale_fused_attention_is_another_function(monkeypatch):
    """The trap, planted: what is left of queries keeps its size, fused and not. The mask tells, and the trial too."""
    model = vision_transformer().double()
    groups = find_unit_groups(model, PICTURES.double(), SCOPE)
    selection = {group.name: [0, 1, 2, 3] for group in groups}
    monkeypatch.setattr(removal, "rescale", lambda *_: None)
    for way in (False, True):
        pruned = remove(fused(model, way), groups, selection)
        assert largest_difference(model, pruned, groups, selection, PICTURES.double()) > 1e-2
    monkeypatch.setattr(head_channels, "rescale", lambda *_: None)
    found, reasons = find_heads(model, (3, 16, 16), channels=True)
    assert {units.kind for units in found} == {"neuron"}  # nor does the trial of the module believe it
    assert set(reasons) == {"blocks.0.attn.qkv", "blocks.1.attn.qkv"}


def test_the_mask_of_a_unit_hides_nothing_else():
    model = vision_transformer()
    groups = find_unit_groups(model, PICTURES, SCOPE)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with torch.no_grad():
        whole = model(PICTURES)
        with masked(model, groups, {groups[0].name: [2]}):
            assert not torch.equal(model(PICTURES), whole)
            changed = [name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])]
            assert changed == ["blocks.0.attn.qkv.weight", "blocks.0.attn.qkv.bias"]
            zero = (model.blocks[0].attn.qkv.bias == 0).nonzero().flatten().tolist()
            assert zero == [2, 10, 18, 26, 34, 42, 50, 58, 66]  # channel 2 of 8, in 3 heads of q, k and v
        assert torch.equal(model(PICTURES), whole)


def test_in_single_precision():
    model = vision_transformer(64, 3, qkv_bias=True)
    groups = find_unit_groups(model, PICTURES, SCOPE)
    for way in (False, True):
        selection = {group.name: list(range(0, 64, 2)) for group in groups}
        assert prove(fused(model, way), groups, selection, PICTURES).difference < 1e-5


@pytest.mark.slow
@settings(max_examples=6, deadline=None)
@given(st.data(), st.integers(2, 6), st.integers(1, 4), st.booleans())
def test_any_shape_and_choice_of_channels_in_one_step_and_in_several(data, size, heads, way):
    model = fused(vision_transformer(size, heads).double(), way)
    inputs = PICTURES.double()
    groups = find_unit_groups(model, inputs, SCOPE)
    assert [group.size for group in groups] == [size, size]
    chosen = st.lists(st.integers(0, size - 1), max_size=size - 1, unique=True)
    selection = {group.name: data.draw(chosen) for group in groups}
    pruned = remove(model, groups, selection)
    assert largest_difference(model, pruned, groups, selection, inputs) < 1e-12
    now, left, gone = model, groups, {group.name: set() for group in groups}
    for _ in range(size - 1):
        step = {
            group.name: [
                place for place, first in enumerate(group.original.tolist()) if first in selection[group.name]
            ][:1]
            for group in left
        }
        now, left = remove(now, left, step), shrink(left, step)
        gone = {group.name: size - group.size for group in left}
    assert gone == {name: len(units) for name, units in selection.items()}
    with torch.no_grad():
        torch.testing.assert_close(now(inputs), pruned(inputs), rtol=1e-12, atol=1e-12)


@pytest.mark.slow
def test_heads_and_then_channels_of_those_that_are_left():
    for family in ("vit", "beit", "cait", "swin"):
        model, inputs = network(family), images(family)
        heads = find_unit_groups(model, inputs, "heads")
        fewer = remove(model, heads, {group.name: [0] for group in heads})
        groups = find_unit_groups(fewer, inputs, SCOPE)
        selection = {group.name: [1] for group in groups}
        smaller = remove(fewer, groups, selection)
        assert largest_difference(fewer, smaller, groups, selection, inputs) < 1e-12
        again = find_unit_groups(smaller, inputs, "heads")
        assert sum(group.size for group in again) == sum(group.size - 1 for group in heads if group.size > 2)


class Packed(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention, self.head = nn.MultiheadAttention(8, 2, batch_first=True), nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.attention(x, x, x, need_weights=False)[0].mean(1))


def test_what_cannot_lose_a_channel_is_refused_by_name():
    with pytest.raises(SecateurError, match=f"in scope 'head_channels' .*attn.q.*: {ROTARY}"):
        find_unit_groups(network("eva02"), images("eva02"), SCOPE)
    reasons = analyse(network("xcit"), images("xcit"), SCOPE).left_out
    assert reasons["blocks.0.attn.qkv"] == CHANNELS_MIXED and "cls_attn_blocks.0.attn.q" not in reasons
    with pytest.raises(SecateurError, match=f"blocks.0.attn.qkv: {NORMED}"):
        find_unit_groups(vision_transformer(qk_norm=True), PICTURES, SCOPE)
    for channels in (True, False):
        _, reasons = find_heads(Packed().double().eval(), (5, 8), channels=channels)
        assert reasons == {"attention.out_proj": PACKED}
    with pytest.raises(SecateurError, match="ResNet has no unit that can be removed in scope 'head_channels'"):
        find_unit_groups(timm.create_model("resnet18", num_classes=3), torch.zeros(1, 3, 32, 32), SCOPE)


def test_attention_is_divided_in_one_way_at_a_time():
    """A head and a channel of heads have weights in common: no list of groups has both."""
    model, inputs = network("vit"), images("vit")
    for scope in ("signal", "all", "inner", "heads"):
        assert "head_channel" not in {group.kind for group in find_unit_groups(model, inputs, scope)}
    assert {group.kind for group in analyse(model, inputs, SCOPE).groups} == {"head_channel", "neuron"}


def test_rates_and_budgets():
    model, inputs = network("vit"), images("vit")
    groups = find_unit_groups(model, inputs, SCOPE)
    scores = {group.name: torch.arange(group.size).double() for group in groups}
    assert select(groups, scores, 0.5) == {group.name: [0, 1, 2, 3] for group in groups}
    with pytest.raises(SecateurError, match="blocks.0.attn.qkv binds first"):
        select(groups, scores, 0.95)
    selector = Selector(budget="macs", input_size=tuple(inputs.shape[1:]))
    selection = select(groups, scores, 0.1, selector, model)
    before, after = (count(each, selector.input_size).macs for each in (model, remove(model, groups, selection)))
    assert 0.1 <= 1 - after / before < 0.15
