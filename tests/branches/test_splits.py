"""What decides what: the test split changes no weight, no reference sample, no score and no choice of units."""

import hashlib
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from tests.prepared import prepared

from secateur import config as configuration
from secateur.branches import retrain as retrain_branch
from secateur.branches.ranking import rank_study
from secateur.branches.study import open_study
from secateur.data import checksums, store
from secateur.models import backbones, training, transfer

CHANGED = {"training": {"pretrain": {"epochs": 1}, "transfer": {"epochs": 3, "learning_rate": 0.01}, "validation": 0.2}}


@pytest.fixture(scope="module")
def config():
    torch.set_num_threads(1)
    given = yaml.safe_load((configuration.REPOSITORY / "tests/workflow/tiny.yaml").read_text(encoding="utf-8"))
    return configuration.resolve(given | CHANGED)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    return {name: prepared(name, folder) for name in ("digits_source", "digits_target")}


def transferred(config, data, folder):
    """Both stages of the models in `folder`."""
    backbones.make(
        config, "vgg_small", data["digits_source"], folder / "state", folder / "b.safetensors", folder / "b.json"
    )
    written = transfer.Transferred(folder / "m.safetensors", folder / "s.csv", folder / "h.csv")
    begun, target = [folder / "b.safetensors"], data["digits_target"]
    transfer.transfer(config, "digits_vgg", range(2), target, begun, folder / "state", written)


def with_another_test_split(source, folder):
    """A copy whose test images are noise with labels drawn at random."""
    shutil.copytree(source, folder)
    generator = np.random.default_rng(0)
    for name in ("inputs", "labels"):
        array = np.load(source / f"test_{name}.npy")
        drawn = generator.integers(0, 256 if name == "inputs" else array.max() + 1, array.shape)
        np.save(folder / f"test_{name}.npy", drawn.astype(array.dtype))
    images = np.load(folder / "test_inputs.npy")
    np.save(folder / f"test{checksums.OF_IMAGES}", np.array([checksums.of_image(image) for image in images], np.uint32))
    checksums.seal(folder)
    return folder


@pytest.mark.slow
def test_the_test_split_decides_nothing(config, data, tmp_path, monkeypatch):
    trained = []
    original = training.train

    def recorded(network, *arguments, **others):
        found = original(network, *arguments, **others)
        values = b"".join(value.numpy().tobytes() for value in network.state_dict().values())
        trained.append((hashlib.sha256(values).hexdigest(), found[1]))
        return found

    monkeypatch.setattr(training, "train", recorded)
    other = {name: with_another_test_split(path, tmp_path / "other" / name) for name, path in data.items()}
    made = {}
    for name, where in (("one", data), ("two", other)):
        folder = tmp_path / name
        trained.clear()
        transferred(config, where, folder)
        study = open_study(config, "digits_vgg", where["digits_target"], folder / "m.safetensors")
        rank_study(study, "lrp", range(2), folder / "s.csv", folder / "scores.safetensors")
        retrain_branch.retrain(study, "lrp", range(2), folder / "s.csv", folder / "rounds", folder / "r.parquet")
        files = [(folder / file).read_bytes() for file in ("b.safetensors", "m.safetensors", "s.csv", "h.csv")]
        curve = pd.read_parquet(folder / "r.parquet")
        made[name] = [*files, (folder / "scores.safetensors").read_bytes(), list(trained), curve]
    assert len(trained) == 1 + 2 + 2 * 2
    assert made["one"][:-1] == made["two"][:-1]
    first, second = made["one"][-1], made["two"][-1]
    assert first["units_removed"].tolist() == second["units_removed"].tolist()
    assert first["accuracy"].tolist() != second["accuracy"].tolist(), "only what is reported differs"


def test_the_held_out_part_is_trained_on_nowhere(config, data, tmp_path, monkeypatch):
    """Neither by the transfer nor by the fine-tuning of a pruned network; the same part of a seed in both."""
    seen = []
    original = training.train

    def recorded(network, images, labels, *arguments, **others):
        seen.append((images[:].flatten(1), others.get("validation")))
        return original(network, images, labels, *arguments, **others)

    monkeypatch.setattr(training, "train", recorded)
    transferred(config, data, tmp_path)
    study = open_study(config, "digits_vgg", data["digits_target"], tmp_path / "m.safetensors")
    retrain_branch.retrain(study, "weight", [1], tmp_path / "s.csv", tmp_path / "rounds", tmp_path / "r.parquet")
    _, zero, one, *rounds = seen
    labels = store.load(data["digits_target"]).train_labels
    for images, held_out in (zero, one):
        assert len(images) + len(held_out[1]) == len(labels)
        assert np.bincount(held_out[1]).tolist() == [round(0.2 * size) for size in np.bincount(labels)]
        nearest = torch.cdist(held_out[0][:].flatten(1), images).min(1).values
        assert (nearest > 0).float().mean() > 0.95, "digits are alike, but hardly ever the same"
    assert not torch.equal(zero[0], one[0])
    assert len(rounds) == 2 and all(torch.equal(images, one[0]) and part is None for images, part in rounds)


@pytest.mark.slow
def test_a_killed_transfer_goes_on_to_the_same_files(config, data, tmp_path, monkeypatch):
    transferred(config, data, tmp_path / "whole")
    original, calls = training._epoch, []

    def killed(*arguments):
        calls.append(arguments[-1])
        if len(calls) == 1 + 3 + 2:  # in the second epoch of the second seed
            raise KeyboardInterrupt
        return original(*arguments)

    monkeypatch.setattr(training, "_epoch", killed)
    with pytest.raises(KeyboardInterrupt):
        transferred(config, data, tmp_path / "killed")
    assert not (tmp_path / "killed" / "m.safetensors").exists()
    monkeypatch.setattr(backbones, "make", lambda *_: None)
    transferred(config, data, tmp_path / "killed")
    assert calls[6:] == [0, 1, 2], "the finished seed is not trained again"
    for name in ("m.safetensors", "s.csv", "h.csv"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert not list((tmp_path / "killed" / "state").iterdir())
    history = pd.read_csv(tmp_path / "whole" / "h.csv")
    assert history.groupby("seed")["chosen"].sum().tolist() == [1, 1] and len(history) == 6
