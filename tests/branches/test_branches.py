"""Both branches on a small study: what is measured is what a pruned network does, and a killed job resumes exactly."""

import copy
import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from tests.branches.residual_study import opened
from tests.tiers import rows

from secateur.branches import measurements, rounds
from secateur.branches import retrain as retrain_branch
from secateur.branches.fewshot import fewshot
from secateur.branches.inventory import units
from secateur.branches.ranking import rank_as_configured, rank_redraws, rank_study
from secateur.branches.retrain import retrain
from secateur.branches.study import open_study
from secateur.errors import SecateurError
from secateur.models import inputs
from secateur.pruning.masking import masked
from secateur.pruning.removal import all_channels, remaining, remove
from secateur.pruning.selection import Selector, select
from secateur.pruning.units import OUTSIDE
from secateur.ranking import scorefile


@pytest.mark.parametrize("name", ["digits_vgg", "digits_residual"])
def test_fewshot_measures_the_pruned_network_and_a_masked_one_agrees(residual_study, tmp_path, name):
    study, samples = opened(residual_study, name)
    rank_study(study, "lrp", range(2), samples, tmp_path / "scores.safetensors")
    fewshot(study, "lrp", range(2), tmp_path / "scores.safetensors", tmp_path / "c.parquet", tmp_path / "p.parquet")
    curves, profiles = pd.read_parquet(tmp_path / "c.parquet"), pd.read_parquet(tmp_path / "p.parquet")
    assert len(curves) == 2 * 2 * 3
    model = study.model(1)
    groups = study.groups
    scores = scorefile.read(tmp_path / "scores.safetensors", 1, "2", {group.name: group.size for group in groups})
    selection = select(groups, scores, 0.5)
    with torch.no_grad(), masked(model, groups, selection):
        logits = model(study.test_inputs[:])
    row = curves[(curves["seed"] == 1) & (curves["samples_per_class"] == "2") & (curves["rate"] == 0.5)].iloc[0]
    assert row["loss"] == pytest.approx(float(torch.nn.functional.cross_entropy(logits, study.test_labels)), rel=1e-4)
    assert row["units_removed"] == sum(map(len, selection.values()))
    removed = profiles[(profiles["seed"] == 1) & (profiles["samples_per_class"] == "2") & (profiles["rate"] == 0.5)]
    assert dict(zip(removed["group"], removed["removed"], strict=True)) == {k: len(v) for k, v in selection.items()}


def test_as_many_units_of_every_group_are_still_another_network(residual_study, tmp_path):
    study, _ = opened(residual_study)
    up = {group.name: torch.arange(group.size, dtype=torch.float64) for group in study.groups}
    down = {name: values.flip(0) for name, values in up.items()}
    scorefile.write(tmp_path / "scores.safetensors", {(0, "2"): up, (0, "4"): down})
    config = copy.deepcopy(study.config)
    config["fewshot"]["samples_per_class"] = [2, 4]
    config["scheme"] = "per-layer"
    both = dataclasses.replace(study, config=config)
    fewshot(both, "lrp", [0], tmp_path / "scores.safetensors", tmp_path / "c.parquet", tmp_path / "p.parquet")
    rows = pd.read_parquet(tmp_path / "c.parquet").query("rate == 0.5").set_index("samples_per_class")
    assert rows.loc["2", "units_removed"] == rows.loc["4", "units_removed"]
    for count, scores in (("2", up), ("4", down)):
        model = study.model(0)
        pruned = remove(model, study.groups, select(study.groups, scores, 0.5, Selector("per-layer")))
        assert rows.loc[count, "loss"] == pytest.approx(measurements.measure(study, pruned)["loss"], rel=1e-4)
    assert rows["loss"].nunique() == 2


def test_every_round_has_an_order_of_training_images_of_its_own(residual_study, tmp_path, monkeypatch):
    study, samples = opened(residual_study)
    seeds = []
    monkeypatch.setattr(rounds.training, "train", lambda *arguments, **named: seeds.append(arguments[4]))
    retrain(study, "weight", range(2), samples, tmp_path / "state", tmp_path / "c.parquet")
    assert len(seeds) == len(set(seeds)) == 2 * len(study.config["retrain"]["rates"])


def test_ranking_leaves_the_model_and_the_random_state_untouched(residual_study):
    study, samples = opened(residual_study, "digits_residual")
    model = study.model(0).train()
    model.layer1.eval()
    before, modes = copy.deepcopy(model.state_dict()), [module.training for module in model.modules()]
    state = torch.get_rng_state()
    for criterion in ("weight", "taylor", "lrp", "random"):
        rank_as_configured(study, criterion, model, study.groups, samples, ("test", 0, "2"))
    assert torch.equal(state, torch.get_rng_state())
    assert modes == [module.training for module in model.modules()]
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key])


