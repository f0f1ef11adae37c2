"""What the page says of retraining is what the config says."""

import copy

import pytest
import yaml

from secateur import config as configuration
from secateur.report import protocol

TINY = yaml.safe_load((configuration.REPOSITORY / "tests/workflow/tiny.yaml").read_text(encoding="utf-8"))


def said(**retrain) -> tuple[str, list[str]]:
    given = copy.deepcopy(TINY)
    given["retrain"] |= retrain
    config = configuration.resolve(given)
    return protocol.retraining(config), protocol.differences(config)


def test_the_recipe_the_statistics_and_the_control_are_said():
    text, differences = said()
    assert "trained for 1 epoch (adamw, learning rate 0.001, cosine schedule" in text and "batches of 64)" in text
    assert "estimated anew from the same images" in text and "trained in the same way, as a control" in text
    assert "here 2 rounds with 1 epoch each" in differences[0] and "estimated anew" in differences[1]


def test_the_old_way_and_no_control_are_said():
    text, differences = said(batch_norm="running", controls={"unpruned": False}, finetune={"epochs": 3})
    assert "3 epochs" in text and "stay what this training leaves" in text and "control" not in text
    assert "random weights" not in text and "random weights" in said(controls={"scratch": True})[0]
    assert len(differences) == 1, "that is how the paper may have done it"


def test_entries_that_keep_the_old_way_are_named():
    given = copy.deepcopy(TINY)
    given["criteria"].append({"name": "lrp_running", "criterion": "lrp", "batch_norm": "running"})
    config = configuration.resolve(given)
    assert "Not so for lrp_running" in protocol.retraining(config)
    assert "(lrp_running show what that does)" in protocol.differences(config)[1]


@pytest.mark.parametrize("config", [{}, {"run": "old"}, {"retrain": {}}, {"retrain": {"rates": [0.5]}}])
def test_a_config_that_does_not_say_gives_no_sentence(config):
    assert protocol.retraining(config) == "" and protocol.differences(config) == []


def test_how_the_networks_were_made_is_said_with_the_images_that_they_had():
    config = configuration.resolve(copy.deepcopy(TINY))
    recipe = next(iter(config["studies"].values()))["transfer"]
    text = protocol.transfer(config, [{"dataset": "five", "training_images": 1234, "test_images": 56}])
    assert f"trained for {recipe['epochs']} epoch" in text and f"batches of {recipe['batch_size']}" in text
    assert f"{100 * config['training']['validation']:g} % of each class are held out" in text
    assert "five has 1,234 training and 56 test images." in text
    assert protocol.transfer({}, []) == ""
