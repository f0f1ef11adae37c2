"""A published run that is drawn, made once, and copies of it."""

import shutil
from pathlib import Path

import pytest
from tests.once import made_once

import published_run as drawn


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which a run lies in results/, its data in data/ and what is published of it in published/."""
    return made_once(tmp_path_factory, "drawn", make)


def make(folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        drawn.make(folder)


@pytest.fixture
def folder(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the published run, to be forged, with the data in the folder one stands in."""
    shutil.copytree(made / "data", tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(made / "published", tmp_path / "published"))
