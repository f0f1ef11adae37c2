"""The whole DAG with data and results in a storage plugin's place instead of this folder, as in a bucket.

The plugin is Snakemake's for a mounted folder: what it does not need is a network, and what it shows holds for the one
for S3. `make storage-test` installs it with rsync, which it copies by; skipped where they are not.
"""

import shutil

import pytest

import faults
from house import House
from secateur.config import REPOSITORY

PLUGINS = REPOSITORY / ".venv" / "cluster"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (PLUGINS / "snakemake_storage_plugin_fs").exists(),
        reason="no storage plugin in .venv/cluster: make storage-test installs it",
    ),
    pytest.mark.skipif(shutil.which("rsync") is None, reason="no rsync, which Snakemake's plugin copies by"),
]


def test_data_and_results_in_a_storage_are_the_same(house, empty_house, tmp_path_factory):
    place = tmp_path_factory.mktemp("place")
    empty_house.packages = (PLUGINS,)
    storage = ("--default-storage-provider", "fs", "--default-storage-prefix", str(place))
    done = empty_house.snakemake(*storage)
    assert done.returncode == 0, done.stdout + done.stderr
    assert faults.tables(House.at(place)) == faults.tables(house)
    assert (place / faults.RESULTS / "report.html").exists() and (place / "data/digits_target").is_dir()
    here = [path.name for path in (empty_house.folder / "results/tiny").iterdir()]
    assert sorted(here) == ["code.json", "config.json", "state", "usage", "workflow.json"], "made here, not there"
    again = empty_house.snakemake(*storage)
    assert "Nothing to be done" in again.stdout + again.stderr


def test_a_machine_that_shares_no_folder_does_a_job(house, empty_house, tmp_path_factory):
    """As an executor's plugin starts it there: the repository and the storage are all that it has."""
    place = tmp_path_factory.mktemp("place")
    for folder in ("data", "results"):
        shutil.copytree(house.folder / folder, place / folder)
    ranking = place / faults.RESULTS / "rankings" / f"{faults.CRITERION}.safetensors"
    expected = ranking.read_bytes()
    ranking.unlink()
    empty_house.packages = (PLUGINS,)
    done = empty_house.snakemake(
        *("--mode", "remote", "--target-jobs", "rank_lrp:study=digits_vgg,part=0-1", "--allowed-rules", "rank_lrp"),
        *("--default-storage-provider", "fs", "--default-storage-prefix", str(place), "--shared-fs-usage", "none"),
        "--force",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert ranking.read_bytes() == expected
