"""Units of attention that cannot go: a kind that there is not, the last head of a block, counts that none carries."""

import json

import pytest
import timm
import torch

from secateur.errors import SecateurError
from secateur.models.build import create
from secateur.pruning.heads import ALONE
from secateur.pruning.removal import all_channels, remaining, remove
from secateur.pruning.saved import load, save
from secateur.pruning.selection import Selector, select
from secateur.pruning.units import analyse, find_unit_groups

ARGUMENTS = {"img_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 2, "num_heads": 3, "num_classes": 3}
IMAGE = torch.zeros(1, 3, 32, 32)


def vit(**changed):
    return timm.create_model("vit_tiny_patch16_224", **(ARGUMENTS | changed))


@pytest.mark.parametrize(
    ("name", "scope", "has"),
    [
        ("resnet18", "heads", "2880 units (filters"),
        ("resnet18", "neurons", "2880 units (filters"),
        ("resnet18", "embedding", "2880 units (filters"),
        ("vit", "filters", "198 units (heads, neurons"),
    ],
)
def test_a_kind_that_a_network_has_not_is_one_error_with_the_kinds_that_it_has(name, scope, has):
    model = vit() if name == "vit" else timm.create_model(name, num_classes=3)
    with pytest.raises(SecateurError) as caught:
        find_unit_groups(model, IMAGE, scope)
    message = str(caught.value)
    assert f"no unit that can be removed in scope {scope!r}" in message and has in message and "\n" not in message


@pytest.mark.parametrize("scheme", ["global", "per-layer", "isomorphic"])
def test_a_rate_that_would_leave_a_block_without_a_head_is_one_error_that_names_it(scheme):
    model = vit()
    groups = find_unit_groups(model, IMAGE, "heads")
    scores = {group.name: torch.arange(3.0) for group in groups}
    at_most = select(groups, scores, 0.66, Selector(scheme), model)
    assert [len(units) for units in at_most.values()] == [2, 2]
    selector = Selector(scheme, min_units=2)  # shares of one layer are rounded down to what one head leaves
    with pytest.raises(SecateurError, match=r"rate 0\.99 .*group blocks\.0\.attn\.qkv") as caught:
        select(groups, scores, 0.99, selector, model)
    assert "\n" not in str(caught.value)


def test_the_one_head_of_an_attention_stays_and_says_why():
    found = analyse(vit(num_heads=1), IMAGE)
    assert found.left_out["blocks.0.attn.qkv"] == ALONE and {group.kind for group in found.groups} == {"neuron"}


def test_a_number_of_heads_that_a_module_cannot_carry_is_refused_when_built_and_when_loaded(tmp_path):
    for heads, reason in ((5, "divisible"), (0, "zero")):
        backbone = {"architecture": "vit_tiny_patch16_224", "arguments": {"img_size": 32, "num_heads": heads}}
        with pytest.raises(
            SecateurError, match=f"vit_tiny_patch16_224 cannot be built .*'num_heads': {heads}.*{reason}"
        ):
            create(backbone, 3, 3, 0)
    model = vit()
    groups = find_unit_groups(model, IMAGE, "heads")
    selection = {group.name: [1] for group in groups}
    kept = remaining(all_channels(model), groups, selection)
    pruned = remove(model, groups, selection)
    save(pruned, tmp_path, architecture="vit_tiny_patch16_224", arguments=ARGUMENTS, kept=kept)
    assert load(tmp_path).model.blocks[0].attn.num_heads == 2
    about = json.loads((tmp_path / "network.json").read_text())
    about["heads"]["blocks.1.attn"] = 3
    (tmp_path / "network.json").write_text(json.dumps(about))
    with pytest.raises(SecateurError, match=r"blocks\.1\.attn cannot have 3 heads"):
        load(tmp_path)
