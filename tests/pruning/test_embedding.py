"""Channels of streams that layer norms read: removal against the norm of the rest by hand, refusals, save and load."""

import pytest
import timm
import torch
from attention_networks import FAMILIES, fused, image_size, network
from torch import nn

import secateur
from secateur.errors import SecateurError
from secateur.portability.portable import loading, write
from secateur.pruning import embedding, worded
from secateur.pruning.embedding import NOT_CARRIED, Rest
from secateur.pruning.masking import largest_difference, masked
from secateur.pruning.proof import prove
from secateur.pruning.removal import all_channels, remaining, remove, shrink
from secateur.pruning.saved import load, save
from secateur.pruning.units import analyse, find_unit_groups

CARRYING = ("vit", "deit3", "deit_distilled", "cait", "swin", "maxvit", "coatnet")
SCOPE = "embedding"


def images(family, count=2):
    size = image_size(family)
    return torch.rand(count, 3, size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("family", CARRYING)
def test_a_stream_without_channels_is_one_whose_norms_are_of_the_rest(family):
    model, inputs = network(family), images(family)
    groups = find_unit_groups(model, inputs, SCOPE)
    assert {group.kind for group in groups} == {"embedding"} and all(group.residual for group in groups)
    for step in (2, 5):
        for way in (False, True):
            selection = {group.name: list(range(0, group.size, step)) for group in groups}
            evidence = prove(fused(model, way), groups, selection, inputs)
            assert evidence.difference < 1e-12 and evidence.predicted == evidence.counted and evidence.trains


@torch.no_grad()
def vit_by_hand(model, images, gone):
    """A ViT written out with the channels `gone` of its stream never there: rows and columns are left out by hand."""
    left = [channel for channel in range(model.embed_dim) if channel not in gone]

    def norm(x, layer):
        rows = [
            [(float(v) - float(row.mean())) / float(row.var(unbiased=False) + layer.eps) ** 0.5 for v in row]
            for row in x.flatten(0, 1)
        ]
        return torch.tensor(rows, dtype=x.dtype).reshape(x.shape) * layer.weight[left] + layer.bias[left]

    def read(x, layer):
        return x @ layer.weight[:, left].T + layer.bias

    def written(x, layer):
        return x @ layer.weight[left].T + layer.bias[left]

    kernel = model.patch_embed.proj
    patches = nn.functional.conv2d(images, kernel.weight[left], kernel.bias[left], kernel.stride)
    x = torch.cat([model.cls_token[..., left].expand(len(images), -1, -1), patches.flatten(2).transpose(1, 2)], 1)
    x = x + model.pos_embed[..., left]
    for block in model.blocks:
        q, k, v = read(norm(x, block.norm1), block.attn.qkv).unflatten(2, (3, 3, -1)).permute(2, 0, 3, 1, 4)
        shares = (q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).softmax(-1)
        x = x + written((shares @ v).transpose(1, 2).flatten(2), block.attn.proj)
        x = x + written(nn.functional.gelu(read(norm(x, block.norm2), block.mlp.fc1)), block.mlp.fc2)
    return read(norm(x, model.norm)[:, 0], model.head)


def test_the_pruned_network_gives_what_a_network_by_hand_gives():
    model, inputs = network("vit"), images("vit")
    groups = find_unit_groups(model, inputs, SCOPE)
    gone = [0, 3, 4, 11, 23]
    expected = vit_by_hand(model, inputs, gone)
    whole = vit_by_hand(model, inputs, [])
    with torch.no_grad():
        assert float((model(inputs) - whole).abs().max()) < 1e-12
        pruned = remove(model, groups, {groups[0].name: gone})
        assert float((pruned(inputs) - expected).abs().max()) < 1e-12 * float(expected.abs().max())
        with masked(model, groups, {groups[0].name: gone[:2]}), masked(model, groups, {groups[0].name: gone[2:]}):
            assert float((model(inputs) - expected).abs().max()) < 1e-12 * float(expected.abs().max())
        assert torch.equal(model(inputs), network("vit")(inputs))
    assert pruned.norm.normalized_shape == (19,) and pruned.pos_embed.shape[-1] == 19 and pruned.num_features == 19


def test_silencing_is_another_function_and_would_be_told(monkeypatch):
    """Planted: norms that count silent channels in, as of a mask. The proof sees it, and the trial believes nothing."""
    model, inputs = network("vit"), images("vit")
    groups = find_unit_groups(model, inputs, SCOPE)
    selection = {groups[0].name: [1, 2]}
    pruned = remove(model, groups, selection)
    monkeypatch.setattr(Rest, "__call__", lambda _, __, ___, output: output)
    assert largest_difference(model, pruned, groups, selection, inputs) > 1e-3
    with pytest.raises(SecateurError, match=NOT_CARRIED):
        find_unit_groups(model, inputs, SCOPE)


def test_a_place_that_is_missed_is_found_out(monkeypatch):
    """Planted: the class token keeps its width."""
    right = embedding._slices
    monkeypatch.setattr(embedding, "_slices", lambda model, sites, _: right(model, sites, False))
    with pytest.raises(SecateurError, match=NOT_CARRIED):
        find_unit_groups(network("vit"), images("vit"), SCOPE)


@pytest.mark.parametrize("family", ["beit", "xcit", "eva02"])
def test_streams_that_cannot_be_followed_are_refused(family):
    with pytest.raises(SecateurError, match=f"in scope 'embedding' .*{NOT_CARRIED}"):
        find_unit_groups(network(family), images(family), SCOPE)


def test_a_stream_that_meets_something_else_keeps_that_reason():
    found = analyse(network("swin"), images("swin"), SCOPE)
    assert [group.size for group in found.groups if group.kind == "embedding"] == [24]
    reason = "part of the input of layers.1.downsample.reduction was not followed"
    assert found.left_out["patch_embed.proj"] == found.left_out["layers.0.blocks.1.mlp.fc2"] == reason


def test_kinds_have_names_in_sentences():
    assert [worded(kind) for kind in ("head", "head_channel", SCOPE)] == ["head", "head channel", "embedding channel"]


def test_no_other_scope_offers_them():
    for scope in ("signal", "all", "inner", "filters", "neurons", "heads", "head_channels"):
        try:
            groups = find_unit_groups(network("coatnet"), images("coatnet"), scope)
        except SecateurError:
            continue
        assert "embedding" not in {group.kind for group in groups}


@pytest.mark.parametrize("family", ["vit", "cait", "swin"])
def test_saved_and_loaded_with_and_without_secateur(family, tmp_path):
    name, arguments = FAMILIES[family]
    arguments, inputs = {**arguments, "num_classes": 5}, images(family)
    model = timm.create_model(name, **arguments).double().eval()
    kept = all_channels(model)
    for scope in ("heads", SCOPE):  # attention whose width is neither its input's nor its heads' at first
        groups = find_unit_groups(model, inputs, scope)
        selection = {group.name: [0] for group in groups}
        kept, model = remaining(kept, groups, selection), remove(model, groups, selection).eval()
    save(model, tmp_path / "plain", architecture=name, arguments=arguments, kept=kept)
    write(model, tmp_path, architecture=name, arguments=arguments, kept=kept, input_size=tuple(inputs.shape[1:]))
    for again in (load(tmp_path / "plain").model, load(tmp_path).model, loading(tmp_path)()):
        for way in (False, True):
            assert torch.equal(fused(again, way)(inputs), fused(model, way)(inputs))
    again = load(tmp_path).model
    groups = shrink(groups, selection)
    assert [group.size for group in find_unit_groups(again, inputs, SCOPE)] == [group.size for group in groups]


@pytest.mark.parametrize("criterion", ["lrp", "taylor", "weight", "oracle", "oracle_joint", "group_norm", "head_gate"])
def test_criteria_score_them(criterion):
    model, inputs, labels = network("vit"), images("vit", 4), torch.tensor([0, 1, 2, 3])
    if criterion == "oracle_joint":
        model, inputs, labels = network("vit"), inputs[:1], labels[:1]
    pruned = secateur.prune(model, inputs, labels, criterion=criterion, rate=0.25, scope=SCOPE)
    assert pruned.report.units["patch_embed.proj"] == {"kind": "embedding", "at_first": 24, "removed": 6}
    assert pruned.report.difference < 1e-12


def test_norms_over_the_second_axis():
    """ConvNeXt's: the stream of each stage, through depthwise convolutions and norms of images and of tokens."""
    torch.manual_seed(0)
    model = timm.create_model("convnext_atto", dims=(8, 16, 24, 32), depths=(1, 1, 1, 1), num_classes=3).double().eval()
    inputs = torch.rand(2, 3, 64, 64, dtype=torch.float64)
    groups = find_unit_groups(model, inputs, SCOPE)
    assert [group.size for group in groups] == [8, 16, 24, 32]
    evidence = prove(model, groups, {group.name: [1, 3, 4] for group in groups}, inputs)
    assert evidence.difference < 1e-12 and evidence.predicted == evidence.counted and evidence.trains
