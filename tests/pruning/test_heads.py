"""Attention heads as units: removal against the mask in every family, fused and not, what is refused, save and load."""

import json

import pytest
import torch
from attention_networks import FAMILIES, fused, image_size, network
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tiers import rows
from torch import nn

import secateur
from secateur.criteria import lrp, taylor_gate
from secateur.errors import SecateurError
from secateur.portability.portable import loading, write
from secateur.pruning import unitfile
from secateur.pruning.counting import Counter, count
from secateur.pruning.heads import CARRIES_NOT, find_heads
from secateur.pruning.isomorphism import classes
from secateur.pruning.masking import largest_difference
from secateur.pruning.proof import prove
from secateur.pruning.removal import all_channels, remaining, remove, shrink
from secateur.pruning.saved import load, save
from secateur.pruning.scores import unit_scores
from secateur.pruning.selection import select
from secateur.pruning.units import BLIND, analyse, find_unit_groups, layers_of
from secateur.ranking.consumers import weights_of
from secateur.ranking.network import Network

CARRYING = ("vit", "deit3", "deit_distilled", "swin", "swinv2", "beit", "xcit", "eva02", "maxvit", "coatnet")
ARGUMENTS = {"num_classes": 5, "img_size": 32, "embed_dim": 24, "depth": 2, "num_heads": 3}


