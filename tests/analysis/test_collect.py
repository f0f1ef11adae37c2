"""The tables of a run are its measurements end to end, and one that is missing is named before anything is written."""

from pathlib import Path

import pandas as pd
import pytest

from secateur import tablefile
from secateur.analysis import collect as module
from secateur.analysis.collect import collect
from secateur.errors import SecateurError


@pytest.fixture
def results(tmp_path, monkeypatch):
    """Two curves and a cost that the config asks for; nothing of latency."""
    files = {"curves": [Path("a.parquet"), Path("b.parquet")], "cost": [Path("c.parquet")], "latency": []}
    monkeypatch.setattr(module, "measurements", lambda config: files)
    for number, name in enumerate("abc"):
        tablefile.write(tmp_path / f"{name}.parquet", pd.DataFrame({"value": [number, number + 0.5]}))
    return tmp_path


def test_tables_are_the_measurements_in_their_order(results):
    assert collect({}, results, results / "tables") == []
    assert tablefile.read(results / "tables" / "curves.parquet")["value"].tolist() == [0, 0.5, 1, 1.5]
    assert pd.read_csv(results / "tables" / "cost.csv")["value"].tolist() == [2, 2.5]
    assert {path.stem for path in (results / "tables").iterdir()} == {"curves", "cost"}


def test_what_is_missing_is_an_error_that_names_it_unless_it_may(results):
    (results / "b.parquet").unlink()
    (results / "c.parquet").unlink()
    with pytest.raises(SecateurError, match=r"2 measurements are missing: b\.parquet, c\.parquet"):
        collect({}, results, results / "tables")
    assert not (results / "tables").exists()
    assert collect({}, results, results / "tables", allow_missing=True) == ["b.parquet", "c.parquet"]
    assert tablefile.read(results / "tables" / "curves.parquet")["value"].tolist() == [0, 0.5]
    assert not (results / "tables" / "cost.parquet").exists()
