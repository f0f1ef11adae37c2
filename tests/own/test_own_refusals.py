"""What is wrong with a network, images or settings of a user is one clear error, and nothing is written."""

import math
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.own.own_study import SMALL, settings

from secateur.errors import SecateurError
from secateur.own.pruning import load_weights, prune_own_network
from secateur.own.request import Request
from secateur.pruning.saved import build_unpruned
from secateur.pruning.selection import Selector


class Dangerous:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return print, ("code was run",)


def test_bad_weights_are_one_clear_error(work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network = build_unpruned("resnet18", SMALL | {"num_classes": 3})
    (tmp_path / "a.safetensors").write_bytes((work / "weights.safetensors").read_bytes()[:500])
    torch.save(Dangerous(), tmp_path / "b.pth")
    torch.save([1, 2], tmp_path / "c.pth")
    other = build_unpruned("resnet18", SMALL | {"num_classes": 4})
    torch.save(other.state_dict(), tmp_path / "d.pth")
    torch.save({"conv1.weight": torch.zeros(1)}, tmp_path / "e.pth")
    for name, message in [
        ("a.safetensors", "cannot be read"),
        ("b.pth", "could run any code"),
        ("c.pth", "no state dict"),
        ("d.pth", r"fc.weight has shape \(4, 16\), not \(3, 16\).*number of classes"),
        ("e.pth", "missing bn1.weight.*and .* more"),
        ("f.pth", "cannot be read"),
    ]:
        with pytest.raises(SecateurError, match=message):
            load_weights(network, "resnet18", SMALL, tmp_path / name)
    assert "code was run" not in capsys.readouterr().out


def test_bad_folders_and_settings_are_one_clear_error_and_write_nothing(work: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    images = tmp_path / "images"
    shutil.copytree(work / "images", images)
    state = load_file(work / "weights.safetensors")
    state["fc.bias"][1] = math.nan
    save_file(state, work / "nan.safetensors")
    for changed, message in [
        ({"data": tmp_path / "nowhere"}, "is no folder"),
        ({"data": work / "images" / "train" / "red"}, "has 0 subfolders"),
        ({"samples_per_class": 7}, "7 reference samples asked for"),
        ({"criterion": "lpr"}, "unknown criterion 'lpr'"),
        ({"samples_per_class": 0}, "samples_per_class: 0 is too small"),
        ({"samples_per_class": -1}, "samples_per_class: -1 is too small"),
        ({"rate": 1.5}, "rate 1.5"),
        ({"rate": math.nan}, "rate nan"),
        ({"rate": 0.999, "criterion": "oracle"}, "only .* may go"),
        ({"size": 0}, "size: 0 pixels are no side .* 4 to 4096"),
        ({"size": -5}, "size: -5 pixels"),
        ({"size": 100_000}, "size: 100000 pixels"),
        ({"seed": -1}, "seed: -1 is negative"),
        ({"selector": Selector(budget="bytes")}, "budget 'bytes': allowed are units, params, macs"),
        ({"device": "foo"}, "device: 'foo' is unknown; allowed here: auto, "),
        ({"device": "meta"}, "device: 'meta' is unknown"),
        ({"device": "cpu:1"}, "device: 'cpu:1' is unknown"),
        ({"device": "cuda:x"}, "device: 'cuda:x' is unknown"),
        ({"device": "cuda:77"}, "device: cuda:77 asked for, but PyTorch finds"),
        ({"weights": work / "nan.safetensors"}, "nan.safetensors: 'fc.bias' holds 1 of 3 numbers that are NaN"),
        ({"architecture": "resnet181"}, "cannot be built"),
        ({"scope": "outer"}, "scope 'outer'"),
    ]:
        with pytest.raises(SecateurError, match=message):
            prune_own_network(Request(**settings(work, output, **changed)))
    (images / "test" / "red" / "0.png").write_bytes(b"not an image")
    with pytest.raises(SecateurError, match=r"0\.png cannot be read as an image"):
        prune_own_network(Request(**settings(work, output, data=images)))
    shutil.rmtree(images / "test" / "blue")
    with pytest.raises(SecateurError, match="differ in the classes blue"):
        prune_own_network(Request(**settings(work, output, data=images)))
    (images / "test" / "blue").mkdir()
    with pytest.raises(SecateurError, match="blue holds no image"):
        prune_own_network(Request(**settings(work, output, data=images)))
    assert not output.exists()


@pytest.mark.slow
def test_what_is_in_the_folder_is_not_overwritten_unasked(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)  # some environments set it; load.py is tried in the folder
    output = tmp_path / "out"
    output.mkdir()
    (output / "notes.txt").write_text("mine")
    (output / "summary.md").write_text("of another network")
    with pytest.raises(SecateurError, match=r"out: is not empty.*--overwrite"):
        prune_own_network(Request(**settings(work, output)))
    assert (output / "summary.md").read_text() == "of another network"
    prune_own_network(Request(**settings(work, output), overwrite=True))
    assert sorted(path.name for path in output.iterdir()) == [
        "README.md", "load.py", "network.json", "notes.txt", "report.json", "summary.json", "summary.md", "timm.txt",
        "weights.safetensors",
    ]  # fmt: skip
    assert (output / "summary.md").read_text().startswith("# resnet18, pruned by weight")
    for name in ("weights.safetensors", "weights.safetensors/inside"):
        with pytest.raises(SecateurError, match="is a file"):
            prune_own_network(Request(**settings(work, output / name)))


@pytest.mark.parametrize("where", ["class", "image"])
def test_a_name_that_is_no_text_is_refused_before_anything_is_written(work: Path, tmp_path: Path, where: str) -> None:
    images = tmp_path / "images"
    shutil.copytree(work / "images", images)
    for split in ("train", "test"):
        old = images / split / "red" if where == "class" else images / split / "red" / "0.png"
        os.rename(os.fsencode(old), os.fsencode(old.parent) + b"/caf\xe9.png")  # noqa: PTH104
    with pytest.raises(SecateurError, match=r"caf\\xe9.png' is not UTF-8"):
        prune_own_network(Request(**settings(work, tmp_path / "out", data=images)))
    assert not (tmp_path / "out").exists()
