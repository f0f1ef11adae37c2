"""The shapes that retraining leaves, trained from random weights: nothing of their weights is kept."""

import json

import pandas as pd
import pytest
import torch
from tests.branches.normed_study import opened

from secateur import tablefile
from secateur.branches import scratch as scratch_stage
from secateur.branches.retrain import retrain
from secateur.branches.scratch import scratch
from secateur.data import store
from secateur.errors import SecateurError
from secateur.models import training
from secateur.models.backbones import fresh


@pytest.fixture(scope="module")
def shaped(normed_study, tmp_path_factory):
    """The curves and shapes of one criterion on both seeds, and the file that says where the backbone is from."""
    folder = tmp_path_factory.mktemp("shapes")
    samples, curves = normed_study[1] / "digits_normed.csv", folder / "pruned.parquet"
    retrain(opened(normed_study), "weight", range(2), samples, folder / "state", curves, None, folder / "shapes")
    return pd.read_parquet(curves), folder / "shapes", normed_study[1] / "normed.json"


@pytest.mark.slow
def test_shapes_say_what_every_round_has_removed(normed_study, shaped):
    pruned, shapes, _ = shaped
    table = pd.read_parquet(shapes)
    assert set(table["group"]) == {group.name for group in opened(normed_study).groups}
    removed = table.groupby(["seed", "round"])["removed"].sum()
    rounds_ = pruned[pruned["round"] > 0].set_index(["seed", "round"])
    assert removed.equals(rounds_["units_removed"].rename("removed")) and table["removed"].gt(0).any()


def test_shapes_from_scratch_are_the_pruned_ones_with_nothing_kept(normed_study, shaped, tmp_path, monkeypatch):
    pruned, shapes, backbone = shaped
    study, trained = opened(normed_study), []
    original = training.train

    def recorded(network, images, labels, recipe, seed, **others):
        weights = network.state_dict()
        trained.append(({name: value.clone() for name, value in weights.items()}, recipe["epochs"], len(labels)))
        return original(network, images, labels, recipe | {"epochs": 2}, seed, **others)

    monkeypatch.setattr(scratch_stage.training, "train", recorded)
    scratch(study, "weight", range(2), shapes, backbone, tmp_path / "state", tmp_path / "scratch.parquet")
    found = pd.read_parquet(tmp_path / "scratch.parquet")
    assert not list((tmp_path / "state").iterdir())
    assert set(found["control"]) == {"scratch"} and set(found["criterion"]) == {"weight"}
    same = [
        "seed",
        "samples_per_class",
        "round",
        "rate",
        "units_total",
        "units_removed",
        "params",
        "params_share",
        "macs",
    ]
    assert found[same].equals(pruned[same])
    whole = found["rate"] == 0
    assert found.loc[whole, "loss"].tolist() == pruned.loc[whole, "loss"].tolist()
    assert not (found.loc[~whole, "loss"].to_numpy() == pruned.loc[~whole, "loss"].to_numpy()).any()
    # 6 epochs of pretraining on the source, 6 of the transfer and one of each round, in steps of 64 images.
    source = json.loads(backbone.read_text())
    batches = -(-trained[0][2] // 64)
    assert source["steps"] == 6 * -(-store.load(normed_study[1] / "digits_source").train_labels.size // 64)
    expected = [-(-(source["steps"] + (6 + number) * batches) // batches) for number in (1, 2)]
    assert [epochs for _, epochs, _ in trained] == expected * 2
    # The draw is a seed's, not the task model's and not the backbone's first one.
    first, others = (
        trained[0][0],
        (study.model(0).state_dict(), fresh(normed_study[0], "normed", study.dataset).state_dict()),
    )
    bias = "features.1.running_mean"
    assert not first[bias].any(), "nothing was trained before"
    kept = len(first["features.0.weight"])
    for other in (trained[2][0], *others):
        assert not torch.equal(first["features.0.weight"], other["features.0.weight"][-kept:])


@pytest.mark.parametrize("removed", [0, 8, 14])
def test_a_random_shape_gives_signals_the_variance_of_the_whole_network(normed_study, removed):
    """Without batch-norm they would fade with every layer that lost inputs."""
    study = opened(normed_study, "digits_vgg")
    images = study.test_inputs[:64]

    def spread(shape):
        with torch.no_grad():
            return float(scratch_stage._drawn(study, 0, shape).eval()(images).std())

    ratio = spread({group.name: removed * group.size // 16 for group in study.groups}) / spread({})
    assert 0.5 < ratio < 2


@pytest.mark.slow
def test_a_killed_training_from_scratch_resumes_to_the_same_bytes(normed_study, shaped, tmp_path, monkeypatch):
    _, shapes, backbone = shaped
    study = opened(normed_study)
    scratch(study, "weight", [1], shapes, backbone, tmp_path / "state", tmp_path / "whole.parquet")
    original, calls = training._epoch, []

    def killed(*arguments):
        calls.append(arguments[-1])
        if len(calls) == 16:  # in the second of two trainings
            raise KeyboardInterrupt
        return original(*arguments)

    monkeypatch.setattr(training, "_epoch", killed)
    with pytest.raises(KeyboardInterrupt):
        scratch(study, "weight", [1], shapes, backbone, tmp_path / "state", tmp_path / "resumed.parquet")
    scratch(study, "weight", [1], shapes, backbone, tmp_path / "state", tmp_path / "resumed.parquet")
    assert calls.count(0) == 2 + 1, "the training that was finished is not done again"
    assert (tmp_path / "resumed.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()


def test_files_that_do_not_fit_are_refused(normed_study, shaped, tmp_path):
    _, shapes, backbone = shaped
    arguments = (tmp_path / "state", tmp_path / "out.parquet")
    about = json.loads(backbone.read_text())
    (tmp_path / "old.json").write_text(json.dumps({key: about[key] for key in about if key != "steps"}))
    with pytest.raises(SecateurError, match=r"old\.json: does not say for how many steps"):
        scratch(opened(normed_study), "weight", [0], shapes, tmp_path / "old.json", *arguments)
    tablefile.write(tmp_path / "other", pd.read_parquet(shapes).assign(params=17))
    (tmp_path / "hub.json").write_text(json.dumps({"source": "hub"}))
    with pytest.raises(SecateurError, match=r"other: seed 0, round 1: a network of this shape has \d+ .* has 17\."):
        scratch(opened(normed_study), "weight", [0], tmp_path / "other", tmp_path / "hub.json", *arguments)
    assert not (tmp_path / "out.parquet").exists()
