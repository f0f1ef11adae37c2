"""What a run measured again takes from where: made once, datasets from where the config says, options where tuned."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from secateur.branches import again
from secateur.branches.again import Again


@pytest.fixture
def made(monkeypatch):
    """What `store.make` was asked for: dataset → the files it was given."""
    asked: dict[str, list[Path]] = {}

    def make(dataset, entry, path, pins, files):
        asked[dataset] = files
        path.mkdir()

    monkeypatch.setattr(again.store, "make", make)
    monkeypatch.setattr(again.fetching, "fetch", lambda dataset, entry, path, mirror: path.mkdir())
    return asked


def test_a_dataset_is_made_of_the_path_or_the_archives_that_its_entry_names(made, tmp_path, monkeypatch):
    entries = {"mine": {"path": "photos"}, "embedded": {}, "fetched": {"files": [{"name": "one.zip"}, {"name": "two"}]}}
    monkeypatch.setattr(again, "datasets", lambda config: entries)
    run = Again({}, tmp_path)
    for name in entries:
        assert run._made(name) == tmp_path / "data" / name
    archives = tmp_path / "data" / "archives" / "fetched"
    assert made == {"mine": [Path("photos")], "embedded": [], "fetched": [archives / "one.zip", archives / "two"]}


def test_what_is_there_is_not_made_again(tmp_path):
    run, calls = Again({}, tmp_path / "not" / "there" / "yet"), []

    def make(path):
        calls.append(path)
        path.write_text("made")

    for _ in range(2):
        assert run._once("a/b/c.txt", make).read_text() == "made"
    run._once("a/b/d.txt", make)
    assert [path.name for path in calls] == ["c.txt", "d.txt"]


@pytest.mark.parametrize("tuned", [True, False])
def test_options_are_tuned_for_the_criteria_that_ask_for_it(tuned, tmp_path, monkeypatch):
    monkeypatch.setattr(Again, "study", lambda run, name, seeds: SimpleNamespace(name=name))
    monkeypatch.setattr(again.ranking, "entry_of", lambda study, criterion: {"tune": {}} if tuned else {})
    monkeypatch.setattr(again.tuning, "tune", lambda study, criterion, seeds, samples, path: path.write_text("best"))
    found = Again({}, tmp_path)._tuned("study", "lrp", [0, 1])
    assert found == (tmp_path / "tuning/study/lrp/0-1.parquet" if tuned else None)
    assert found is None or found.read_text() == "best"
