"""Weights that were touched or copied, with the bytes that they had, rerun nothing, however large they are."""

import os
import shutil

import pytest
import yaml
from safetensors.torch import load_file, save_file

from house import TINY, House

pytestmark = pytest.mark.slow
SNAKEMAKES_OWN_LIMIT = 1_000_000
RESULTS = "results/large"
TARGET = f"{RESULTS}/unpruned/digits_vgg/0-3.parquet"
MODELS = f"{RESULTS}/models/digits_vgg/0-3.safetensors"


@pytest.fixture(scope="module")
def large(house: House) -> House:
    """A house in which a run has measured models that are made from a file of weights, both larger than 1 MB."""
    weights = load_file(house.folder / "results/tiny/backbones/vgg_small.safetensors")
    weights = {name.removeprefix("0/"): tensor for name, tensor in weights.items()}
    save_file(weights, house.folder / "weights.safetensors", {"about": "a" * SNAKEMAKES_OWN_LIMIT})
    config = yaml.safe_load((house.folder / TINY).read_text(encoding="utf-8"))
    config |= {"run": "large", "seeds": 4, "seeds_per_job": 4}
    config["backbones"]["vgg_small"] |= {"weights": {"file": "weights.safetensors"}, "colour": "grey"}
    (house.folder / "large.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    done = house.snakemake(TARGET, config="large.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    return house


def planned(house: House, *options: str) -> str:
    done = house.snakemake(TARGET, "--dry-run", *options, config="large.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize(("name", "rule"), [("weights.safetensors", "backbone"), (MODELS, "unpruned")])
@pytest.mark.parametrize("copied", [False, True], ids=["touched", "copied"])
def test_they_rerun_nothing(large: House, name: str, rule: str, copied: bool) -> None:
    path = large.folder / name
    assert path.stat().st_size > SNAKEMAKES_OWN_LIMIT
    if copied:
        shutil.move(path, large.folder / "moved")
        shutil.copyfile(large.folder / "moved", path)
    os.utime(path)
    assert path.stat().st_mtime > (large.folder / TARGET).stat().st_mtime
    assert "Nothing to be done" in planned(large)
    assert f"rule {rule}:" in planned(large, "--max-checksum-file-size", str(SNAKEMAKES_OWN_LIMIT))


def test_other_bytes_rerun_what_depends_on_them(large: House) -> None:
    path = large.folder / "weights.safetensors"
    save_file(load_file(path), path, {"about": "b" * SNAKEMAKES_OWN_LIMIT})
    said = planned(large)
    assert "rule backbone:" in said and "rule transfer:" in said and "rule unpruned:" in said
