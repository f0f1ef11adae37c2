"""A few of the faults of faults_*.py; benchmarks/faults.py does all of them (docs/robustness.md has its table)."""

import sys

import pytest

import faults
import faults_clock
import faults_processes
import faults_storage
from house import House

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")]


@pytest.fixture(scope="module")
def undisturbed(house: House) -> dict[str, str]:
    return faults.tables(house)


def test_random_processes_of_the_run_are_killed(empty_house, undisturbed, tmp_path_factory):
    log = tmp_path_factory.mktemp("log") / "log"
    faults_processes.kill_at_random(empty_house, undisturbed, number=4, seed=2, log=log)


def test_a_flipped_bit_in_the_models_and_a_truncated_score_file_are_named(house, undisturbed):
    models, scores = (
        "{results}/models/digits_vgg/0-1.safetensors",
        f"{{results}}/rankings/{faults.CRITERION}.safetensors",
    )
    faults_storage.damage(house, undisturbed, models, "one bit flipped", seed=1)
    faults_storage.damage(house, undisturbed, scores, "cut short", seed=1)


def test_the_disk_is_full(empty_house, undisturbed):
    if not faults_storage.can_mount(empty_house.folder / "try"):
        pytest.skip("this user may not mount a small file system")
    faults_storage.full_disk(empty_house, undisturbed, "results", 1500)


def test_the_clock_is_set_back(house, undisturbed):
    faults_clock.after_a_run(house, undisturbed)
