"""A config is right, or one error names the key, the value and what is allowed."""

import copy
import datetime
import functools
import math
from pathlib import Path

import pytest
import yaml

from secateur import config as configuration
from secateur.config_datasets import datasets
from secateur.errors import SecateurError

DEMO = yaml.safe_load((configuration.REPOSITORY / "config" / "demo.yaml").read_text(encoding="utf-8"))


def changed(path: str, value: object) -> dict:
    config = copy.deepcopy(DEMO)
    *folders, last = path.split(".")
    place = config
    for folder in folders:
        place = place[folder]
    place[last] = value
    return config


def test_demo_is_valid_and_gets_every_default():
    resolved = configuration.resolve(DEMO)
    assert resolved["batch_size"] == 128
    assert resolved["training"]["pretrain"]["weight_decay"] == 0.01
    assert resolved["criteria"][0] == {
        "name": "weight",
        "criterion": "weight",
        "options": {},
        "ranking": "every-round",
    }


def test_resolving_twice_changes_nothing():
    once = configuration.resolve(DEMO)
    assert configuration.resolve(once) == once


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("critera", ["weight"], ["unknown key 'critera'", "criteria"]),
        ("criteria", ["lpr"], ["unknown criterion 'lpr'", "lrp", "weight"]),
        ("criteria", ["lrp", "lrp"], ["'lrp' is there twice"]),
        ("criteria", [{"name": "a", "criterion": "lrp", "normalisation": "l3"}], ["criteria.0", "'l3'", "l2"]),
        ("studies.digits_vgg.dataset", "digit", ["studies.digits_vgg.dataset", "'digit'", "digits_target"]),
        ("studies.digits_vgg.dataset", "moons", ["studies.digits_vgg.dataset", "'moons'", "digits_target"]),
        ("studies.digits_vgg.backbone", "vgg", ["studies.digits_vgg.backbone", "'vgg'", "vgg_small"]),
        (
            "backbones.vgg_small.architecture",
            "resnet81",
            ["backbones.vgg_small.architecture", "'resnet81'", "resnet18"],
        ),
        ("backbones.vgg_small.weights.pretrain", "x", ["backbones.vgg_small.weights.pretrain", "'x'", "digits_source"]),
        ("fewshot.rates", [1.2], ["fewshot.rates.0", "1.2", "less than 1"]),
        ("fewshot.rates", [0], ["fewshot.rates.0", "0", "greater than 0"]),
        ("retrain.rates", [0.5, 0.2], ["retrain.rates", "0.2 stands after 0.5"]),
        ("fewshot.remedies", ["magic"], ["fewshot.remedies", "'magic'", "least_squares"]),
        ("studies.digits_vgg.remedies", ["magic"], ["studies.digits_vgg.remedies", "'magic'", "least_squares"]),
        ("fewshot.repaired_samples_per_class", [7], ["fewshot.repaired_samples_per_class", "7", "1, 20"]),
        ("fewshot.rates", [0.2, 0.2], ["fewshot.rates", "[0.2, 0.2]", "non-unique"]),
        ("fewshot.grid.filter_rates", [0, 1], ["fewshot.grid.filter_rates.1", "1", "less than 1"]),
        ("fewshot.grid.neuron_rates", [0.5, 0.2], ["fewshot.grid.neuron_rates", "0.2 stands after 0.5"]),
        ("fewshot.grid.samples_per_class", 7, ["fewshot.grid.samples_per_class", "7", "1, 20"]),
        (
            "fewshot.grid",
            {"filter_rates": [0], "neuron_rates": [0]},
            ["fewshot.grid", "'samples_per_class' is missing"],
        ),
        (
            "fewshot.grid",
            {"head_rates": [0, 0.5], "samples_per_class": 20},
            ["fewshot.grid: it has head_rates", "filter_rates, head_rates and neuron_rates"],
        ),
        ("fewshot.grid.rates", [0.5], ["fewshot.grid", "unknown key 'rates'", "filter_rates"]),
        ("fewshot.samples_per_class", [-1], ["fewshot.samples_per_class.0", "-1", "smallest allowed is 1"]),
        ("fewshot.samples_per_class", [500], ["fewshot.samples_per_class", "500", "1 to 87", "digits_target"]),
        ("retrain.samples_per_class", [88], ["retrain.samples_per_class", "88", "87"]),
        ("fewshot.samples_per_class", ["some"], ["fewshot.samples_per_class.0", "'some'", "'all'"]),
        ("seeds", 0, ["seeds", "0", "smallest allowed is 1"]),
        ("device", "tpu", ["device", "'tpu'", "cuda"]),
        ("run", "../elsewhere", ["run", "'../elsewhere'"]),
        ("training.pretrain.epochs", "many", ["training.pretrain.epochs", "'many'", "integer"]),
        ("studies.digits_vgg", {"dataset": "digits_target"}, ["studies.digits_vgg", "'backbone' is missing"]),
        ("toy.criteria", ["lrp", "mine"], ["toy.criteria", "'mine'", "weight"]),
        ("toy.repetition", 3, ["toy", "unknown key 'repetition'", "repetitions"]),
        ("criteria_path", ["no/such/folder"], ["criteria_path", "no/such/folder"]),
        ("criteria_path", ["a" * 5000], ["config: aaa", "File name too long"]),
        ("criteria_path", ["a\0b"], ["criteria_path.0", "NUL"]),
        ("criteria_path", ["\ud800"], ["criteria_path.0", "not Unicode text"]),
        ("seeds", 2.0, ["seeds", "2.0 is not a whole number", "write 2."]),
        ("seeds_per_job", 2.0, ["seeds_per_job", "2.0 is not a whole number"]),
        ("seeds", True, ["seeds", "True", "integer"]),
        ("seeds", 10**6, ["seeds", "1000000 is too large", "10000"]),
        ("run_seed", 10**30, ["run_seed", "100 bits", "63"]),
        ("fewshot.samples_per_class", [2.0], ["fewshot.samples_per_class.0", "2.0", "whole number"]),
        ("fewshot.rates", [math.nan], ["fewshot.rates.0", "nan", "finite"]),
        ("training.transfer.learning_rate", math.nan, ["training.transfer.learning_rate", "nan", "finite"]),
        ("training.transfer.learning_rate", math.inf, ["training.transfer.learning_rate", "inf", "finite"]),
        ("criteria", [{"name": "a", "criterion": "lrp", "options": {1: 2}}], ["criteria.0.options", "1", "quotes"]),
        ("criteria", [{"name": "a", "criterion": "lrp_epsilon", "options": {"rule": 1}}], ["criteria.a", "'rule'"]),
        (
            "criteria",
            [{"name": "a", "criterion": "lrp", "tune": {"options": {"rules.first": ["zplus"]}}}],
            ["criteria.a", "unknown option 'rules'", "rule (default 'zplus')"],
        ),
        ("studies", {3: {"dataset": "digits_target", "backbone": "vgg_small"}}, ["studies: the key 3", "quotes"]),
        ("studies", {}, ["studies", "at least one entry", "config/minimal.yaml"]),
        ("backbones.vgg_small.arguments", {"a": datetime.date(2026, 1, 1)}, ["vgg_small.arguments.a", "type date"]),
        ("backbones.vgg_small.arguments", {"a": {1, 2}}, ["vgg_small.arguments.a", "type set"]),
        ("backbones.vgg_small.arguments", functools.reduce(lambda inner, _: {"a": inner}, range(60), {}), ["too deep"]),
        ("backbones.vgg_small.size", 100_000, ["backbones.vgg_small.size", "100000 is too large", "4096"]),
        ("datasets", {"mine": {"kind": "imagefolder", "path": "~nouser/x"}}, ["datasets.mine.path", "~nouser/x"]),
    ],
)
def test_a_mistake_is_one_error_that_names_key_value_and_what_is_allowed(path, value, words):
    with pytest.raises(SecateurError) as caught:
        configuration.resolve(changed(path, value))
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


