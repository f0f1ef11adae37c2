"""Networks without some channels of their heads, on disk: loaded here, without Secateur, and exported."""

import json
import subprocess
import sys

import pytest
import timm
import torch
from attention_networks import FAMILIES, fused, image_size
from torch import nn

from secateur.portability.portable import write
from secateur.pruning import unitfile
from secateur.pruning.removal import all_channels, remaining, remove, removed_units, shrink
from secateur.pruning.saved import load, save
from secateur.pruning.units import find_unit_groups

AFRESH = """
import sys
sys.path.insert(0, sys.argv[1])
import torch
from load import load
assert "secateur" not in sys.modules
model, inputs = load(), torch.load(sys.argv[1] + "/inputs.pt")
with torch.no_grad():
    outputs = []
    for way in (False, True):
        for module in model.modules():
            if hasattr(module, "fused_attn"):
                module.fused_attn = way
        outputs.append(model(inputs))
torch.save(outputs, sys.argv[1] + "/outputs.pt")
"""


def pruned(family, heads=False):
    """A member without channels of its heads (and without a head before): what `write` needs, and images."""
    name, arguments = FAMILIES[family]
    arguments, size = {**arguments, "num_classes": 5}, image_size(family)
    torch.manual_seed(0)
    model = timm.create_model(name, **arguments).double().eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, 0, 0.5 if parameter.ndim < 2 else 2 * parameter[0].numel() ** -0.5)
    inputs = torch.rand(2, 3, size, size, dtype=torch.float64)
    kept = all_channels(model)
    for scope in ("heads", "head_channels") if heads else ("head_channels",):
        groups = find_unit_groups(model, inputs, scope)
        selection = {group.name: list(range(1, group.size, 2)) for group in groups}
        kept = remaining(kept, groups, selection)
        model = remove(model, groups, selection).eval()
    return model, {"architecture": name, "arguments": arguments, "kept": kept}, inputs


@pytest.mark.parametrize(("family", "heads"), [("vit", False), ("beit", True), ("cait", False), ("swin", True)])
def test_loaded_by_secateur(family, heads, tmp_path):
    """Also without what modules state of themselves: it follows from the shapes and the number of heads."""
    model, about, inputs = pruned(family, heads)
    save(model, tmp_path, **about)
    again = load(tmp_path).model
    for way in (False, True):
        assert torch.equal(fused(again, way)(inputs), fused(model, way)(inputs))


@pytest.mark.slow
def test_loaded_without_secateur_in_a_fresh_process(tmp_path):
    model, about, inputs = pruned("vit", heads=True)
    write(model, tmp_path, **about, input_size=tuple(inputs.shape[1:]))
    stated = json.loads((tmp_path / "network.json").read_text())["attributes"]["blocks.0.attn"]
    assert stated["num_heads"] == 2 and stated["head_dim"] == 4 and stated["attn_dim"] == 8 and stated["scale"] == 0.5
    torch.save(inputs, tmp_path / "inputs.pt")
    subprocess.run([sys.executable, "-I", "-c", AFRESH, str(tmp_path)], check=True)
    for way, outputs in zip((False, True), torch.load(tmp_path / "outputs.pt"), strict=True):
        assert torch.equal(outputs, fused(model, way)(inputs))


@pytest.mark.slow
@pytest.mark.parametrize("way", [False, True], ids=["unfused", "fused"])
def test_exported(way):
    model, _, inputs = pruned("vit")
    program = torch.export.export(fused(model, way), (inputs,))
    with torch.no_grad():
        torch.testing.assert_close(program.module()(inputs), model(inputs), rtol=1e-12, atol=1e-12)


def test_groups_on_disk_and_after_loading_go_on_as_those_at_hand(tmp_path):
    name, arguments = FAMILIES["vit"]
    model = timm.create_model(name, **arguments, num_classes=5).double().eval()
    inputs = torch.rand(2, 3, 32, 32, dtype=torch.float64)
    groups = find_unit_groups(model, inputs, "head_channels")
    unitfile.write(tmp_path / "units.safetensors", groups)
    first = {group.name: [0, 5] for group in groups}
    kept = remaining(all_channels(model), groups, first)
    smaller = remove(model, groups, first)
    read = unitfile.read(tmp_path / "units.safetensors")
    assert [[part.scaled for part in group.slices] for group in read] == [[3, 0, 0]] * 2
    second = {group.name: [1] for group in groups}
    expected = remove(smaller, shrink(groups, first), second)
    found = remove(smaller, shrink(read, removed_units(read, kept)), second)
    for tensor, other in zip(found.parameters(), expected.parameters(), strict=True):
        assert torch.equal(tensor, other)
