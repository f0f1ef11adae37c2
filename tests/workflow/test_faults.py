"""A few of the faults of faults_*.py; benchmarks/faults.py does all of them (docs/robustness.md has its table)."""

import sys

import pytest

import faults
import faults_clock
import faults_processes
import faults_storage

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")]


CURVE = f"{faults.RESULTS}/curves/fewshot/{faults.CRITERION}.parquet"


def test_random_processes_of_the_run_are_killed(empty_house, house, tmp_path_factory):
    log = tmp_path_factory.mktemp("log") / "log"
    undisturbed = faults.undisturbed(house, faults.ALL_TABLES)
    faults_processes.kill_at_random(empty_house, undisturbed, number=4, seed=2, log=log)


def test_a_flipped_bit_in_the_models_and_a_truncated_score_file_are_named(house):
    """What is made again has the bytes that it had, so that all that was made of it stays."""
    models, scores = (
        "{results}/models/digits_vgg/0-1.safetensors",
        f"{{results}}/rankings/{faults.CRITERION}.safetensors",
    )
    for damaged, how, reader in [(models, "one bit flipped", scores.format(results=faults.RESULTS)),
                                 (scores, "cut short", CURVE)]:  # fmt: skip
        undisturbed = faults.undisturbed(house, damaged.format(results=faults.RESULTS), reader)
        faults_storage.damage(house, undisturbed, damaged, how, seed=1)
    assert house.planned() == {}


def test_the_disk_is_full(empty_house, house):
    if not faults_storage.can_mount(empty_house.folder / "try"):
        pytest.skip("this user may not mount a small file system")
    faults_storage.full_disk(empty_house, faults.undisturbed(house, CURVE), "results", 700)


def test_the_clock_is_set_back(house):
    faults_clock.after_a_run(house, faults.undisturbed(house, CURVE))