@pytest.mark.parametrize("key", ["run", "criteria", "backbones", "studies"])
def test_without_a_key_that_every_run_needs_the_error_names_them_all_and_an_example(key):
    config = copy.deepcopy(DEMO)
    del config[key]
    with pytest.raises(SecateurError) as caught:
        configuration.resolve(config)
    assert f"'{key}' is missing; needed are run, criteria, backbones, studies" in str(caught.value)
    assert "config/minimal.yaml" in str(caught.value)


def test_the_smallest_config_has_the_needed_keys_and_no_other():
    smallest = yaml.safe_load((configuration.REPOSITORY / "config/minimal.yaml").read_text(encoding="utf-8"))
    rules = yaml.safe_load(configuration.SCHEMA.read_text(encoding="utf-8"))
    assert list(smallest) == rules["required"]
    assert configuration.resolve(smallest)["seeds"] == rules["properties"]["seeds"]["default"]


def test_all_needs_no_draw_and_is_allowed():
    assert configuration.resolve(changed("retrain.samples_per_class", ["all"]))


def test_an_option_can_be_given_under_a_name_of_its_own():
    config = changed("criteria", ["lrp", {"name": "lrp_l2", "criterion": "lrp", "normalisation": "l2"}])
    config["toy"]["criteria"] = ["lrp_l2"]
    resolved = configuration.resolve(config)
    assert resolved["criteria"][1]["criterion"] == "lrp"
    assert configuration.toy_criteria(resolved) == resolved["criteria"][1:]


