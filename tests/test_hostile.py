"""Hostile files through the command line: an error in one line or a right result, no file elsewhere, no code run."""

import contextlib
import functools
import io
import json
import os
import pickle
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tests.data.hosts import pack
from tests.hostile import damaged, few, many, odd, run

import secateur.models.small  # noqa: F401 (registers our own architectures with timm)
from secateur import tensorfile
from secateur.data import extraction, index, references
from secateur.errors import SecateurError
from secateur.pruning import saved
from secateur.pruning.removal import all_channels


@many
@given(data=st.data())
def test_score_files(inside, data):
    tensorfile.write("s.safetensors", {"0/1/conv": torch.arange(4, dtype=torch.float64)})
    Path("s.safetensors").write_bytes(data.draw(damaged(Path("s.safetensors").read_bytes())))
    run("scores", "check", "s.safetensors")


NETWORK = {"layers": [{"name": "conv", "channels": 2, "inputs": 3}]}
SCORES = b"layer,channel,score\nconv,0,1.5\nconv,1,2.5\n"


@many
@given(network=damaged(json.dumps(NETWORK).encode()), scores=damaged(SCORES))
def test_tables_of_scores_and_their_network(inside, network, scores):
    for one, other in ((network, SCORES), (json.dumps(NETWORK).encode(), scores)):
        Path("network.json").write_bytes(one)
        Path("s.csv").write_bytes(other)
        run("scores", "check", "s.csv")


@many
@given(network=st.recursive(odd, lambda inner: st.fixed_dictionaries({"layers": st.lists(inner, max_size=2)})))
def test_descriptions_of_networks_that_are_something_else(inside, network):
    Path("network.json").write_text(json.dumps(network), encoding="utf-8")
    Path("s.csv").write_bytes(SCORES)
    run("scores", "check", "s.csv")


@many
@given(content=damaged(b"seed,label,position,index,check\n0,0,0,3,10\n0,1,0,5,11\n"))
def test_reference_samples(inside, content):
    Path("s.csv").write_bytes(content)
    with contextlib.suppress(SecateurError):
        references.read("s.csv", 0, "1", torch.tensor([0, 0, 0, 0, 1, 1]).numpy())


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "tar.xz", "tar.bz2", "zip"])
@few
@given(data=st.data())
def test_archives(inside, kind, data):
    packed = pack(inside / f"set.{kind}", {"cat/1.jpg": b"one" * 50, "dog/2.jpg": b"two"})
    packed.write_bytes(data.draw(damaged(packed.read_bytes())))
    with contextlib.suppress(SecateurError, OSError):  # a name that the file system refuses is an OSError: one line
        extraction.extract(packed, inside / "out")


def test_an_archive_that_grows_without_end(inside, monkeypatch):
    monkeypatch.setattr(extraction, "SMALLEST_BOUND", 1 << 20)
    with zipfile.ZipFile(inside / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("a", bytes(1 << 24))
    with tarfile.open(inside / "bomb.tar.gz", "w:gz") as opened:
        member = tarfile.TarInfo("a")
        member.size = 1 << 24
        opened.addfile(member, io.BytesIO(bytes(1 << 24)))
    for name in ("bomb.zip", "bomb.tar.gz"):
        with pytest.raises(SecateurError, match="would extract to more than"):
            extraction.extract(inside / name, inside / "out")


@functools.cache
def drawn(kind: str) -> bytes:
    """An image of noise, always the same."""
    opened = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 24), np.uint8)).save(opened, kind)
    return opened.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "TIFF", "WEBP", "PPM"])
@few
@given(data=st.data())
def test_images(inside, kind, data):
    folder = inside / "set"
    suffix = {"JPEG": "jpg", "PPM": "pgm"}.get(kind, kind.lower())
    rows = []
    for split in ("train", "test"):
        for label in (0, 1):
            path = folder / "images" / f"{split}{label}.{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data.draw(damaged(drawn(kind))) if split == "train" else drawn(kind))
            rows.append((split, label, path.relative_to(folder).as_posix()))
    index.write(folder, {"name": "set", "classes": ["a", "b"], "skip_unreadable": True}, rows)
    run("data", "prepare", "--data", folder, "--architecture", "vgg_small", "--size", "16", "--output", inside / "out")


@pytest.fixture(scope="module")
def network():
    """A network saved as `secateur prune` does it: weights and the text of its description."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        model = timm.create_model("vgg_small", num_classes=3)
        saved.save(model, folder, architecture="vgg_small", arguments={"num_classes": 3}, kept=all_channels(model))
        yield {path.name: path.read_bytes() for path in Path(folder).iterdir()}


@few
@given(data=st.data())
def test_saved_networks(inside, network, data):
    for name, content in network.items():
        Path(name).write_bytes(content)
    description = json.loads(network[saved.DESCRIPTION])
    key = data.draw(st.sampled_from(sorted(description)))
    if data.draw(st.booleans()):
        description[key] = data.draw(odd)
        Path(saved.DESCRIPTION).write_text(json.dumps(description), encoding="utf-8")
    elif data.draw(st.booleans()):
        description["arguments"] |= data.draw(st.dictionaries(st.text(max_size=8), odd, max_size=2))
        Path(saved.DESCRIPTION).write_text(json.dumps(description), encoding="utf-8")
    else:
        Path(saved.DESCRIPTION).write_bytes(data.draw(damaged(network[saved.DESCRIPTION])))
    with contextlib.suppress(SecateurError):
        saved.load(inside)


class Payload:
    """Unpickled, it makes a file."""

    def __reduce__(self):
        return os.mkdir, ("evil",)


@pytest.mark.parametrize(
    ("architecture", "arguments"),
    [
        ("hf-hub:someone/evil", {}),
        ("local-dir:evil", {}),
        ("vgg_small", {"checkpoint_path": "evil.pt"}),
        ("vgg_small", {"pretrained_cfg": {"url": "http://127.0.0.1:9/evil"}}),
        ("torchvision/fasterrcnn_resnet50_fpn", {"weights_backbone": "DEFAULT"}),
    ],
)
def test_a_saved_network_fetches_nothing_and_opens_no_other_file(inside, network, architecture, arguments):
    torch.save({"a": Payload()}, "payload.pt")
    for name, content in network.items():
        Path(name).write_bytes(content)
    description = json.loads(network[saved.DESCRIPTION]) | {"architecture": architecture, "arguments": arguments}
    Path(saved.DESCRIPTION).write_text(json.dumps(description), encoding="utf-8")
    with pytest.raises(SecateurError, match="not allowed|cannot be built"):
        saved.load(inside)


@pytest.mark.parametrize("how", ["torch.save", "pickle", "state_dict"])
def test_no_code_of_a_checkpoint_is_run(inside, how):
    if how == "pickle":
        Path("weights.pt").write_bytes(pickle.dumps(Payload()))
    else:
        torch.save(Payload() if how == "torch.save" else {"state_dict": {"a": Payload()}}, "weights.pt")
    for split in ("train", "test"):
        for name in ("a", "b"):
            Path("images", split, name).mkdir(parents=True)
            Image.effect_noise((16, 16), 80).convert("RGB").save(Path("images", split, name, "1.png"))
    said = run(
        *("prune", "--arch", "vgg_small", "--weights", "weights.pt", "--data", "images", "--rate", "0.5"),
        *("--out", "out", "--samples-per-class", "1", "--size", "16", "--device", "cpu"),
    )
    assert "error: --weights: weights.pt cannot be read" in said
