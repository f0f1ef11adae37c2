"""Houses to run the real DAG in."""

from pathlib import Path

import pytest

from house import House


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """A house in which the tiny run is complete."""
    made = House(tmp_path_factory.mktemp("house"))
    done = made.snakemake()
    assert done.returncode == 0, done.stdout + done.stderr
    return made


@pytest.fixture
def empty_house(tmp_path: Path) -> House:
    """A house in which nothing has run."""
    return House(tmp_path)
