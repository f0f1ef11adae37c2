"""The page's first screen: its rows say what the statistics say, and nobody wins who is level with others."""

import re

import pandas as pd
import pytest

import synthetic
from secateur.analysis import datasets
from secateur.analysis.measures import measure_all
from secateur.analysis.recommended import COLUMNS, recommend
from secateur.report import content, decision

COST = pd.DataFrame({"study": ["a-x"] * 3, "criterion": ["lrp", "lrp", "weight"], "ratio_to_gradient": [1.0, 2.0, 0.1]})


def rows(tmp_path, cost=COST, **settings) -> tuple[pd.DataFrame, list[dict]]:
    """A synthetic run's curves, and the rows of its decision table."""
    curves = synthetic.curves(studies=("a-x",), **settings)
    curves.to_parquet(tmp_path / "curves.parquet")
    return curves, decision.rows(recommend(tmp_path, 0.05), cost)


def test_each_row_names_the_highest_mean_of_its_table(tmp_path):
    curves, found = rows(tmp_path, seeds=8)
    measures = measure_all(curves)
    assert [row["treatment"] for row in found] == ["no training afterwards", "retrained"]
    for row, branch in zip(found, ("fewshot", "retrain"), strict=True):
        chosen = measures[(measures["branch"] == branch) & (measures["samples_per_class"] == row["images"])]
        means = chosen[chosen["measure"] == "mean_accuracy_over_rate"].groupby("criterion")["value"].mean()
        kept = chosen[chosen["measure"] == "rate_keeping_95"].groupby("criterion")["value"].mean()
        assert row["criterion"] == means.idxmax() and row["runner_up"] == means.nlargest(2).index[1]
        assert row["filters"]["value"] == f"{100 * kept[row['criterion']]:.1f} %"
        assert float(row["lead"]["value"]) == pytest.approx(100 * -means.nlargest(2).diff().iloc[1], abs=0.06)
    assert found[0]["cost"] == "1.5"  # the median of its repeats


def test_a_tie_has_no_winner_and_names_who_is_level(tmp_path):
    _, (row,) = rows(tmp_path, criteria={"lrp": 0.1, "taylor": 0.1, "weight": -0.1}, seeds=8, branches=("fewshot",))
    other = {"lrp": "taylor", "taylor": "lrp"}[row["criterion"]]
    assert not row["won"] and row["verdict"] == f"no clear winner: level with {other}"


def test_a_lead_above_zero_that_the_tests_call_level_says_why_in_the_row(tmp_path):
    curves = synthetic.curves(studies=("a-x",), criteria={"lrp": 0.1, "taylor": 0.1}, seeds=8, branches=("fewshot",))
    curves.to_parquet(tmp_path / "curves.parquet")
    (row,) = recommend(tmp_path, 0.05).to_dict("records")
    level = row | {"candidates": 2, "few": False, "level": "lrp;taylor"}
    assert "above 0 by itself" not in decision.verdict(level | {"lead_low": -0.01})
    assert "above 0 by itself" not in decision.verdict(level | {"lead_low": float("nan")})
    assert decision.verdict(level | {"lead_low": 0.001}).endswith("but not sure among so many comparisons")
    rounded = level | {"lead": 0.003, "lead_low": -0.0002, "lead_high": 0.007}
    assert decision.lead(rounded)["interval"].startswith("+0.0")


def test_a_winner_is_clear_only_where_its_lead_is_above_zero(tmp_path):
    _, (row,) = rows(tmp_path, criteria={"lrp": 0.2, "weight": 0.0}, seeds=8, branches=("fewshot",))
    assert row["won"] and row["verdict"] == "clear winner" and row["lead"]["interval"].startswith("+")


def test_with_too_few_seeds_nothing_is_clear(tmp_path):
    _, (row,) = rows(tmp_path, criteria={"lrp": 0.3, "weight": 0.0}, seeds=3, branches=("fewshot",))
    assert not row["won"] and row["verdict"] == "no clear winner: 3 seeds cannot tell"
    assert row["filters"]["interval"] == ""


def test_one_criterion_and_no_costs_leave_dashes(tmp_path):
    _, (row,) = rows(tmp_path, cost=COST.iloc[:0], criteria={"lrp": 0.1}, seeds=6, branches=("fewshot",))
    assert row["verdict"] == "the only one" and row["lead"]["value"] == row["cost"] == "–"


def test_many_that_are_level_are_counted(tmp_path):
    criteria = {f"c{number}": 0.1 for number in range(7)}
    _, (row,) = rows(tmp_path, criteria=criteria, seeds=8, branches=("fewshot",), noise=0.05)
    assert re.fullmatch(r"no clear winner: level with c\d, c\d, c\d and [23] more", row["verdict"])


def test_a_curve_that_never_falls_is_a_bound():
    row = dict.fromkeys(COLUMNS, 0.5) | {"n": 6, "at_limit": 6, "rate_low": float("nan")}
    assert decision.share(row, "rate") == {"value": "≥ 50.0 %", "interval": ""}
    assert decision.share(row | {"at_limit": 5}, "rate")["value"] == "50.0 %"


def test_the_scope_names_data_networks_and_seeds():
    facts = content.facts(synthetic.curves(studies=("a-x", "b-x"), seeds=3))
    about = pd.DataFrame([["a-x", "a", 5, 100, 2000, 0.2]], columns=datasets.COLUMNS)
    text = decision.scope(facts, {"x": 32}, about)
    assert text.startswith(
        "Measured on 5 classes of a (2,000 test images, chance 20 %), b (2,000 test images); 1 small network: x (32×32 "
        "pixels); 3 seeds."
    )
    assert "1 network: x; 3 seeds" in decision.scope(facts, {}, about.head(0))
    assert "small" not in decision.scope(facts, {"x": 224}, about) and "1 seed." in decision.scope(
        content.facts(synthetic.curves(studies=("a-x",), seeds=1)), {}, about
    )
