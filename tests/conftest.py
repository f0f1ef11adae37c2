"""What tests of hostile input stand in."""

import pytest


@pytest.fixture
def inside(tmp_path, monkeypatch):
    """A folder to stand in; nothing may appear beside it."""
    folder = tmp_path / "inside"
    folder.mkdir()
    monkeypatch.chdir(folder)
    yield folder
    assert [path.name for path in tmp_path.iterdir()] == ["inside"], "something was written outside"
    assert not any("evil" in path.name for path in folder.rglob("*"))
