"""Who joins a published run must have its networks and samples to the bit, and measure them as it did."""

import pandas as pd
import pytest

from secateur.branches import joining
from secateur.errors import SecateurError
from secateur.provenance import content_hash


def test_networks_and_samples_of_another_hash_are_refused(tmp_path):
    known = {}
    for kind, ending in (("samples", "csv"), ("models", "safetensors")):
        path = tmp_path / kind / "study" / f"0-1.{ending}"
        path.parent.mkdir(parents=True)
        path.write_bytes((8).to_bytes(8, "little") + b"a header")
        known[kind] = {"study/0-1": content_hash(path)}
    joining._same("study/0-1", tmp_path, known)
    for kind in known:
        with pytest.raises(SecateurError, match=f"{kind} of study/0-1: made here they have the hash .*--networks"):
            joining._same("study/0-1", tmp_path, known | {kind: {"study/0-1": "0" * 16}})
    with pytest.raises(SecateurError, match="in the published run None"):
        joining._same("study/0-1", tmp_path, {})


def test_a_machine_that_measures_the_unpruned_network_otherwise_is_refused():
    rows = pd.DataFrame(
        {"study": "s", "seed": [0, 0, 1], "rate": [0.0, 0.5, 0.0], "varied": "", "loss": [0.5, 0.9, 0.6],
         "accuracy": 0.9, "params": 100, "macs": 1000, "test_samples": 100}
    )  # fmt: skip
    joining.same_start(rows, rows.assign(loss=rows["loss"] * (1 + 1e-7)), 1e-5)
    joining.same_start(rows, rows.assign(loss=[0.5, 0.1, 0.6]), 1e-5)  # pruned networks are not held to anything
    joining.same_start(rows, rows.assign(accuracy=0.88), 1e-5)  # two images, on another machine
    with pytest.raises(SecateurError, match=r"unpruned network of s, seed 0"):
        joining.same_start(rows, rows.assign(accuracy=0.87), 1e-5)
    with pytest.raises(SecateurError, match=r"unpruned network of s, seed 1, has the loss 0\.6 here and 0\.61"):
        joining.same_start(rows, rows.assign(loss=[0.5, 0.9, 0.61]), 1e-5)


class Begun(Exception):
    """The first study was to be run."""


def test_the_networks_of_the_published_run_lie_where_they_would_be_made(tmp_path, monkeypatch):
    def begun(again, name, seeds):
        raise Begun

    monkeypatch.setattr(joining.Again, "study", begun)
    published, folder = tmp_path / "published", tmp_path / "mine"
    for kind in ("models", "samples", "rankings"):
        (published / kind / "study").mkdir(parents=True)
        (published / kind / "study" / "0-1").write_text(kind)
    (folder / "models").mkdir(parents=True)  # a killed call left it
    config = {"criteria": [{"name": "mine"}], "studies": {"study": {}}, "seeds": 2, "seeds_per_job": 2}
    with pytest.raises(Begun):
        joining.measure(published, config, folder, {})
    assert (folder / "models" / "study" / "0-1").read_text() == "models"
    assert (folder / "samples" / "study" / "0-1").read_text() == "samples"
    assert not (folder / "rankings").exists(), "what is ranked is ranked here"
