"""A few of the faults of faults.py; benchmarks/faults.py does all of them (docs/robustness.md has its table)."""

import sys

import pytest

import faults
from house import House

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")]


@pytest.fixture(scope="module")
def undisturbed(house: House) -> dict[str, str]:
    return faults.tables(house)


def test_random_processes_of_the_run_are_killed(empty_house, undisturbed, tmp_path_factory):
    log = tmp_path_factory.mktemp("log") / "log"
    faults.kill_at_random(empty_house, undisturbed, number=4, seed=2, log=log)


def test_a_flipped_bit_in_the_models_and_a_truncated_score_file_are_named(house, undisturbed):
    models, scores = (
        "{results}/models/digits_vgg/0-1.safetensors",
        f"{{results}}/rankings/{faults.CRITERION}.safetensors",
    )
    faults.damage(house, undisturbed, models, "one bit flipped", seed=1)
    faults.damage(house, undisturbed, scores, "cut short", seed=1)


def test_the_disk_is_full(empty_house, undisturbed):
    if not faults.can_mount(empty_house.folder / "try"):
        pytest.skip("this user may not mount a small file system")
    faults.full_disk(empty_house, undisturbed, "results", 1500)
