"""Houses to run the real DAG in."""

import shutil
from pathlib import Path

import pytest
from tests.once import made_once

from house import House


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the tiny run is complete: run once for all workers, and only ever copied."""
    return made_once(tmp_path_factory, "finished", run)


def run(folder: Path) -> None:
    done = House(folder).snakemake()
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def house(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> House:
    """A house in which the tiny run is complete."""
    folder = tmp_path_factory.mktemp("house") / "house"
    shutil.copytree(finished, folder, symlinks=True)  # with the times of files, by which Snakemake goes
    return House.at(folder)


@pytest.fixture
def own_house(finished: Path, tmp_path: Path) -> House:
    """Another one, for one test to change."""
    shutil.copytree(finished, tmp_path / "house", symlinks=True)
    return House.at(tmp_path / "house")


@pytest.fixture
def empty_house(tmp_path: Path) -> House:
    """A house in which nothing has run."""
    return House(tmp_path)
