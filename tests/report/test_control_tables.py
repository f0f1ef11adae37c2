"""The table of controls: each pruned network beside the control of its own seed."""

import pandas as pd
import pytest

import synthetic
from secateur.report.control_tables import controls_table

CURVES = synthetic.curves({"lrp": 0.06, "weight": 0.0}, seeds=3, samples=("10",))
RETRAINED = CURVES[CURVES["branch"] == "retrain"]
NONE = RETRAINED.iloc[:0]


def rows(*tables: pd.DataFrame) -> dict[tuple[str, str], list[str]]:
    """(criterion, rate) → the texts of the other cells."""
    found = [[cell.text for cell in row] for row in controls_table(*tables).rows]
    return {(row[0], row[2]): row[3:] for row in found}


def of(criterion: str, rate: float) -> pd.Series:
    return RETRAINED[(RETRAINED["criterion"] == criterion) & (RETRAINED["rate"] == rate)].set_index("seed")["accuracy"]


def test_differences_are_from_the_same_seeds_control():
    unpruned = RETRAINED[RETRAINED["criterion"] == "lrp"].assign(criterion="", samples_per_class="")
    unpruned = unpruned.assign(accuracy=0.8 + 0.01 * unpruned["seed"])
    found = rows(CURVES, unpruned[unpruned["seed"] > 0], NONE)
    assert len(found) == 2 * 8
    expected = (of("weight", 0.4) - unpruned[unpruned["rate"] == 0.4].set_index("seed")["accuracy"]).loc[[1, 2]]
    mean = of("weight", 0.4).loc[[1, 2]].mean()
    assert found["weight", "40.0 %"] == [f"{100 * mean:.1f} %", "81.5 %", f"{100 * expected.mean():+.1f}"]


def test_both_controls_stand_side_by_side():
    unpruned = RETRAINED[RETRAINED["criterion"] == "lrp"].assign(criterion="", samples_per_class="", accuracy=0.9)
    scratch = RETRAINED[RETRAINED["criterion"] == "weight"].assign(accuracy=0.5)
    found = rows(CURVES, unpruned, scratch)
    assert found["lrp", "40.0 %"][1:3] == ["90.0 %", "–"] and found["lrp", "40.0 %"][4] == "–"
    assert found["weight", "40.0 %"][1:3] == ["90.0 %", "50.0 %"]
    assert float(found["weight", "40.0 %"][4]) == pytest.approx(100 * (of("weight", 0.4).mean() - 0.5), abs=0.06)


def test_without_controls_there_is_no_table():
    assert controls_table(CURVES, NONE, NONE).rows == []
