"""Pruning a user's own network: from weights and an image folder to the pruned network and its summary."""

import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.own.own_study import CLASSES, SMALL, paint, settings
from tests.tiers import rows

from secateur.errors import SecateurError
from secateur.own.images import batch, preparation, splits
from secateur.own.pruning import load_weights, prune_own_network
from secateur.own.request import Request
from secateur.pruning.saved import build_unpruned, load
from secateur.pruning.selection import Selector

SHARED = Path(__file__).parents[3] / "shared" / "data"


def test_a_vit_loses_heads_and_neurons_and_the_summary_says_how_many(work: Path, tmp_path: Path) -> None:
    arguments = {"embed_dim": 24, "depth": 2, "num_heads": 3, "img_size": 32, "patch_size": 8}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        weights = build_unpruned("vit_tiny_patch16_224", arguments | {"num_classes": 3}).state_dict()
    save_file(weights, tmp_path / "weights.safetensors")
    vit = {"architecture": "vit_tiny_patch16_224", "arguments": arguments, "weights": tmp_path / "weights.safetensors"}
    scheme = {"selector": Selector("isomorphic"), "criterion": "lrp", "rate": 0.5}
    summary = prune_own_network(Request(**settings(work, tmp_path / "out", **vit, **scheme)))
    heads = {name: units for name, units in summary.units.items() if units["kind"] == "head"}
    assert list(heads) == ["blocks.0.attn.qkv", "blocks.1.attn.qkv"]
    gone = sum(units["removed"] for units in heads.values())
    assert 0 < gone < 6
    text = (tmp_path / "out" / "summary.md").read_text()
    neurons = sum(units["removed"] for units in summary.units.values()) - gone
    assert f"By kind: {gone} of 6 heads, {neurons} of 192 neurons." in text
    loaded = load(tmp_path / "out").model
    assert [block.attn.num_heads for block in loaded.blocks] == [3 - units["removed"] for units in heads.values()]


@pytest.mark.parametrize("criterion", rows(["weight", "lrp"], ["weight"]))
def test_one_call_prunes_and_tells(work: Path, tmp_path: Path, criterion: str) -> None:
    summary = prune_own_network(Request(**settings(work, tmp_path / "out", criterion=criterion)))
    sizes = [units["at_first"] for units in summary.units.values()]
    removed = sum(units["removed"] for units in summary.units.values())
    assert removed == int(0.3 * sum(sizes) + 0.5)
    assert summary.after.counts.params < summary.before.counts.params
    assert summary.after.disk_bytes < summary.before.disk_bytes
    assert summary.before.test.samples == 12 and summary.classes == list(CLASSES)
    assert [item.batch for item in summary.after.latency] == [1, 64]
    loaded = load(tmp_path / "out")
    assert sum(tensor.numel() for tensor in loaded.model.parameters()) == summary.after.counts.params
    assert loaded.arguments["num_classes"] == 3 and len(loaded.kept["conv1"]) == loaded.model.conv1.out_channels
    written = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert written["after"]["counts"]["macs"] == summary.after.counts.macs
    assert written["before"]["latency"][0]["batch"] == 1
    page = (tmp_path / "out" / "summary.md").read_text()
    assert f"Removed: {removed} of {sum(sizes)} units" in page and "fc: an output of the network" in page
    again = prune_own_network(Request(**settings(work, tmp_path / "again", criterion=criterion)))
    assert again.units == summary.units and again.after.test == summary.after.test


def test_the_accuracy_told_is_that_of_the_written_network(work: Path, tmp_path: Path) -> None:
    summary = prune_own_network(Request(**settings(work, tmp_path, rate=0.6)))
    network = load(tmp_path).model
    _, test = splits(work / "images", 0)
    prepare, _ = preparation(network, 3, 32)
    with torch.inference_mode():
        predicted = network(batch(test.paths, prepare)).argmax(1).numpy()
    assert (predicted == test.labels).mean() == pytest.approx(summary.after.test.accuracy)


def test_inner_scope_and_budget(work: Path, tmp_path: Path) -> None:
    summary = prune_own_network(
        Request(**settings(work, tmp_path, scope="inner", selector=Selector(budget="macs"), rate=0.2))
    )
    assert summary.after.counts.macs <= 0.8 * summary.before.counts.macs
    assert summary.left_out["layer1.0.conv2"] == "in a residual stream, outside the chosen scope"


