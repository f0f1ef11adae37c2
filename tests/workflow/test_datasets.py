"""The real DAG on image files: fetched from a host, a folder of one's own, and real photographs where they are."""

import copy
import hashlib
import json
import random
import shutil

import pandas as pd
import pytest
import yaml
from tests.data.hosts import pack, picture, serving

from house import House, smaller
from secateur.config import REPOSITORY

pytestmark = pytest.mark.slow
SHARED = REPOSITORY.parent / "shared" / "data"
LOCAL = ("scene15_local", "cifar10_local")


def pets(each: int) -> dict[str, bytes]:
    """Files of an undivided set of two classes."""
    return {
        f"pets/{name}/{number}.jpg": picture(100 * place + number)
        for place, name in enumerate(("cat", "dog"))
        for number in range(each)
    } | {"notes.txt": random.Random(0).randbytes(400_000)}


def run_on(house: House, name: str, entry: dict) -> str:
    """The tiny run with its study on a dataset of one's own; name of the config."""
    studies = {"own": {"dataset": name, "backbone": "vgg_small"}}
    config = smaller(datasets={name: entry}, criteria=["weight", "lrp"], studies=studies)
    (house.folder / "own.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return "own.yaml"


def test_a_fetched_dataset_runs_to_the_report_and_only_what_depends_on_its_entry_runs_again(empty_house, tmp_path):
    archive = pack(tmp_path / "pets.tar.gz", pets(10) | {"pets/cat/broken.jpg": b"broken"}).read_bytes()
    file = {"name": "pets.tar.gz", "sha256": hashlib.sha256(archive).hexdigest()}
    with serving({"pets.tar.gz": archive}, ["break"]) as (address, server):
        entry = {"kind": "imagefolder", "files": [file | {"url": f"{address}/pets.tar.gz"}], "citation": "Pets of 2026"}
        done = empty_house.snakemake(config=run_on(empty_house, "pets", entry))
        assert done.returncode != 0 and "1 images cannot be read" in done.stdout + done.stderr
        assert "broken.jpg" in done.stdout + done.stderr and "Traceback" not in done.stdout + done.stderr
        entry["skip_unreadable"] = True
        config = run_on(empty_house, "pets", entry)
        assert "fetch" not in empty_house.planned(config)
        done = empty_house.snakemake(config=config)
        assert done.returncode == 0, done.stdout + done.stderr
    assert len(server.seen) == 2 and server.seen[1].startswith("bytes=")
    results = empty_house.folder / "results" / "tiny"
    page = (results / "report.html").read_text(encoding="utf-8")
    assert "1 unreadable ones left out (Pets of 2026; licence: not stated)" in page
    curves = pd.read_parquet(results / "tables" / "curves.parquet")
    assert set(curves["dataset"]) == {"pets"} and set(curves["test_samples"]) == {4}
    assert "Nothing to be done" in "".join(_said(empty_house.snakemake(config=config)))
    # Another source of the same bytes changes nothing for the images; another split does.
    assert empty_house.planned(run_on(empty_house, "pets", entry | {"test_share": 0.5}))["images"] == 1


def test_a_folder_of_ones_own_is_one_entry(empty_house, tmp_path):
    for name, content in pets(6).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    config = run_on(empty_house, "mine", {"kind": "imagefolder", "path": str(tmp_path / "pets")})
    target = "data/prepared/mine/vgg_small-16px-grey"
    done = empty_house.run("snakemake", "--cores", "2", target, "--configfile", config)
    assert done.returncode == 0, done.stdout + done.stderr
    facts = json.loads((empty_house.folder / target / "dataset.json").read_text(encoding="utf-8"))
    assert facts["class_sizes"] == {"train": [5, 5], "test": [1, 1]} and facts["transform"]["colour"] == "grey"


@pytest.mark.skipif(not SHARED.is_dir(), reason="the archives of real photographs are not part of the project")
@pytest.mark.parametrize("name", LOCAL)
def test_a_cut_of_the_runs_on_real_photographs(empty_house, name, monkeypatch):
    """A few images of each class from the mirror, once through the network, two seeds: every stage on real JPEGs."""
    config = yaml.safe_load((empty_house.folder / "config" / f"{name}.yaml").read_text(encoding="utf-8"))
    whole = copy.deepcopy(config)
    config |= {"seeds": 2, "seeds_per_job": 2, "device": "cpu", "criteria": ["weight", "lrp"]}
    for entry in config["datasets"].values():
        entry |= {"train_per_class": 12, "test_per_class": 6}
    config["training"] = {"pretrain": {"epochs": 1}, "transfer": {"epochs": 1}}
    config["fewshot"] = {"samples_per_class": [2], "rates": [0.3]}
    config["retrain"] = {"samples_per_class": [2], "rates": [0.3], "finetune": {"epochs": 1}}
    config["cost"] = {"samples": 4, "repeats": 2}
    (empty_house.folder / "cut.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    monkeypatch.setenv("SECATEUR_MIRROR", str(SHARED))
    done = empty_house.snakemake(config="cut.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    curves = pd.read_parquet(empty_house.folder / "results" / name / "tables" / "curves.parquet")
    classes = 15 if name == "scene15_local" else 10
    assert set(curves["test_samples"]) == {6 * classes} and set(curves["branch"]) == {"fewshot", "retrain"}
    assert set(whole["studies"]) == set(curves["study"])
    shutil.rmtree(empty_house.folder)


def _said(done) -> tuple[str, str]:
    return done.stdout, done.stderr
