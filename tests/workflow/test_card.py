"""The real DAG on a card, that of the rehearsal or the one SECATEUR_TEST_DEVICE names, beside the DAG on the CPU."""

import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import faults
from house import TINY, House
from secateur import tensorfile
from secateur.config import REPOSITORY

pytestmark = pytest.mark.slow
NAMED = os.environ.get("SECATEUR_TEST_DEVICE", "rehearsal")
REHEARSED = NAMED == "rehearsal"
INSTALL = "\n\nimport rehearsal_card\n\nrehearsal_card.install(KINDS)\n"
"""At the end of a copy's models/devices.py: `auto` is then the card."""
CONFIG = "card.yaml"
CRITERIA = ("weight", "lrp", "random")
ROUNDED = 0.1
"""By how much mean accuracies may differ on a real card, whose sums round otherwise, also in what is trained."""


@pytest.fixture(scope="module")
def on_card(tmp_path_factory: pytest.TempPathFactory) -> House:
    """A house in which the tiny run is complete, every job on the card."""
    made = House(tmp_path_factory.mktemp("card"))
    if REHEARSED:
        with (made.folder / "src/secateur/models/devices.py").open("a", encoding="utf-8") as opened:
            opened.write(INSTALL)
        made.packages = (REPOSITORY / "tests/rehearsal",)
    text = (made.folder / TINY).read_text(encoding="utf-8")
    chosen = "auto" if REHEARSED else NAMED.partition(":")[0]
    (made.folder / CONFIG).write_text(text.replace("device: cpu", f"device: {chosen}"), encoding="utf-8")
    pictures, redraws = "gallery/digits_vgg.npz", [f"redraws/digits_vgg/{name}.safetensors" for name in CRITERIA]
    targets = [f"{faults.RESULTS}/{name}" for name in (pictures, *redraws)]  # the page has no use for a card
    done = made.snakemake("--", faults.ALL_TABLES, *targets, config=CONFIG)
    assert done.returncode == 0, done.stdout + done.stderr
    return made


def test_every_job_ran_on_the_card(house, on_card):
    for name in ("cost", "latency"):
        here, there = (
            pd.read_parquet(each.folder / faults.RESULTS / f"tables/{name}.parquet") for each in (house, on_card)
        )
        assert len(there) == len(here) and not set(there["device"]) & set(here["device"])


def test_tables_are_those_of_the_cpu(house, on_card):
    if REHEARSED:
        assert faults.tables(on_card) == faults.tables(house)
    for name in faults.TABLES:
        here, there = (
            pd.read_parquet(each.folder / faults.RESULTS / f"tables/{name}.parquet") for each in (house, on_card)
        )
        assert list(here) == list(there) and len(here) == len(there)
        if "accuracy" in here:
            assert abs(here["accuracy"].mean() - there["accuracy"].mean()) <= ROUNDED


@pytest.mark.parametrize("kind", ["models", "rankings", "redraws", "backbones"])
def test_weights_and_scores_are_those_of_the_cpu(house, on_card, kind):
    place = house.folder / faults.RESULTS / kind
    files = sorted(place.rglob("*.safetensors"))
    assert files
    for path in files:
        here, _ = tensorfile.read(path, "file", framework="np")
        there, _ = tensorfile.read(on_card.folder / path.relative_to(house.folder), "file", framework="np")
        assert here.keys() == there.keys() and here
        for name, values in here.items():
            assert values.shape == there[name].shape
            if REHEARSED:
                assert np.array_equal(values, there[name])


def test_pictures_are_those_of_the_cpu(house, on_card):
    for path in sorted((house.folder / faults.RESULTS / "gallery").glob("*.npz")):
        here, there = np.load(path), np.load(on_card.folder / path.relative_to(house.folder))
        assert set(here) == set(there)
        assert not REHEARSED or all(np.array_equal(here[name], there[name]) for name in here)


def test_a_stage_that_leaves_a_tensor_on_the_cpu_fails(on_card):
    """The negative control of the tests above; last, as it spoils the run."""
    path = on_card.folder / "src/secateur/models/evaluation.py"
    text = path.read_text(encoding="utf-8")
    right = "network(memory_format.laid_out(batch, form))"
    assert right in text
    path.write_text(text.replace(right, "network(memory_format.laid_out(batch, form).cpu())"), encoding="utf-8")
    output = Path(faults.RESULTS, "backbones/vgg_small.safetensors")
    shutil.rmtree(on_card.folder / faults.RESULTS / "state")
    done = on_card.snakemake("--", str(output), config=CONFIG)
    path.write_text(text, encoding="utf-8")
    assert done.returncode != 0 and "same device" in done.stdout + done.stderr