@pytest.mark.parametrize("name", rows(["digits_vgg", "digits_residual"], ["digits_vgg"]))
def test_a_killed_retraining_resumes_to_the_same_bytes(residual_study, tmp_path, monkeypatch, name):
    study, samples = opened(residual_study, name)
    retrain(study, "taylor", range(2), samples, tmp_path / "state0", tmp_path / "undisturbed.parquet")
    assert not list((tmp_path / "state0").iterdir())

    original, calls = retrain_branch._step, []

    def killed(*arguments):
        calls.append(arguments)
        if len(calls) == 4:  # in the second round of the second seed
            raise KeyboardInterrupt
        return original(*arguments)

    monkeypatch.setattr(retrain_branch, "_step", killed)
    with pytest.raises(KeyboardInterrupt):
        retrain(study, "taylor", range(2), samples, tmp_path / "state", tmp_path / "resumed.parquet")
    assert not (tmp_path / "resumed.parquet").exists()
    retrain(study, "taylor", range(2), samples, tmp_path / "state", tmp_path / "resumed.parquet")
    assert len(calls) == 4 + 1, "only the round that was killed is done again"
    assert (tmp_path / "resumed.parquet").read_bytes() == (tmp_path / "undisturbed.parquet").read_bytes()


def test_state_of_other_settings_or_damaged_state_is_not_used(residual_study, tmp_path):
    study, _ = opened(residual_study)
    state = rounds.State(tmp_path, "0-2", "fingerprint")
    start = rounds.start(study, 0, "2")
    state.save(start)
    assert state.load(study, 0).rows == start.rows
    assert rounds.State(tmp_path, "0-2", "another").load(study, 0) is None
    weights_file = state.path
    weights_file.write_bytes(weights_file.read_bytes()[:-1])
    assert state.load(study, 0) is None


def test_ranked_once_every_round_removes_what_one_cut_would_have(residual_study):
    study, samples = opened(residual_study, "digits_residual")
    scores = rank_as_configured(study, "taylor", study.model(1), study.groups, samples, ("fewshot", 1, "2"))
    current = rounds.start(study, 1, "2")
    for rate in (0.2, 0.5):
        current = retrain_branch._step(study, "taylor_once", current, rate, samples)
        whole = all_channels(study.model(1))
        assert current.kept == remaining(whole, study.groups, select(study.groups, scores, rate))


def test_ranked_once_a_criterion_works_once_for_all_rounds(residual_study, tmp_path, monkeypatch):
    study, samples = opened(residual_study)
    seen = []
    original = retrain_branch.rank_as_configured

    def recorded(*arguments):
        seen.append(arguments[5])
        return original(*arguments)

    monkeypatch.setattr(retrain_branch, "rank_as_configured", recorded)
    retrain(study, "taylor_once", range(2), samples, tmp_path / "state", tmp_path / "c.parquet")
    counts = list(map(str, study.config["retrain"]["samples_per_class"]))
    assert len(study.config["retrain"]["rates"]) > 1
    assert seen == [("retrain", seed, count, 1) for seed in range(2) for count in counts]


def test_a_criterion_without_data_loads_none(residual_study, tmp_path, monkeypatch):
    def refused(*_):
        raise AssertionError("images are loaded")

    monkeypatch.setattr(inputs, "images", refused)
    for criterion in ("weight", "random"):
        study, _ = opened(residual_study)
        rank_study(study, criterion, range(2), tmp_path / "no such samples.csv", tmp_path / "scores.safetensors")
    study, samples = opened(residual_study)
    with pytest.raises(AssertionError, match="images are loaded"):
        rank_study(study, "taylor", range(2), samples, tmp_path / "scores.safetensors")


def test_every_round_ranks_the_network_of_that_round(residual_study, tmp_path, monkeypatch):
    study, samples = opened(residual_study)
    seen = []
    original = retrain_branch.rank_as_configured

    def recorded(study, criterion, model, groups, *others):
        seen.append((sum(group.size for group in groups), sum(p.numel() for p in model.parameters())))
        return original(study, criterion, model, groups, *others)

    monkeypatch.setattr(retrain_branch, "rank_as_configured", recorded)
    retrain(study, "weight", range(1), samples, tmp_path / "state", tmp_path / "c.parquet")
    curve = pd.read_parquet(tmp_path / "c.parquet")
    left = (curve["units_total"] - curve["units_removed"]).tolist()
    assert [units for units, _ in seen] == left[:-1]
    assert [params for _, params in seen] == curve["params"].tolist()[:-1]
    assert np.allclose(curve["rate_achieved"], curve["rate"], atol=0.5 / curve["units_total"].iloc[0])


@pytest.mark.parametrize("budget", ["macs", "params"])
def test_with_a_budget_rates_are_shares_of_the_cost_in_both_branches(residual_study, tmp_path, budget):
    config, folder = residual_study
    study = open_study(
        config | {"budget": budget}, "digits_vgg", folder / "digits_target", folder / "digits_vgg.safetensors"
    )
    samples = folder / "digits_vgg.csv"
    rank_study(study, "taylor", range(1), samples, tmp_path / "scores.safetensors")
    fewshot(study, "taylor", range(1), tmp_path / "scores.safetensors", tmp_path / "f.parquet", tmp_path / "p.parquet")
    retrain(study, "taylor", range(1), samples, tmp_path / "state", tmp_path / "r.parquet")
    for name in ("f", "r"):
        curve = pd.read_parquet(tmp_path / f"{name}.parquet")
        assert np.allclose(curve["rate_achieved"], 1 - curve[f"{budget}_share"])
        # The fewest units that reach the share: a unit more than needed at most, a few per cent of this small network.
        over = (curve["rate_achieved"] - curve["rate"])[curve["rate"] > 0]
        assert (over >= 0).all() and (over < 0.05).all()