def test_an_undivided_folder_is_divided_by_class_and_seed(work: Path, tmp_path: Path) -> None:
    paint(tmp_path / "all", 10, 2)
    train, test = splits(tmp_path / "all", 0)
    assert np.bincount(test.labels).tolist() == [2, 2, 2] and np.bincount(train.labels).tolist() == [8, 8, 8]
    assert set(train.paths).isdisjoint(test.paths)
    assert splits(tmp_path / "all", 0)[1].paths == test.paths != splits(tmp_path / "all", 1)[1].paths


@pytest.mark.parametrize("wrapped", [lambda state: {"state_dict": state, "epoch": 3}, lambda state: {"model": state}])
def test_usual_forms_of_weights_files_are_read(work: Path, tmp_path: Path, wrapped: Any) -> None:
    state = load_file(work / "weights.safetensors")
    halves = {
        f"module.{name}": tensor.half() if tensor.is_floating_point() else tensor for name, tensor in state.items()
    }
    torch.save(wrapped(halves), tmp_path / "weights.pth")
    network = build_unpruned("resnet18", SMALL | {"num_classes": 3})
    load_weights(network, "resnet18", SMALL, tmp_path / "weights.pth")
    assert torch.equal(network.conv1.weight, state["conv1.weight"].half().float())


def constant(folder: Path, constants: str) -> Path:
    """A folder with a criterion that scores by the weights, but the layers named like `constants` alike."""
    folder.mkdir()
    (folder / "alike.py").write_text(
        "import torch\nNORMALISATION, NEEDS = 'none', ()\ndef score(network):\n"
        f"    return {{layer: torch.zeros(len(zeros)) if layer.startswith({constants!r}) else "
        "network.weight(layer).norm(dim=1) for layer, zeros in network.zeros().items()}\n"
    )
    return folder


@pytest.mark.slow
def test_scores_that_are_alike_where_the_cut_falls_are_told(
    work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {"criterion": "alike", "criteria": [constant(tmp_path / "criteria", "layer")], "combine": "first"}
    summary = prune_own_network(Request(**settings(work, tmp_path / "out", rate=0.3, **given)))
    gone = sum(units["removed"] for units in summary.units.values())
    alike = sum(units["at_first"] for name, units in summary.units.items() if name.startswith("layer"))
    assert summary.undecided == {"removed": gone, "units": alike} and 0 < gone < alike
    assert f"warning: criterion 'alike' gives {alike} of" in capsys.readouterr().err
    page = (tmp_path / "out" / "summary.md").read_text()
    assert f"**{alike} units have the score at which the cut fell, and {gone} of them were removed**" in page
    decided = prune_own_network(Request(**settings(work, tmp_path / "weight", rate=0.3)))
    assert decided.undecided == {"removed": 0, "units": 0}
    assert "at which the cut fell" not in (tmp_path / "weight" / "summary.md").read_text()
    nothing = {"criterion": "alike", "criteria": [constant(tmp_path / "all", "")]}
    with pytest.raises(SecateurError, match=r"'alike' gives all \d+ units one and the same score \(0\).*ranks nothing"):
        prune_own_network(Request(**settings(work, tmp_path / "nothing", **nothing)))


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason="the scene images and weights are not part of the project")
def test_real_images_and_weights(tmp_path: Path) -> None:
    with tarfile.open(SHARED / "scene15-128px.tar.gz") as archive:
        members = [member for member in archive.getmembers() if member.isfile() and "/train/" in member.name]
        archive.extractall(tmp_path, [member for member in members if int(member.name[-8:-4]) % 12 == 0], filter="data")
    state = load_file(SHARED / "resnet18-tinyimagenet64.safetensors")
    state["fc.weight"], state["fc.bias"] = state["fc.weight"][:15].clone(), state["fc.bias"][:15].clone()
    save_file(state, tmp_path / "weights.safetensors")
    summary = prune_own_network(
        Request(
            architecture="resnet18",
            weights=tmp_path / "weights.safetensors",
            data=tmp_path / "scene15" / "train",
            criterion="lrp",
            samples_per_class=2,
            rate=0.3,
            output=tmp_path / "out",
            size=64,
            scope="inner",
        )
    )
    assert summary.difference_from_mask < 1e-5
    assert len(summary.classes) == 15
    assert summary.after.counts.macs < summary.before.counts.macs
