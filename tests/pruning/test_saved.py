"""Saving and rebuilding pruned networks."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from benchmarks.removal_proof import random_selection
from torch import nn

from secateur.errors import SecateurError
from secateur.pruning.removal import Kept, all_channels, remaining, remove, shrink
from secateur.pruning.saved import build_unpruned, load, save
from secateur.pruning.units import find_unit_groups

ARGUMENTS = {"num_classes": 5, "in_chans": 1, "channels": [8, 16, 16, 24], "layers": [1, 1, 1, 1]}
IMAGE = torch.randn(2, 1, 32, 32, generator=torch.Generator().manual_seed(5))


def pruned_network() -> tuple[nn.Module, Kept]:
    """A small residual network after two rounds of removal."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build_unpruned("resnet18", ARGUMENTS).eval()
    kept, groups = all_channels(network), find_unit_groups(network, IMAGE)
    for seed in range(2):
        selection = random_selection(groups, 0.3, seed)
        kept = remaining(kept, groups, selection)
        network, groups = remove(network, groups, selection), shrink(groups, selection)
    return network, kept


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    network, kept = pruned_network()
    save(network, tmp_path / "net", architecture="resnet18", arguments=ARGUMENTS, kept=kept)
    return tmp_path / "net"


def test_a_loaded_network_is_the_saved_one(folder: Path) -> None:
    network, kept = pruned_network()
    random = torch.random.get_rng_state()
    found = load(folder)
    assert torch.equal(random, torch.random.get_rng_state())
    assert (found.architecture, found.arguments, found.kept) == ("resnet18", ARGUMENTS, kept)
    assert str(found.model) == str(network) and not found.model.training
    with torch.inference_mode():
        assert torch.equal(found.model(IMAGE), network(IMAGE))
    assert found.model.num_features == network.num_features
    assert all(parameter.requires_grad for parameter in found.model.parameters())
    assert {path.name for path in folder.iterdir()} == {"network.json", "weights.safetensors"}


def test_half_precision_stays(tmp_path: Path) -> None:
    network, kept = pruned_network()
    save(network.half(), tmp_path, architecture="resnet18", arguments=ARGUMENTS, kept=kept)
    assert {tensor.dtype for tensor in load(tmp_path).model.parameters()} == {torch.float16}


def test_a_truncated_or_exchanged_weights_file_is_found_out(folder: Path) -> None:
    weights = folder / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(SecateurError, match="truncated or not the one"):
        load(folder)
    weights.unlink()
    with pytest.raises(SecateurError, match=r"holds no weights\.safetensors"):
        load(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other"}, "no description of a pruned network"),
        ({"kept": None}, "entry 'kept' is missing"),
        ({"architecture": "resnet34", "arguments": {"num_classes": 5}}, "not those of a resnet34: missing"),
        ({"architecture": "no_such_net"}, "cannot be built"),
        ({"arguments": {"num_klasses": 5}}, "cannot be built"),
        ({"arguments": ARGUMENTS | {"channels": [4, 4, 4, 4]}}, "which no removal makes of"),
        ({"kept": {"conv1": [0]}}, "differ in the layers"),
    ],
)
def test_a_description_that_does_not_fit_is_one_clear_error(folder: Path, change: dict[str, Any], message: str) -> None:
    path = folder / "network.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(SecateurError, match=message):
        load(folder)


def test_a_truncated_description_and_a_foreign_weights_file(folder: Path) -> None:
    path = folder / "network.json"
    text = path.read_text()
    path.write_text(text[: len(text) // 2])
    with pytest.raises(SecateurError, match=r"network\.json: not a readable JSON file"):
        load(folder)
    (folder / "weights.safetensors").write_bytes(b"PK\x03\x04 something else")
    description = json.loads(text) | {"weights_md5": "9b9b0ef2e3d1e4ad5d1f7a5b0f7a7b3e"}
    path.write_text(json.dumps(description))
    with pytest.raises(SecateurError, match="truncated or not the one"):
        load(folder)


def test_a_record_that_does_not_fit_is_not_saved(tmp_path: Path) -> None:
    network, kept = pruned_network()
    with pytest.raises(SecateurError, match="layer conv1 has"):
        save(network, tmp_path, architecture="resnet18", arguments=ARGUMENTS, kept=kept | {"conv1": [0]})
    with pytest.raises(SecateurError, match="JSON's types"):
        save(network, tmp_path, architecture="resnet18", arguments={"act": nn.ReLU}, kept=kept)
    assert list(tmp_path.iterdir()) == []


class Scaled(nn.Module):
    """A convolution, a scale of its outputs that is a plain parameter in the shape of images, and a head."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(2, channels, 3), nn.Linear(channels, 2)
        self.scale = nn.Parameter(torch.rand(1, channels, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head((self.conv(x) * self.scale).mean((2, 3)))


def test_a_plain_parameter_with_one_number_a_channel_is_made_smaller_with_its_layers(tmp_path: Path) -> None:
    """More than 256 channels, too: Python has each smaller number once only."""
    smaller, image = Scaled(300).eval(), torch.rand(1, 2, 5, 5)
    record = {"conv": list(range(10, 310)), "head": [0, 1]}
    arguments = {"classes": 2, "pretrained": True, "width": 320}
    save(smaller, tmp_path, architecture="scaled", arguments=arguments, kept=record)
    loaded = load(tmp_path, build=lambda architecture, arguments: Scaled(arguments["width"]))
    assert torch.equal(loaded.model.eval()(image), smaller(image))
    description = json.loads((tmp_path / "network.json").read_text(encoding="utf-8"))
    assert description["arguments"] == {"classes": 2, "width": 320}


@pytest.mark.parametrize("heads", [{"a": 0}, {"a": "2"}, {"a": True}, {"a": 2.0}, [2]])
def test_a_number_of_heads_that_is_none_is_refused(folder: Path, heads: Any) -> None:
    path = folder / "network.json"
    description = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(description | {"heads": heads}), encoding="utf-8")
    with pytest.raises(SecateurError, match="entry 'heads' is of the wrong kind"):
        load(folder)
    path.write_text(json.dumps(description | {"heads": {}}), encoding="utf-8")
    load(folder)