@pytest.mark.parametrize(
    ("seeds", "step", "names"), [(8, 8, ["0-7"]), (5, 2, ["0-1", "2-3", "4-4"]), (2, 1, ["0-0", "1-1"])]
)
def test_parts_cover_every_seed_once(seeds, step, names):
    parts = configuration.parts({"seeds": seeds, "seeds_per_job": step})
    assert list(parts) == names
    assert [seed for block in parts.values() for seed in block] == list(range(seeds))


def test_a_broken_file_is_one_error(tmp_path: Path):
    broken = tmp_path / "run.yaml"
    broken.write_text("run: [", encoding="utf-8")
    with pytest.raises(SecateurError, match="not valid YAML"):
        configuration.read(broken)
    with pytest.raises(SecateurError, match="cannot be read"):
        configuration.read(tmp_path / "missing.yaml")


def test_a_dataset_of_ones_own_is_one_entry_and_its_colour_is_its_backbones(tmp_path):
    config = changed("datasets", {"mine": {"kind": "imagefolder", "path": str(tmp_path)}})
    config["studies"]["digits_vgg"]["dataset"] = "mine"
    resolved = configuration.resolve(config)
    assert datasets(resolved)["mine"]["path"] == str(tmp_path)
    assert {backbone["colour"] for backbone in resolved["backbones"].values()} == {"grey"}  # as the digits are
    config["backbones"]["vgg_small"]["weights"]["pretrain"] = "mine"
    assert configuration.resolve(config)["backbones"]["vgg_small"]["colour"] == "rgb"
    config["backbones"]["vgg_small"]["colour"] = "grey"
    assert configuration.resolve(config)["backbones"]["vgg_small"]["colour"] == "grey"


def test_an_entry_of_the_catalogue_can_be_changed_in_the_config():
    resolved = configuration.resolve(changed("datasets", {"cats_and_dogs": {"skip_unreadable": False}}))
    entry = datasets(resolved)["cats_and_dogs"]
    assert entry["skip_unreadable"] is False and entry["kind"] == "imagefolder"


def test_every_entry_of_the_catalogue_is_as_the_schema_says():
    from jsonschema import Draft202012Validator

    schema = yaml.safe_load(configuration.SCHEMA.read_text(encoding="utf-8"))
    for name, entry in datasets().items():
        assert not list(Draft202012Validator(schema["$defs"]["dataset"]).iter_errors(entry)), name


@pytest.mark.parametrize(
    ("name", "entry", "words"),
    [
        ("mine", {"kind": "imagefolder"}, "datasets.mine: give either path .* or files"),
        ("mine", {"kind": "imagefolder", "path": "/nowhere/x"}, "datasets.mine.path: there is no .* /nowhere/x"),
        ("mine", {"kind": "folder", "path": "."}, "datasets.mine.*unknown kind 'folder'; known are"),
        ("mine", {"path": "."}, "datasets.mine.*unknown kind None"),
        ("prepared", {"kind": "imagefolder", "path": "."}, "datasets.prepared: this name is taken"),
        ("mine", {"kind": "imagefolder", "files": [{"name": "../a.tar"}]}, "is not a name"),
        ("mine", {"kind": "imagefolder", "files": [{"name": "a.tar", "sha265": "0"}]}, "unknown key 'sha265'.*sha256"),
        ("cifar10", {"train_per_class": 9}, "train_per_class is for kind imagefolder"),
    ],
)
def test_a_wrong_dataset_is_one_error(name, entry, words):
    with pytest.raises(SecateurError, match=words):
        configuration.resolve(changed("datasets", {name: entry}))


def test_every_shipped_dataset_is_what_the_schema_allows():
    for name, entry in datasets().items():
        configuration.check_entry(name, entry)


@pytest.mark.parametrize(
    "entry", [0, None, [], "x", [["kind", "digits"]], {"kind": 1}, {"kind": "digits", "files": []}]
)
def test_an_entry_that_is_none_is_one_error(entry):
    with pytest.raises(SecateurError, match=r"datasets\.mine"):
        configuration.check_entry("mine", entry)