def test_per_layer_takes_the_same_share_of_every_group(residual_study, tmp_path):
    config, folder = residual_study
    changed = config | {"scheme": "per-layer"}
    study = open_study(changed, "digits_vgg", folder / "digits_target", folder / "digits_vgg.safetensors")
    rank_study(study, "weight", range(1), folder / "digits_vgg.csv", tmp_path / "scores.safetensors")
    fewshot(study, "weight", range(1), tmp_path / "scores.safetensors", tmp_path / "f.parquet", tmp_path / "p.parquet")
    profile = pd.read_parquet(tmp_path / "p.parquet")
    assert (abs(profile["removed"] - profile["rate"] * profile["units"]) <= 0.5).all()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("raise ValueError('no filters today')", ["ValueError: no filters today"]),
        ("return {}", ["layer 'features.0'", "no scores"]),
        (
            "return {k: v[:-1] for k, v in network.zeros().items()}",
            ["layer 'features.0'", "(15,)", "16 output channels"],
        ),
        ("return {k: v / 0 for k, v in network.zeros().items()}", ["layer 'features.0'", "16 of 16", "NaN"]),
        ("return 1", ["int", "dict"]),
    ],
)
def test_a_bad_criterion_is_named_with_study_and_layer(residual_study, tmp_path, body, words):
    (tmp_path / "bad.py").write_text(f'"""Bad."""\n\n\ndef score(network):\n    {body}\n', encoding="utf-8")
    config, folder = residual_study
    changed = config | {
        "criteria_path": [str(tmp_path)],
        "criteria": [{"name": "bad", "criterion": "bad", "options": {}}],
    }
    study = open_study(changed, "digits_vgg", folder / "digits_target", folder / "digits_vgg.safetensors")
    with pytest.raises(SecateurError) as caught:
        rank_study(study, "bad", range(1), folder / "digits_vgg.csv", tmp_path / "scores.safetensors")
    for word in ["study 'digits_vgg'", "criterion 'bad'", *words]:
        assert word in str(caught.value)
    assert not (tmp_path / "scores.safetensors").exists()


def test_redraws_rank_one_network_on_other_samples(residual_study, tmp_path):
    study, samples = opened(residual_study)
    sizes = {group.name: group.size for group in study.groups}
    found = {}
    for name in ("weight", "lrp", "random"):
        rank_redraws(study, name, tmp_path / f"{name}.safetensors")
        rank_redraws(study, name, tmp_path / "again.safetensors")
        assert (tmp_path / f"{name}.safetensors").read_bytes() == (tmp_path / "again.safetensors").read_bytes()
        found[name] = [
            torch.cat(list(scorefile.read(tmp_path / f"{name}.safetensors", draw, "2", sizes).values()))
            for draw in range(study.config["agreement"]["draws"])
        ]
    assert len(found["lrp"]) == 5
    assert all(torch.equal(found["weight"][0], scores) for scores in found["weight"])  # it looks at no sample
    assert not any(torch.equal(found["lrp"][0], scores) for scores in found["lrp"][1:])
    assert not any(torch.equal(found["random"][0], scores) for scores in found["random"][1:])
    rank_study(study, "weight", range(1), samples, tmp_path / "own.safetensors")
    own = torch.cat(list(scorefile.read(tmp_path / "own.safetensors", 0, "2", sizes).values()))
    assert torch.equal(own, found["weight"][0])  # the same network as seed 0's


@pytest.mark.parametrize("scope", ["all", "inner"])
def test_units_are_found_once_and_read_by_every_job(residual_study, tmp_path, scope):
    config, folder = residual_study
    config = config | {"scope": scope}
    output, table = tmp_path / "units.safetensors", tmp_path / "units.parquet"
    units(config, "digits_residual", folder / "digits_target", output, table)
    where = (config, "digits_residual", folder / "digits_target", folder / "digits_residual.safetensors")
    read, traced = open_study(*where, units=output).groups, open_study(*where).groups
    assert [(a.name, a.size, [p.layer for p in a.producers]) for a in read] == [
        (b.name, b.size, [p.layer for p in b.producers]) for b in traced
    ]
    rows = pd.read_parquet(table)
    offered = rows[rows["left_out"] == ""]
    assert offered.groupby("group")["units"].first().to_dict() == {group.name: group.size for group in read}
    assert rows.set_index("layer").loc["fc", "left_out"] == "an output of the network"
    assert (rows[rows["residual"]]["left_out"] == ("" if scope == "all" else OUTSIDE)).all() and rows["residual"].any()
