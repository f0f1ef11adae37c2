"""What networks are measured by and held to in the branch with retraining: statistics, and the unpruned control."""

import copy
import json

import pandas as pd
import pytest
import torch
import yaml
from tests.prepared import prepared

from secateur import config as configuration
from secateur import tablefile
from secateur.branches import controls, rounds
from secateur.branches import scratch as scratch_stage
from secateur.branches.fewshot import fewshot
from secateur.branches.ranking import rank_study
from secateur.branches.retrain import retrain
from secateur.branches.scratch import scratch
from secateur.branches.study import LOOKED_AT, Study, open_study
from secateur.branches.unpruned import unpruned
from secateur.data import store
from secateur.errors import SecateurError
from secateur.models import backbones, training, transfer
from secateur.models.backbones import fresh
from secateur.models.evaluation import evaluate
from secateur.models.statistics import normalisations

DIAGNOSTICS = ["training_accuracy_eval_mode", "training_accuracy_train_mode", "training_samples"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Task models of two seeds on a network with batch-norm and one without, and the config they belong to."""
    folder = tmp_path_factory.mktemp("study")
    given = yaml.safe_load((configuration.REPOSITORY / "tests/workflow/tiny.yaml").read_text(encoding="utf-8"))
    given["backbones"]["normed"] = given["backbones"]["vgg_small"] | {"architecture": "vgg_bn_small"}
    given["studies"]["digits_normed"] = {"dataset": "digits_target", "backbone": "normed"}
    given["criteria"] = ["weight", {"name": "weight_running", "criterion": "weight", "batch_norm": "running"}]
    given.pop("toy")
    given["training"]["pretrain"]["epochs"] = 6
    given["training"]["transfer"] = {"epochs": 6, "learning_rate": 0.003}
    config = configuration.resolve(given)
    torch.set_num_threads(1)
    for name in ("digits_source", "digits_target"):
        prepared(name, folder)
    for backbone in config["backbones"]:
        backbones.make(
            config, backbone, folder / "digits_source", folder / "state", folder / f"{backbone}.safetensors",
            folder / f"{backbone}.json",
        )  # fmt: skip
    for name, study in config["studies"].items():
        weights = [folder / f"{study['backbone']}.safetensors"]
        written = transfer.Transferred(folder / f"{name}.safetensors", folder / f"{name}.csv", folder / "history.csv")
        transfer.transfer(config, name, range(2), folder / "digits_target", weights, folder / "state", written)
    return config, folder


def opened(made, name="digits_normed", measured=None, **retrain_settings) -> Study:
    config, folder = made
    config = config | {"retrain": config["retrain"] | retrain_settings}
    return open_study(config, name, folder / "digits_target", folder / f"{name}.safetensors", measured=measured)


def pruned_curve(made, tmp_path, criterion="weight", name="digits_normed", **settings) -> pd.DataFrame:
    study, samples = opened(made, name, **settings), made[1] / f"{name}.csv"
    retrain(study, criterion, [1], samples, tmp_path / "state", tmp_path / "curve.parquet")
    return pd.read_parquet(tmp_path / "curve.parquet")


def test_after_a_round_the_statistics_are_those_of_the_training_images(made):
    study = opened(made)
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


def test_what_the_statistics_were_before_a_round_changes_nothing(made):
    """Why they need not be estimated between removal and training: a training uses those of its batches."""
    study = opened(made)
    models = [study.model(0), study.model(0)]
    for module in normalisations(models[1]):
        module.running_mean.fill_(100.0)
        module.running_var.fill_(1e-3)
    measured = [rounds.further_trained(study, model, 0, 1, "reestimate") for model in models]
    assert measured[0] == measured[1]
    assert all(torch.equal(value, models[1].state_dict()[name]) for name, value in models[0].state_dict().items())


def test_a_frozen_network_trains_with_statistics_of_its_own(made):
    """Its batch-norm stays in eval mode in training: there what was before the round would have an effect."""
    study = opened(made)
    study.config["retrain"]["finetune"] = study.config["retrain"]["finetune"] | {"freeze": True}
    models = [study.model(0), study.model(0)]
    for module in normalisations(models[1]):
        module.running_mean.fill_(100.0)
        module.running_var.fill_(1e-3)
    for model in models:
        rounds.further_trained(study, model, 0, 1, "reestimate")
    assert all(torch.equal(value, models[1].state_dict()[name]) for name, value in models[0].state_dict().items())
    assert not torch.equal(models[0].head.fc.weight, study.model(0).head.fc.weight)


def test_short_retraining_is_measured_as_it_is_and_the_old_way_shows_in_the_diagnostics(made, tmp_path):
    settings = {"rates": [0.7], "finetune": made[0]["retrain"]["finetune"] | {"learning_rate": 0.003}}
    new = pruned_curve(made, tmp_path, **settings).iloc[-1]
    old = pruned_curve(made, tmp_path, "weight_running", **settings).iloc[-1]
    assert new["units_removed"] == old["units_removed"] and new["params"] == old["params"]
    assert old["training_accuracy_train_mode"] == new["training_accuracy_train_mode"], "the same weights"
    gap = "training_accuracy_train_mode", "training_accuracy_eval_mode"
    assert old[gap[0]] - old[gap[1]] > 0.05 and new["accuracy"] > old["accuracy"] + 0.05
    assert abs(new[gap[0]] - new[gap[1]]) < 0.05


def test_an_entry_overrules_the_run(made, tmp_path):
    by_entry = pruned_curve(made, tmp_path, "weight_running")
    by_run = pruned_curve(made, tmp_path, batch_norm="running")
    assert by_entry.drop(columns="criterion").equals(by_run.drop(columns="criterion"))
    assert not by_entry["accuracy"].equals(pruned_curve(made, tmp_path)["accuracy"])


def test_without_batch_norm_nothing_changes(made, tmp_path):
    with_key = pruned_curve(made, tmp_path, name="digits_vgg")
    without = pruned_curve(made, tmp_path, name="digits_vgg", batch_norm="running")
    assert with_key.equals(without)
    assert (with_key["training_accuracy_eval_mode"] == with_key["training_accuracy_train_mode"]).all()


@pytest.mark.parametrize("name", ["digits_normed", "digits_vgg"])
def test_training_accuracy_is_that_of_a_fixed_part_of_the_training_images(made, tmp_path, name):
    curve = pruned_curve(made, tmp_path, name=name)
    study = opened(made, name)
    images, labels = study.mixed(1)
    everything, _ = study.trained_on(1)
    assert sorted(images[:].sum((1, 2, 3)).tolist()) == sorted(everything[:].sum((1, 2, 3)).tolist())
    assert labels[:LOOKED_AT].unique().numel() == 5, "the classes are mixed"
    assert (curve["training_samples"] == min(LOOKED_AT, len(labels))).all()
    found = evaluate(study.model(1), images.subset(slice(LOOKED_AT)), labels[:LOOKED_AT], 5)
    assert curve["training_accuracy_eval_mode"].iloc[0] == found.accuracy
    assert curve[DIAGNOSTICS].notna().all().all()


def test_the_unpruned_networks_are_measured_once_and_read_by_every_job(made, tmp_path, monkeypatch):
    name, samples = "digits_normed", made[1] / "digits_normed.csv"
    unpruned(opened(made), range(2), tmp_path / "measured.parquet")
    written = {}
    for where in (None, tmp_path / "measured.parquet"):
        study = opened(made, name, measured=where)
        rank_study(study, "weight", range(2), samples, tmp_path / "s.safetensors")
        seen = []
        original = Study.measure
        with monkeypatch.context() as patched:
            patched.setattr(Study, "measure", lambda self, model, o=original, s=seen: s.append(model) or o(self, model))
            fewshot(study, "weight", range(2), tmp_path / "s.safetensors", tmp_path / "f", tmp_path / "p")
            retrain(study, "weight", range(2), samples, tmp_path / "state", tmp_path / "r")
        rates = len(study.config["fewshot"]["rates"]) + len(study.config["retrain"]["rates"])
        assert len(seen) == 2 * (rates + (0 if where else 2))
        written[where] = [(tmp_path / file).read_bytes() for file in ("f", "r")]
    assert written[None] == written[tmp_path / "measured.parquet"]
    curve = pd.read_parquet(tmp_path / "f")
    assert curve.loc[curve["rate"] == 0, DIAGNOSTICS].notna().all().all()
    assert curve.loc[curve["rate"] > 0, DIAGNOSTICS].isna().all().all(), "nothing is trained there"


def test_measurements_of_other_seeds_are_refused(made, tmp_path):
    unpruned(opened(made), [0], tmp_path / "measured.parquet")
    study = opened(made, measured=tmp_path / "measured.parquet")
    assert study.unpruned(0)["test_samples"] > 0
    with pytest.raises(SecateurError, match=r"measured\.parquet: 0 rows for seed 1.*secateur unpruned"):
        study.unpruned(1)


def test_the_unpruned_control_is_the_same_training_without_removal(made, tmp_path):
    study = opened(made)
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


def test_a_killed_control_resumes_to_the_same_bytes(made, tmp_path, monkeypatch):
    study = opened(made)
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


@pytest.fixture(scope="module")
def shaped(made, tmp_path_factory):
    """The curves and shapes of one criterion on both seeds, and the file that says where the backbone is from."""
    folder = tmp_path_factory.mktemp("shapes")
    arguments = (made[1] / "digits_normed.csv", folder / "state", folder / "pruned.parquet", None, folder / "shapes")
    retrain(opened(made), "weight", range(2), *arguments)
    return pd.read_parquet(folder / "pruned.parquet"), folder / "shapes", made[1] / "normed.json"


def test_shapes_say_what_every_round_has_removed(made, shaped):
    pruned, shapes, _ = shaped
    table = pd.read_parquet(shapes)
    assert set(table["group"]) == {group.name for group in opened(made).groups}
    removed = table.groupby(["seed", "round"])["removed"].sum()
    rounds_ = pruned[pruned["round"] > 0].set_index(["seed", "round"])
    assert removed.equals(rounds_["units_removed"].rename("removed")) and table["removed"].gt(0).any()


def test_shapes_from_scratch_are_the_pruned_ones_with_nothing_kept(made, shaped, tmp_path, monkeypatch):
    pruned, shapes, backbone = shaped
    study, trained = opened(made), []
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
    assert source["steps"] == 6 * -(-store.load(made[1] / "digits_source").train_labels.size // 64)
    expected = [-(-(source["steps"] + (6 + number) * batches) // batches) for number in (1, 2)]
    assert [epochs for _, epochs, _ in trained] == expected * 2
    # The draw is a seed's, not the task model's and not the backbone's first one.
    first, others = trained[0][0], (study.model(0).state_dict(), fresh(made[0], "normed", study.dataset).state_dict())
    bias = "features.1.running_mean"
    assert not first[bias].any(), "nothing was trained before"
    kept = len(first["features.0.weight"])
    for other in (trained[2][0], *others):
        assert not torch.equal(first["features.0.weight"], other["features.0.weight"][-kept:])


@pytest.mark.parametrize("removed", [0, 8, 14])
def test_a_random_shape_gives_signals_the_variance_of_the_whole_network(made, removed):
    """Without batch-norm they would fade with every layer that lost inputs."""
    study = opened(made, "digits_vgg")
    images = study.test_inputs[:64]

    def spread(shape):
        with torch.no_grad():
            return float(scratch_stage._drawn(study, 0, shape).eval()(images).std())

    ratio = spread({group.name: removed * group.size // 16 for group in study.groups}) / spread({})
    assert 0.5 < ratio < 2


def test_a_killed_training_from_scratch_resumes_to_the_same_bytes(made, shaped, tmp_path, monkeypatch):
    _, shapes, backbone = shaped
    study = opened(made)
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


def test_files_that_do_not_fit_are_refused(made, shaped, tmp_path):
    _, shapes, backbone = shaped
    arguments = (tmp_path / "state", tmp_path / "out.parquet")
    about = json.loads(backbone.read_text())
    (tmp_path / "old.json").write_text(json.dumps({key: about[key] for key in about if key != "steps"}))
    with pytest.raises(SecateurError, match=r"old\.json: does not say for how many steps"):
        scratch(opened(made), "weight", [0], shapes, tmp_path / "old.json", *arguments)
    tablefile.write(tmp_path / "other", pd.read_parquet(shapes).assign(params=17))
    (tmp_path / "hub.json").write_text(json.dumps({"source": "hub"}))
    with pytest.raises(SecateurError, match=r"other: seed 0, round 1: a network of this shape has \d+ .* has 17\."):
        scratch(opened(made), "weight", [0], tmp_path / "other", tmp_path / "hub.json", *arguments)
    assert not (tmp_path / "out.parquet").exists()


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
