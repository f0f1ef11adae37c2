"""What networks are measured by and held to in the branch with retraining: statistics, and the unpruned control."""

import copy
import json

import pandas as pd
import pytest
import torch
import yaml
from tests.branches.normed_study import opened, pruned_curve

from secateur import config as configuration
from secateur.branches import controls, measurements, rounds
from secateur.branches.fewshot import fewshot
from secateur.branches.measurements import LOOKED_AT
from secateur.branches.ranking import rank_study
from secateur.branches.retrain import retrain
from secateur.branches.unpruned import unpruned
from secateur.errors import SecateurError
from secateur.models.evaluation import evaluate
from secateur.models.statistics import normalisations

DIAGNOSTICS = ["training_accuracy_eval_mode", "training_accuracy_train_mode", "training_samples"]


def test_after_a_round_the_statistics_are_those_of_the_training_images(normed_study):
    study = opened(normed_study)
    found = {}
    for batch_norm in ("reestimate", "running"):
        model = study.model(0)
        rounds.further_trained(study, model, 0, 1, batch_norm)
        found[batch_norm] = model.state_dict()
        images, _ = study.trained_on(0)
        with torch.no_grad():
            first = model.features[0](images[:])
        near = torch.allclose(model.features[1].running_mean, first.mean((0, 2, 3)), atol=1e-3)
        assert near == (batch_norm == "reestimate")
    for name, value in found["running"].items():  # nothing but the statistics differs
        assert torch.equal(value, found["reestimate"][name]) != name.endswith(("_mean", "_var", "_tracked")), name


def test_what_the_statistics_were_before_a_round_changes_nothing(normed_study):
    """Why they need not be estimated between removal and training: a training uses those of its batches."""
    study = opened(normed_study)
    models = [study.model(0), study.model(0)]
    for module in normalisations(models[1]):
        module.running_mean.fill_(100.0)
        module.running_var.fill_(1e-3)
    measured = [rounds.further_trained(study, model, 0, 1, "reestimate") for model in models]
    assert measured[0] == measured[1]
    assert all(torch.equal(value, models[1].state_dict()[name]) for name, value in models[0].state_dict().items())


def test_a_frozen_network_trains_with_statistics_of_its_own(normed_study):
    """Its batch-norm stays in eval mode in training: there what was before the round would have an effect."""
    study = opened(normed_study)
    study.config["retrain"]["finetune"] = study.config["retrain"]["finetune"] | {"freeze": True}
    models = [study.model(0), study.model(0)]
    for module in normalisations(models[1]):
        module.running_mean.fill_(100.0)
        module.running_var.fill_(1e-3)
    for model in models:
        rounds.further_trained(study, model, 0, 1, "reestimate")
    assert all(torch.equal(value, models[1].state_dict()[name]) for name, value in models[0].state_dict().items())
    assert not torch.equal(models[0].head.fc.weight, study.model(0).head.fc.weight)


def test_short_retraining_is_measured_as_it_is_and_the_old_way_shows_in_the_diagnostics(normed_study, tmp_path):
    settings = {"rates": [0.7], "finetune": normed_study[0]["retrain"]["finetune"] | {"learning_rate": 0.003}}
    new = pruned_curve(normed_study, tmp_path, **settings).iloc[-1]
    old = pruned_curve(normed_study, tmp_path, "weight_running", **settings).iloc[-1]
    assert new["units_removed"] == old["units_removed"] and new["params"] == old["params"]
    assert old["training_accuracy_train_mode"] == new["training_accuracy_train_mode"], "the same weights"
    gap = "training_accuracy_train_mode", "training_accuracy_eval_mode"
    assert old[gap[0]] - old[gap[1]] > 0.05 and new["accuracy"] > old["accuracy"] + 0.05
    assert abs(new[gap[0]] - new[gap[1]]) < 0.05


@pytest.mark.slow
def test_an_entry_overrules_the_run(normed_study, tmp_path):
    by_entry = pruned_curve(normed_study, tmp_path, "weight_running")
    by_run = pruned_curve(normed_study, tmp_path, batch_norm="running")
    assert by_entry.drop(columns="criterion").equals(by_run.drop(columns="criterion"))
    assert not by_entry["accuracy"].equals(pruned_curve(normed_study, tmp_path)["accuracy"])


def test_without_batch_norm_nothing_changes(normed_study, tmp_path):
    with_key = pruned_curve(normed_study, tmp_path, name="digits_vgg")
    without = pruned_curve(normed_study, tmp_path, name="digits_vgg", batch_norm="running")
    assert with_key.equals(without)
    assert (with_key["training_accuracy_eval_mode"] == with_key["training_accuracy_train_mode"]).all()


@pytest.mark.parametrize("name", ["digits_normed", "digits_vgg"])
def test_training_accuracy_is_that_of_a_fixed_part_of_the_training_images(normed_study, tmp_path, name):
    curve = pruned_curve(normed_study, tmp_path, name=name)
    study = opened(normed_study, name)
    images, labels = study.mixed(1)
    everything, _ = study.trained_on(1)
    assert sorted(images[:].sum((1, 2, 3)).tolist()) == sorted(everything[:].sum((1, 2, 3)).tolist())
    assert labels[:LOOKED_AT].unique().numel() == 5, "the classes are mixed"
    assert (curve["training_samples"] == min(LOOKED_AT, len(labels))).all()
    found = evaluate(study.model(1), images.subset(slice(LOOKED_AT)), labels[:LOOKED_AT], 5)
    assert curve["training_accuracy_eval_mode"].iloc[0] == found.accuracy
    assert curve[DIAGNOSTICS].notna().all().all()


