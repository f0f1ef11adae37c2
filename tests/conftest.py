"""What tests of hostile input stand in, and which files begin first."""

import gc
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FIRST = ("workflow", "rehearsal", "library", "own")
"""Folders whose files take minutes: begun last, one of them would keep one process busy while the others wait."""
WHOLE_RUNS = {"run", "hostile", "house", "own_house", "empty_house", "warm"}
"""Fixtures that make all of a run, its statistics or its pictures, copy the repository, or start the warm process."""


@pytest.hookimpl(wrapper=True)
def pytest_collection(session):
    """Import everything without looking for garbage among the million objects that then stay: a fifth of the time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Tests of whole runs are slow; what takes long begins first."""
    for item in items:
        if WHOLE_RUNS & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: not any(HERE / folder in item.path.parents for folder in FIRST))


@pytest.fixture
def inside(tmp_path, monkeypatch):
    """A folder to stand in; nothing may appear beside it."""
    folder = tmp_path / "inside"
    folder.mkdir()
    monkeypatch.chdir(folder)
    yield folder
    assert [path.name for path in tmp_path.iterdir()] == ["inside"], "something was written outside"
    assert not any("evil" in path.name for path in folder.rglob("*"))
