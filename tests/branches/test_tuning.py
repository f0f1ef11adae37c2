"""Tuned options: chosen on training images that are no reference samples, never worse there than what was tried."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml
from tests.prepared import study_of

from secateur import config as configuration
from secateur.branches import retrain as retrain_branch
from secateur.branches import rounds, tuning
from secateur.branches.ranking import options_of, rank_as_configured, rank_study
from secateur.errors import SecateurError
from secateur.models.evaluation import evaluate
from secateur.pruning.removal import sweep
from secateur.ranking import scorefile

TUNED = {
    "name": "taylor_tuned",
    "criterion": "taylor",
    "tune": {
        "trials": 6,
        "images_per_class": 3,
        "rates": [0.5],
        "options": {"of": ["loss", "logit"], "absolute": ["total", "sample"]},
    },
}


def given(**changes):
    config = yaml.safe_load((configuration.REPOSITORY / "tests/workflow/tiny.yaml").read_text(encoding="utf-8"))
    del config["toy"]
    return config | {"criteria": ["taylor", TUNED | {"tune": TUNED["tune"] | changes}]}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tuning")
    return study_of(configuration.resolve(given()), 2, folder)


@pytest.mark.slow
def test_the_search_takes_the_best_and_says_what_it_has_seen(study, tmp_path):
    opened, samples = study
    tuning.tune(opened, "taylor_tuned", range(2), samples, tmp_path / "tuned.parquet")
    table = pd.read_parquet(tmp_path / "tuned.parquet")
    assert list(table["seed"]) == [0, 1] and (table["images"] == 3 * len(opened.dataset.classes)).all()
    assert (table["evaluations"] == table["trials"]).all() and table["trials"].between(2, 4).all()
    model, groups = opened.model(1), opened.groups
    index = tuning.validation_images(opened, 1, samples, 3)
    images, labels = opened.train_inputs.subset(index), opened.train_labels[index]
    found = {}
    for of in ("loss", "logit"):
        for absolute in ("total", "sample"):
            options = {"of": of, "absolute": absolute}
            scores = rank_as_configured(opened, "taylor", model, groups, samples, ("fewshot", 1, "2"), options)
            (step,) = sweep(model, groups, scores, [0.5], opened.selecting)
            found[json.dumps(options, sort_keys=True)] = evaluate(step.model, images, labels, 5).accuracy
    row = table[table["seed"] == 1].iloc[0]
    assert found[row["options"]] == pytest.approx(row["validation_accuracy"])
    again = tmp_path / "again.parquet"
    tuning.tune(opened, "taylor_tuned", range(2), samples, again)
    assert again.read_bytes() == (tmp_path / "tuned.parquet").read_bytes()

    # Both branches rank with what was chosen.
    chosen = options_of(tmp_path / "tuned.parquet", 1)
    rank_study(opened, "taylor_tuned", [1], samples, tmp_path / "s.safetensors", tmp_path / "tuned.parquet")
    ranked = scorefile.read(tmp_path / "s.safetensors", 1, "2", {group.name: group.size for group in groups})
    expected = rank_as_configured(opened, "taylor", model, groups, samples, ("fewshot", 1, "2"), chosen)
    assert all((ranked[name] == values).all() for name, values in expected.items())
    start = rounds.start(opened, 1, "2")
    step = retrain_branch._step(opened, "taylor_tuned", start, 0.5, samples, tmp_path / "tuned.parquet")
    (cut,) = sweep(model, groups, expected, [0.5], opened.selecting)
    assert [row["units_removed"] for row in step.rows] == [0, sum(map(len, cut.selection.values()))]
    with pytest.raises(SecateurError, match="no options for seed 7"):
        options_of(tmp_path / "tuned.parquet", 7)


def test_the_setting_with_the_best_mean_over_the_rates_is_taken(study, monkeypatch):
    opened, samples = study
    accuracies, calls = [0.1, 0.3, 0.9, 0.7, 0.5, 0.4, 0.2, 0.6], []
    monkeypatch.setitem(tuning.entry_of(opened, "taylor_tuned")["tune"], "rates", [0.3, 0.5])

    def evaluate(*_, **__):
        calls.append(len(calls))
        return SimpleNamespace(accuracy=accuracies[calls[-1]])

    monkeypatch.setattr(tuning, "evaluate", evaluate)
    found = tuning.search(opened, "taylor_tuned", 0, samples)
    assert found["validation_accuracy"] == pytest.approx(0.8)
    assert found["evaluations"] == len(calls) == 2 * found["trials"]


@pytest.mark.parametrize("seed", range(2))
def test_later_trials_of_the_search_are_better_than_its_first(study, monkeypatch, seed):
    """A search that goes the wrong way still takes the best that it has seen: only where it looks tells them apart."""
    opened, samples = study
    options = {name: [0.0, 0.25, 0.5, 0.75, 1.0] for name in ("one", "two", "three", "four")}
    monkeypatch.setattr(tuning, "entry_of", lambda *_: {"tune": TUNED["tune"] | {"trials": 60, "options": options}})
    monkeypatch.setattr(tuning, "rank_as_configured", lambda *arguments: arguments[-1])
    monkeypatch.setattr(tuning, "sweep", lambda model, groups, scores, *_, **__: [SimpleNamespace(model=scores)])
    suggested, tried = tuning._suggested, []

    def height(chosen, *_, **__):
        return SimpleNamespace(accuracy=float(np.mean(list(chosen.values()))))

    def noted(*arguments):
        tried.append(suggested(*arguments))
        return tried[-1]

    monkeypatch.setattr(tuning, "evaluate", height)
    monkeypatch.setattr(tuning, "_suggested", noted)
    found = tuning.search(opened, "taylor_tuned", seed, samples)
    heights = [height(chosen).accuracy for chosen in tried]
    assert len(heights) == 60 and found["validation_accuracy"] == max(heights)
    assert np.mean(heights[-20:]) > np.mean(heights[:20]) + 0.1


def test_no_image_is_a_reference_sample_and_a_validation_image(study):
    opened, samples = study
    taken = pd.read_csv(samples).groupby("seed")["index"].apply(set)
    draws = [tuning.validation_images(opened, seed, samples, 3) for seed in (0, 1)]
    for seed, index in enumerate(draws):
        assert len(set(index)) == 15 and not set(index) & taken[seed]
        assert (np.bincount(opened.dataset.train_labels[index]) == 3).all()
    assert set(draws[0]) != set(draws[1])
    # With every image that the smallest class has left, an overlap could not be missed.
    labels = np.asarray(opened.dataset.train_labels)
    for seed, reference in taken.items():
        left = np.bincount(labels).min() - np.bincount(labels[sorted(reference)]).max()
        index = tuning.validation_images(opened, seed, samples, int(left))
        assert len(set(index)) == 5 * left and not set(index) & reference


def test_dotted_names_make_composites():
    import optuna

    trial = optuna.trial.FixedTrial({"rule.first": 1, "rule.classifier": 0, "start": 0})
    choices = {"rule.first": ["zplus", {"rule": "gamma"}], "rule.classifier": ["epsilon"], "start": ["logit"]}
    assert tuning._suggested(trial, choices) == {
        "rule": {"first": {"rule": "gamma"}, "classifier": "epsilon"},
        "start": "logit",
    }


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"images_per_class": 87}, ["criteria.taylor_tuned.tune.images_per_class", "87", "allowed are 1 to 85"]),
        ({"rates": [0.5, 0.2]}, ["criteria.taylor_tuned.tune.rates", "0.2 stands after 0.5"]),
        ({"options": {}}, ["criteria.1.tune.options"]),
    ],
)
def test_a_search_that_cannot_be_is_an_error_before_any_job(changes, words):
    with pytest.raises(SecateurError) as caught:
        configuration.resolve(given(**changes))
    assert all(word in str(caught.value) for word in words)
    everything = given() | {"fewshot": {"samples_per_class": ["all"]}}
    with pytest.raises(SecateurError, match="no image is left to tune on"):
        configuration.resolve(everything)