def images(family, count=2):
    size = image_size(family)
    return torch.rand(count, 3, size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("family", rows(CARRYING, ["vit", "swin"]))
def test_a_network_without_heads_is_the_whole_one_with_them_silent(family):
    model = network(family)
    groups = find_unit_groups(model, images(family))
    heads = [group for group in groups if group.kind == "head"]
    assert heads
    selection = {group.name: list(range(1, group.size)) for group in groups if group.size > 1}  # all heads but one
    for way in (False, True):
        evidence = prove(fused(model, way), groups, selection, images(family))
        assert evidence.difference < 1e-12
        assert evidence.predicted == evidence.counted
        assert evidence.trains


@pytest.mark.slow
@settings(max_examples=6, deadline=None)
@given(st.data(), st.sampled_from([1, 2, 4]), st.sampled_from([2, 3, 5]), st.booleans(), st.integers(0, 10**6))
def test_any_shape_and_choice_of_heads(data, size, heads, way, seed):
    import timm

    torch.manual_seed(seed)
    arguments = {"img_size": 16, "patch_size": 8, "embed_dim": size * heads, "depth": 2, "num_heads": heads}
    model = fused(timm.create_model("vit_tiny_patch16_224", num_classes=3, **arguments).double().eval(), way)
    inputs = torch.rand(2, 3, 16, 16, dtype=torch.float64)
    groups = find_unit_groups(model, inputs, "heads")
    assert [group.size for group in groups] == [heads, heads]
    selection = {
        group.name: data.draw(st.lists(st.integers(0, heads - 1), max_size=heads - 1, unique=True)) for group in groups
    }
    pruned = remove(model, groups, selection)
    assert largest_difference(model, pruned, groups, selection, inputs) < 1e-12
    assert Counter(model, (3, 16, 16)).count(pruned) == count(pruned, (3, 16, 16))
    left = [(group.name, group.size) for group in shrink(groups, selection) if group.size > 1]
    again = [group for group in find_unit_groups(pruned, inputs, "all") if group.kind == "head"]
    assert left == [(group.name, group.size) for group in again]


def test_heads_go_in_steps_as_at_once():
    model = network("swin")
    groups = find_unit_groups(model, images("swin"), "heads")
    late = next(group.name for group in groups if group.size == 4)
    once = remove(model, groups, {late: [1, 3]})
    first = remove(model, groups, {late: [3]})
    twice = remove(first, shrink(groups, {late: [3]}), {late: [1]})
    assert torch.equal(once(images("swin")), twice(images("swin")))
    table = once.get_submodule(late.removesuffix(".qkv")).relative_position_bias_table
    whole = model.get_submodule(late.removesuffix(".qkv")).relative_position_bias_table
    assert torch.equal(table, whole[:, [0, 2]])


def test_what_cannot_carry_fewer_heads_is_refused_by_name():
    """CaiT's talking heads mix with each other; its class attention is of the ordinary kind."""
    model = network("cait")
    found = analyse(model, images("cait"))
    heads = [group.name for group in found.groups if group.kind == "head"]
    assert heads and all(name.startswith("blocks_token_only.") for name in heads)
    _, reasons = find_heads(model, tuple(images("cait").shape[1:]))
    assert set(reasons) == {f"blocks.{number}.attn.qkv" for number in range(2)} and set(reasons.values()) == {
        CARRIES_NOT
    }
    assert all(found.left_out.get(layer, CARRIES_NOT) == CARRIES_NOT for layer in reasons)


def test_neurons_of_a_gated_mlp_go_with_their_gates(tmp_path):
    """EVA-02's SwiGLU, one layer for signals and gates; in float64, with a rotary embedding that no file holds."""
    model = network("eva02")
    groups = find_unit_groups(model, images("eva02"), "neurons")
    assert [(group.name, group.kind) for group in groups] == [(f"blocks.{n}.mlp.fc1", "neuron") for n in range(2)]
    half = model.blocks[0].mlp.fc2.in_features
    assert groups[0].producers[0].channels[3].tolist() == [3, 3 + half]
    selection = {group.name: list(range(0, group.size, 3)) for group in groups}
    evidence = prove(model, groups, selection, images("eva02"))
    assert evidence.difference < 1e-12 and evidence.predicted == evidence.counted and evidence.trains
    pruned = remove(model, groups, selection)
    name, arguments = FAMILIES["eva02"]
    kept = remaining(all_channels(model), groups, selection)
    arguments = {**arguments, "num_classes": 5}
    write(pruned, tmp_path, architecture=name, arguments=arguments, kept=kept, input_size=(3, 28, 28))
    for again in (load(tmp_path).model, loading(tmp_path)()):
        assert torch.equal(again(images("eva02")), pruned(images("eva02")))


def test_position_mlps_that_read_no_image_are_left_out_and_the_rest_is_ranked():
    """Swin-v2's biases of relative positions come from an MLP of constants, whose units no criterion can score."""
    model = network("swinv2")
    found = analyse(model, images("swinv2"))
    assert found.left_out["layers.0.blocks.0.attn.cpb_mlp.0"] == BLIND
    assert {group.name.rpartition(".")[2] for group in found.groups} == {"fc1", "qkv"}
    sizes = [group.size for group in found.groups if group.kind == "head"]
    assert sizes == [2, 2, 4, 4]  # two heads are as many as the coordinates of a position, which stay
    layers = [layer for group in found.groups for layer, _ in group.producers]
    view = Network(model, layers, images("swinv2"), torch.tensor([0, 1]), groups=found.groups)
    assert set(unit_scores(found.groups, lrp.score(view))) == set(layers)


@pytest.mark.parametrize("family", rows(["cait", "swinv2"], ["cait"]))
def test_networks_that_hand_parameters_to_modules_are_counted(family):
    model = network(family)
    size = tuple(images(family).shape[1:])
    groups = find_unit_groups(model, images(family))
    pruned = remove(model, groups, {group.name: list(range(group.size // 2)) for group in groups})
    assert Counter(model, size).count(pruned) == count(pruned, size)
    assert count(pruned, size).macs < count(model, size).macs


class Mixed(nn.Module):
    """Attention as its parts say it: normalised over heads, mixed, with rows in another order, or in order."""

    def __init__(self, how):
        super().__init__()
        self.how, self.num_heads = how, 4
        self.qkv, self.proj, self.norm = nn.Linear(8, 24), nn.Linear(8, 8), nn.LayerNorm(8)
        self.mix = nn.Parameter(torch.rand(4, 4))
        self.shift = nn.Parameter(torch.rand(4, 1, 1))

    def forward(self, x):
        qkv = self.qkv(x).reshape(len(x), x.shape[1], -1, 2)
        if self.how == "heads first":
            q, k, v = qkv.reshape(len(x), x.shape[1], self.num_heads, 3, 2).permute(3, 0, 2, 1, 4)
        elif self.how == "channels first":
            q, k, v = qkv.reshape(len(x), x.shape[1], 3, 2, self.num_heads).permute(2, 0, 4, 1, 3)
        else:
            q, k, v = qkv.reshape(len(x), x.shape[1], 3, self.num_heads, 2).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-2, -1) + self.shift).softmax(-1)
        if self.how == "mixed":
            weights = torch.einsum("gh,bhnm->bgnm", self.mix, weights)
        found = (weights @ v).transpose(1, 2).flatten(2)
        if self.how == "normed":
            found = self.norm(found)
        return self.proj(found)


class Whole(nn.Module):
    def __init__(self, how):
        super().__init__()
        self.attention, self.head = Mixed(how), nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.attention(x).mean(1))


@pytest.mark.parametrize("how", ["in order", "heads first", "channels first", "mixed", "normed"])
def test_heads_are_offered_where_removing_is_silencing_and_nowhere_else(how):
    """Also of modules that nobody has seen before: the negative control of how heads are found."""
    torch.manual_seed(0)
    found, reasons = find_heads(Whole(how).double().eval(), (5, 8))
    if how in ("in order", "heads first"):
        (heads,) = found
        rows = next(part.index for part in heads.slices if part.role == "out")
        start = [2, 3, 10, 11, 18, 19] if how == "in order" else [6, 7, 8, 9, 10, 11]
        assert rows[1].tolist() == start
    else:
        assert not found and reasons == {"attention.qkv": CARRIES_NOT}


def test_criteria_score_heads_and_scopes_offer_them():
    model, inputs = network("vit"), images("vit", 4)
    groups = find_unit_groups(model, inputs)
    assert {group.kind for group in groups} == {"head", "neuron"}
    heads, neurons = (find_unit_groups(model, inputs, scope) for scope in ("heads", "neurons"))
    assert [group.name for group in heads] == ["blocks.0.attn.qkv", "blocks.1.attn.qkv"]
    assert {group.kind for group in neurons} == {"neuron"}
    with pytest.raises(SecateurError, match="no unit that can be removed in scope 'filters'.*heads, neurons"):
        find_unit_groups(model, inputs, "filters")
    layers = layers_of(groups)
    view = Network(model, layers, inputs, torch.tensor([0, 1, 2, 3]), groups=groups)
    for criterion in (lrp, taylor_gate):
        scores = unit_scores(groups, criterion.score(view))
        selection = select(groups, scores, 0.5)
        assert sum(map(len, selection.values())) == round(0.5 * sum(group.size for group in groups))
        assert prove(model, groups, selection, inputs).difference < 1e-12
    with pytest.raises(SecateurError, match="binds first"):
        select(heads, {group.name: torch.zeros(3) for group in heads}, 0.9)
    assert classes(groups, "isomorphic", model) == [0, 1, 0, 1]
    (weights, *_) = weights_of(model, heads[0])
    assert weights.shape == (3, 3 * 8 * 24)


@pytest.mark.parametrize(
    ("criterion", "remedy"),
    [("group_norm", "none"), ("group_fisher", "none"), ("wanda", "least_squares"), ("lrp", "bias")],
)
@pytest.mark.parametrize("family", rows(["vit", "swin"], ["vit"]))
def test_what_looks_at_units_in_other_ways_takes_heads(family, criterion, remedy):
    """Weights that go with a unit, gates, its readers' statistics, and repair, on tokens and on windows of them."""
    model, inputs, labels = network(family), images(family, 4), torch.tensor([0, 1, 2, 3])
    pruned = secateur.prune(model, inputs, labels, criterion=criterion, rate=0.4, remedy=remedy, scope="heads")
    removed = sum(units["removed"] for units in pruned.report.units.values())
    assert removed == round(0.4 * sum(units["at_first"] for units in pruned.report.units.values()))
    assert bool(torch.isfinite(pruned(inputs)).all())


def test_relevance_of_silent_heads_is_zero():
    """A head whose values are zero hands nothing on: its values have no relevance, whatever the rule."""
    model = network("vit")
    groups = find_unit_groups(model, images("vit"), "heads")
    rows = groups[0].producers[0].channels[1]
    for tensor in (model.blocks[0].attn.qkv.weight, model.blocks[0].attn.qkv.bias):
        tensor.data[rows] = 0
    view = Network(model, ["blocks.0.attn.qkv"], images("vit"), torch.tensor([0, 1]), groups=groups)
    for rule in ("cp-lrp", "attnlrp", "zplus"):
        (found,) = view.relevance(rule)
        assert float(found["blocks.0.attn.qkv"][:, rows].abs().max()) == 0
        assert float(found["blocks.0.attn.qkv"].abs().max()) > 0


def test_saved_and_loaded_with_and_without_secateur(tmp_path):
    import timm

    torch.manual_seed(0)
    for name, arguments in (("vit_tiny_patch16_224", ARGUMENTS), ("coatnet_nano_rw_224", FAMILIES["coatnet"][1])):
        arguments = {**arguments, "num_classes": 5}
        model = timm.create_model(name, **arguments).eval()
        size = arguments["img_size"]
        inputs = torch.rand(2, 3, size, size)
        groups = find_unit_groups(model, inputs)
        selection = {group.name: [0] for group in groups}
        pruned = remove(model, groups, selection).eval()
        kept = remaining(all_channels(model), groups, selection)
        folder = tmp_path / name
        folder.mkdir()
        write(pruned, folder, architecture=name, arguments=arguments, kept=kept, input_size=(3, size, size))
        save(pruned, folder / "plain", architecture=name, arguments=arguments, kept=kept)
        for again in (load(folder).model, loading(folder)(), load(folder / "plain").model):
            assert torch.equal(again(inputs), pruned(inputs))
        stated = json.loads((folder / "network.json").read_text())["attributes"]
        heads = [owner for owner, about in stated.items() if "num_heads" in about]
        assert len(heads) >= sum(group.kind == "head" for group in groups)


def test_groups_of_heads_in_a_file(tmp_path):
    model = network("maxvit")
    groups = find_unit_groups(model, images("maxvit"))
    unitfile.write(tmp_path / "units.safetensors", groups)
    again = unitfile.read(tmp_path / "units.safetensors")
    for group, other in zip(groups, again, strict=True):
        assert (group.name, group.kind, group.size) == (other.name, other.kind, other.size)
        for part, same in zip(group.slices, other.slices, strict=True):
            assert (part.owner, part.role) == (same.owner, same.role) and torch.equal(part.index, same.index)


class Silent(Mixed):
    """As timm's TinyViT and LeViT have it: changing the mode clears a cache, and returns nothing."""

    def train(self, mode=True):
        super().train(mode)


def test_a_module_whose_change_of_mode_returns_nothing_has_heads_too():
    whole = Whole("in order")
    whole.attention = Silent("in order")
    found, reasons = find_heads(whole.double().eval(), (5, 8))
    assert len(found) == 1 and not reasons
