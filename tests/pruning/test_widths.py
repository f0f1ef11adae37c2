"""Attention whose code takes the width of its heads for its input's: which places mean what, and what becomes of it."""

import copy
import inspect
import pickle
import random

import pytest
import timm
import torch
from attention_networks import fused
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tiers import rows
from torch import nn

from secateur.portability.portable import loading, write
from secateur.pruning import layouts, widths
from secateur.pruning.heads import CARRIES_NOT, find_heads
from secateur.pruning.proof import prove
from secateur.pruning.removal import all_channels, remaining, remove, shrink
from secateur.pruning.saved import load, save
from secateur.pruning.units import find_unit_groups

SMALL = {  # in each the width of the input is used otherwise, or what lies where
    "pvt_v2_b0": {"depths": (1, 1, 1, 1), "embed_dims": (8, 16, 24, 32), "num_heads": (2, 4, 3, 8)},
    "twins_svt_small": {"img_size": 32, "embed_dims": (4, 8, 6, 8), "num_heads": (2, 4, 3, 4), "depths": (1, 1, 1, 1)},
    "mvitv2_tiny": {"img_size": 32},
    "tiny_vit_5m_224": {"depths": (1, 1, 1, 1), "embed_dims": (8, 16, 24, 32), "num_heads": (1, 4, 3, 8)},
}  # fmt: skip


class Window(nn.Module):
    """Attention that uses the input's width before and after it makes its heads, of fewer keys than queries."""

    def __init__(self, size, count, how):
        super().__init__()
        self.num_heads, self.how, width = count, how, size * count
        self.q, self.kv = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.fewer = None if how == "whole" else nn.Conv1d(width, width, 2, stride=2)
        self.proj = nn.Linear(width, width)

    def forward(self, x):
        B, N, C = x.shape
        q = self.q(x).reshape(B, N, self.num_heads, C // self.num_heads).transpose(1, 2)
        if self.fewer is not None:
            x = self.fewer(x.transpose(1, 2).reshape(B, C, N)).reshape(B, C, -1).transpose(1, 2)
        kv = self.kv(x).reshape(B, -1, 2, self.num_heads, C // self.num_heads).permute(2, 0, 3, 1, 4)
        x = (q @ kv[0].transpose(-2, -1)).softmax(-1) @ kv[1]
        x = x.permute(0, 2, 3, 1) if self.how == "heads last" else x.transpose(1, 2)
        x = x.reshape(B, N, C)
        if self.how == "input's width":
            x = x / C
        return self.proj(x)


class Whole(nn.Module):
    def __init__(self, *arguments):
        super().__init__()
        self.attention = Window(*arguments)
        self.head = nn.Linear(self.attention.proj.in_features, 3)

    def forward(self, x):
        return self.head(self.attention(x).mean(1))


@settings(max_examples=10, deadline=None)
@given(
    st.integers(2, 4), st.integers(2, 4), st.sampled_from(["whole", "fewer keys", "heads last"]), st.integers(0, 10**6)
)
def test_any_heads_of_code_that_takes_their_width_for_its_inputs(size, count, how, seed):
    torch.manual_seed(seed)
    model = Whole(size, count, how).double().eval()
    inputs = torch.randn(2, 6, size * count, dtype=torch.float64)
    found, reasons = find_heads(model, tuple(inputs.shape[1:]))
    assert len(found) == 1 and not reasons
    groups = find_unit_groups(model, inputs, "heads")
    going = random.Random(seed).sample(range(count), count - 1)
    evidence = prove(model, groups, {groups[0].name: going}, inputs)
    assert evidence.difference < 1e-12 and evidence.predicted == evidence.counted and evidence.trains
    first = remove(model, groups, {groups[0].name: going[:1]})
    again = remove(first, shrink(groups, {groups[0].name: going[:1]}), {groups[0].name: list(range(count - 2))})
    assert again(inputs).shape == (2, 3)
    assert type(model.attention) is Window and isinstance(again.attention, Window)


def test_what_means_the_input_is_not_taken_for_the_heads():
    """The division by C is of the input's width; read off the projection it would rescale, and the proof says so."""
    torch.manual_seed(0)
    found, reasons = find_heads(Whole(2, 3, "input's width").double().eval(), (6, 6))
    assert not found and set(reasons.values()) == {CARRIES_NOT}


def test_a_wrong_place_of_a_head_is_found_out(monkeypatch):
    """Planted: the projection's columns one further than they are."""
    torch.manual_seed(0)
    right = layouts._laid

    def planted(module, about, *others):
        places = right(module, about, *others)
        places[about.projection, "in"] = places[about.projection, "in"].roll(1, 0)
        return places

    model = Whole(2, 3, "whole").double().eval()
    assert find_heads(model, (6, 6))[0]
    monkeypatch.setattr(layouts, "_laid", planted)
    assert not find_heads(model, (6, 6))[0]


def test_the_new_code_is_the_old_but_for_the_width():
    kind = widths.freed(Window, "proj", ("q", "kv"), "in_features")
    lines = inspect.getsource(Window.forward).splitlines()
    # inspect shows the file's text of the lines that the new code says it is at: tracebacks lead there.
    assert inspect.getsource(kind.forward).splitlines() == lines
    assert issubclass(kind, Window) and kind is widths.freed(Window, "proj", ("q", "kv"), "in_features")
    assert "in_features" in kind.forward.__code__.co_names and "in_features" not in Window.forward.__code__.co_names
    assert widths.freed(nn.Linear, "weight", (), "in_features") is nn.Linear


def test_copies_and_pickles_keep_it():
    torch.manual_seed(0)
    model = Whole(2, 3, "fewer keys").double().eval()
    inputs = torch.randn(2, 6, 6, dtype=torch.float64)
    groups = find_unit_groups(model, inputs, "heads")
    pruned = remove(model, groups, {groups[0].name: [1]})
    for again in (copy.deepcopy(pruned), pickle.loads(pickle.dumps(pruned))):  # noqa: S301 - our own
        assert torch.equal(again(inputs), pruned(inputs))
        assert type(again.attention) is type(pruned.attention)


@pytest.mark.parametrize("name", rows(SMALL, ["twins_svt_small"]))
def test_networks_of_timm(name, tmp_path):
    torch.manual_seed(0)
    arguments = {**SMALL[name], "num_classes": 3}
    model = timm.create_model(name, **arguments).double().eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, 0, 0.5 if parameter.ndim < 2 else parameter[0].numel() ** -0.5)
    side = arguments.get("img_size", 224 if name.startswith("tiny_vit") else 64)
    inputs = torch.randn(2, 3, side, side, dtype=torch.float64)
    groups = find_unit_groups(model, inputs)
    assert [group for group in groups if group.kind == "head"]
    with torch.no_grad():
        model(inputs)  # TinyViT keeps a table of all its heads from now on
    selection = {group.name: list(range(1, group.size, 2)) for group in groups if group.size > 1}
    for way in (False, True):
        evidence = prove(fused(model, way), groups, selection, inputs)
        assert evidence.difference < 1e-12 and evidence.predicted == evidence.counted and evidence.trains
    pruned = remove(model, groups, selection).eval()
    kept = remaining(all_channels(model), groups, selection)
    save(pruned, tmp_path / "plain", architecture=name, arguments=arguments, kept=kept)
    write(pruned, tmp_path, architecture=name, arguments=arguments, kept=kept, input_size=(3, side, side))
    with torch.no_grad():
        for again in (load(tmp_path / "plain").model, loading(tmp_path)()):
            assert float((again(inputs) - pruned(inputs)).abs().max()) < 1e-12
