"""The paper's grid is planned whole: every job of its DAG, without data, network or card."""

import re

import pytest

from secateur.config import read

CONFIG = "config/paper.yaml"


def test_the_grid_is_the_papers():
    config = read(CONFIG)
    studies = config["studies"].values()
    assert {study["dataset"] for study in studies} == {
        "scene15", "event8", "cats_and_dogs", "flowers102", "cifar10", "ilsvrc2012"
    }  # fmt: skip
    networks = {config["backbones"][study["backbone"]]["architecture"].split(".")[0] for study in studies}
    assert networks == {"alexnet", "vgg16", "resnet18", "resnet50"}
    assert len({(study["dataset"], study["backbone"]) for study in studies}) == len(studies) == 24
    assert (config["seeds"], len(config["criteria"])) == (10, 8)


@pytest.mark.slow
def test_its_dag_has_every_job_and_asks_for_cards(empty_house):
    planned = empty_house.planned(CONFIG)
    whole = 24 * 8 * 10
    assert sum(count for rule, count in planned.items() if rule.startswith("rank_")) == whole
    assert planned["fewshot"] == planned["retrain"] == whole
    assert planned["transfer"] == 24 * 10 and planned["redraw"] == 24 * 8
    assert planned["units"] == planned["cost"] == planned["latency"] == planned["gallery"] == 24
    assert (planned["fetch"], planned["dataset"], planned["images"], planned["backbone"]) == (6, 6, 24, 4)
    target = "results/paper/models/ilsvrc2012_vgg16/0-0.safetensors"
    done = empty_house.run("snakemake", "--dry-run", target, "--configfile", CONFIG)
    told = done.stdout + done.stderr
    transfer = told[told.index("rule transfer:") :]
    assert "gpu=1" in transfer
    assert int(re.search(r"runtime=(\d+)", transfer)[1]) > 60  # a million images, once a seed