@pytest.mark.slow
def test_the_unpruned_networks_are_measured_once_and_read_by_every_job(normed_study, tmp_path, monkeypatch):
    name, samples = "digits_normed", normed_study[1] / "digits_normed.csv"
    unpruned(opened(normed_study), range(2), tmp_path / "measured.parquet")
    written = {}
    for where in (None, tmp_path / "measured.parquet"):
        study = opened(normed_study, name, measured=where)
        rank_study(study, "weight", range(2), samples, tmp_path / "s.safetensors")
        seen = []
        original = measurements.measure
        with monkeypatch.context() as patched:
            patched.setattr(
                measurements, "measure", lambda on, model, o=original, s=seen: s.append(model) or o(on, model)
            )
            fewshot(study, "weight", range(2), tmp_path / "s.safetensors", tmp_path / "f", tmp_path / "p")
            retrain(study, "weight", range(2), samples, tmp_path / "state", tmp_path / "r")
        rates = len(study.config["fewshot"]["rates"]) + len(study.config["retrain"]["rates"])
        assert len(seen) == 2 * (rates + (0 if where else 2))
        written[where] = [(tmp_path / file).read_bytes() for file in ("f", "r")]
    assert written[None] == written[tmp_path / "measured.parquet"]
    curve = pd.read_parquet(tmp_path / "f")
    assert curve.loc[curve["rate"] == 0, DIAGNOSTICS].notna().all().all()
    assert curve.loc[curve["rate"] > 0, DIAGNOSTICS].isna().all().all(), "nothing is trained there"


def test_measurements_of_other_seeds_are_refused(normed_study, tmp_path):
    unpruned(opened(normed_study), [0], tmp_path / "measured.parquet")
    study = opened(normed_study, measured=tmp_path / "measured.parquet")
    assert measurements.of_unpruned(study, 0)["test_samples"] > 0
    with pytest.raises(SecateurError, match=r"measured\.parquet: 0 rows for seed 1.*secateur unpruned"):
        measurements.of_unpruned(study, 1)


def test_the_unpruned_control_is_the_same_training_without_removal(normed_study, tmp_path):
    study = opened(normed_study)
    controls.retrain_unpruned(study, range(2), tmp_path / "state", tmp_path / "control.parquet")
    assert not list((tmp_path / "state").iterdir())
    found = pd.read_parquet(tmp_path / "control.parquet")
    rates = [0.0, *study.config["retrain"]["rates"]]
    assert found["rate"].tolist() == rates * 2 and found["round"].tolist() == [0, 1, 2] * 2
    for column, value in {"control": "unpruned", "criterion": "", "samples_per_class": "", "units_removed": 0}.items():
        assert (found[column] == value).all()
    assert (found["params_share"] == 1).all() and (found["rate_achieved"] == 0).all()
    # By hand: two rounds on the same images in the same order as a pruned network's.
    model = study.model(1)
    for number in (1, 2):
        measured = rounds.further_trained(study, model, 1, number, "reestimate")
        row = found[(found["seed"] == 1) & (found["round"] == number)].iloc[0]
        assert {key: row[key] for key in measured} == measured
    assert found["loss"].nunique() == 6, "every round trains"


@pytest.mark.slow
def test_a_killed_control_resumes_to_the_same_bytes(normed_study, tmp_path, monkeypatch):
    study = opened(normed_study)
    controls.retrain_unpruned(study, range(2), tmp_path / "s", tmp_path / "whole.parquet")
    original, calls = rounds.further_trained, []

    def killed(*arguments):
        calls.append(arguments)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return original(*arguments)

    monkeypatch.setattr(controls, "further_trained", killed)
    with pytest.raises(KeyboardInterrupt):
        controls.retrain_unpruned(study, range(2), tmp_path / "s", tmp_path / "resumed.parquet")
    controls.retrain_unpruned(study, range(2), tmp_path / "s", tmp_path / "resumed.parquet")
    assert len(calls) == 4 + 1
    assert (tmp_path / "resumed.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"retrain": {"batch_norm": "old"}}, ["retrain.batch_norm", "'old'", "reestimate, running"]),
        ({"retrain": {"batch_norm": True}}, ["retrain.batch_norm", "True", "reestimate, running"]),
        ({"retrain": {"controls": {"unpruned": "yes"}}}, ["retrain.controls.unpruned", "'yes'", "boolean"]),
        ({"retrain": {"controls": {"unprunned": True}}}, ["retrain.controls", "unprunned", "mean 'unpruned'"]),
        ({"retrain": {"controls": {"scratch": 1}}}, ["retrain.controls.scratch", "1", "boolean"]),
        ({"retrain": {"controls": True}}, ["retrain.controls", "True", "object"]),
        ({"criteria": [{"name": "lrp", "batch_norm": "once"}]}, ["criteria.0.batch_norm", "'once'", "running"]),
    ],
)
def test_bad_values_of_the_new_keys_are_one_clear_error(change, words):
    given = yaml.safe_load((configuration.REPOSITORY / "tests/workflow/tiny.yaml").read_text(encoding="utf-8"))
    with pytest.raises(SecateurError) as caught:
        configuration.resolve(copy.deepcopy(given) | json.loads(json.dumps(change)))
    for word in words:
        assert word in str(caught.value)
