"""Networks that others trained, in the real DAG: an architecture of one's own, a head that is kept, no retraining."""

import json

import pandas as pd
import pytest
import yaml

from house import House

pytestmark = pytest.mark.slow
FILE = "results/tiny/backbones/vgg_small.safetensors"
CONFIG = {
    "run": "published",
    "seeds": 2,
    "seeds_per_job": 2,
    "device": "cpu",
    "criteria": ["weight", "lrp", "random"],
    "architectures_path": ["mine"],
    "backbones": {
        "whole": {"architecture": "vgg_small", "size": 16, "colour": "grey", "weights": {"file": FILE}},
        "own": {"architecture": "two_layers", "size": 8, "weights": {"pretrain": "digits_source"}},
    },
    "studies": {
        "kept": {"dataset": "digits_source", "backbone": "whole", "head": "keep"},
        "begun": {"dataset": "digits_target", "backbone": "own"},
    },
    "training": {"pretrain": {"epochs": 2, "learning_rate": 0.003}, "transfer": {"epochs": 1}},
    "fewshot": {"samples_per_class": [2], "rates": [0.2, 0.5]},
    "retrain": False,
    "cost": {"samples": 4, "repeats": 2},
    "latency": {"rates": [0.5], "batches": [1], "repeats": 2},
    "agreement": {"draws": 0},
}
ARCHITECTURE = '''"""Two layers."""

from torch import nn


def two_layers(num_classes, in_chans):
    convolution = nn.Sequential(nn.Conv2d(in_chans, 8, 3, padding=1), nn.ReLU())
    return nn.Sequential(convolution, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, num_classes))
'''


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> House:
    """A house in which the run is complete; the kept network is a backbone that an earlier run has made."""
    made = House(tmp_path_factory.mktemp("house"))
    done = made.snakemake(FILE)
    assert done.returncode == 0, done.stdout + done.stderr
    (made.folder / "mine").mkdir()
    (made.folder / "mine/two_layers.py").write_text(ARCHITECTURE, encoding="utf-8")
    (made.folder / "published.yaml").write_text(yaml.safe_dump(CONFIG), encoding="utf-8")
    done = made.snakemake(config="published.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    return made


def test_a_kept_classifier_is_measured_as_it_is_and_seeds_differ_in_their_samples(house):
    results = house.folder / "results/published"
    curves = pd.read_parquet(results / "tables/curves.parquet")
    assert set(curves["branch"]) == {"fewshot"}
    whole = curves[(curves["study"] == "kept") & (curves["rate"] == 0)]
    about = json.loads((house.folder / FILE).with_suffix(".json").read_text())
    assert set(whole["seed"]) == {0, 1} and set(whole["accuracy"]) == {about["accuracy"]}
    assert set(whole["test_samples"]) == {about["test_samples"]}
    samples = pd.read_csv(results / "samples/kept/0-1.csv", dtype=str)
    drawn = samples.groupby("seed")[samples.columns[-2]].agg(tuple)
    assert drawn.nunique() == 2
    assert pd.read_csv(results / "models/kept/0-1.csv").empty
    assert not pd.read_csv(results / "models/begun/0-1.csv").empty
    tolerated = json.loads((results / "backbones/whole.json").read_text())["tolerated"]
    assert tolerated == ["names begin with '0/'"]


def test_the_page_knows_no_branch_that_was_left_out(house):
    page = (house.folder / "results/published/report.html").read_text(encoding="utf-8")
    assert "kept" in page and "Traceback" not in page
    verdicts = pd.read_csv(house.folder / "results/published/statistics/verdicts.csv")
    assert "retrain" not in set(verdicts.get("branch", []))


def test_an_edit_of_ones_own_architecture_reruns_its_study_and_another_file_nothing(house):
    assert house.planned("published.yaml") == {}
    other = house.folder / "mine/unused.py"
    other.write_text(ARCHITECTURE.replace("two_layers", "unused"), encoding="utf-8")
    assert house.planned("published.yaml") == {}
    mine = house.folder / "mine/two_layers.py"
    mine.write_text(ARCHITECTURE + "\n# edited\n", encoding="utf-8")
    planned = house.planned("published.yaml")
    assert planned["transfer"] == planned["units"] == planned["rank_lrp"] == planned["backbone"] == 1
    assert planned["images"] == 2 and planned["fewshot"] == 3
    mine.write_text(ARCHITECTURE, encoding="utf-8")
    assert house.planned("published.yaml") == {}


def test_classes_that_do_not_match_end_the_run_in_one_line(house):
    config = {**CONFIG, "run": "mismatched", "studies": {"kept": {**CONFIG["studies"]["kept"]}}}
    config["backbones"] = {"whole": {**CONFIG["backbones"]["whole"], "classes": ["a", "b", "c", "d", "e"]}}
    (house.folder / "mismatched.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    done = house.snakemake(config="mismatched.yaml")
    said = done.stdout + done.stderr
    assert done.returncode != 0 and "Traceback" not in said
    assert "studies.kept.head: keep: no output of the classifier is '" in said
