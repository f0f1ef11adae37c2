"""What tests of hostile input stand in, and which files begin first."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent
FIRST = ("workflow", "rehearsal", "library", "own")
"""Folders whose files take minutes: begun last, one of them would keep one process busy while the others wait."""


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.relative_to(HERE).parts[0] not in FIRST)


@pytest.fixture
def inside(tmp_path, monkeypatch):
    """A folder to stand in; nothing may appear beside it."""
    folder = tmp_path / "inside"
    folder.mkdir()
    monkeypatch.chdir(folder)
    yield folder
    assert [path.name for path in tmp_path.iterdir()] == ["inside"], "something was written outside"
    assert not any("evil" in path.name for path in folder.rglob("*"))
