"""Regret to the joint oracle, against what the curves say."""

import numpy as np
import pandas as pd
import pytest
from tests.analysis.synthetic import curves

from secateur.analysis import statistics
from secateur.analysis.measures import measure_all
from secateur.analysis.paired import exact_interval
from secateur.analysis.regret import joint_oracles, regret
from secateur.report.criteria_tables import regret_table

ENTRIES = [
    {"name": "lrp", "criterion": "lrp"},
    {"name": "truth", "criterion": "oracle_joint", "options": {"step": 0.1}},
    {"name": "alone", "criterion": "oracle"},
]


@pytest.fixture
def measured() -> pd.DataFrame:
    """Eight seeds in both branches; "truth" is best by 3 points on average, "lrp" loses 0.1 nats more."""
    generator = np.random.default_rng(0)
    rows = []
    for branch in ("fewshot", "retrain"):
        for seed in range(8):
            for criterion, accuracy, loss in (("alone", 0.80, 0.6), ("lrp", 0.77, 0.7), ("truth", 0.83, 0.5)):
                for measure, value in (("mean_accuracy_over_rate", accuracy), ("mean_loss_over_rate", loss)):
                    noise = generator.normal(0, 0.01)
                    rows.append(
                        {"study": "s", "branch": branch, "samples_per_class": "10", "criterion": criterion,
                         "seed": seed, "measure": measure, "at": np.nan, "value": value + noise}
                    )  # fmt: skip
    return statistics.numbered(pd.DataFrame(rows))


def test_regret_is_the_paired_difference_to_the_joint_oracle(measured):
    assert joint_oracles(ENTRIES) == ["truth"]
    found = regret(measured, ["truth"], 0.05)
    assert found["criterion"].tolist() == ["alone", "lrp"] and set(found["n"]) == {8}
    of_branch = measured[measured["branch"] == "fewshot"].set_index(["measure", "criterion", "seed"])["value"]
    for row in found.itertuples():
        accuracy, loss = of_branch["mean_accuracy_over_rate"], of_branch["mean_loss_over_rate"]
        gained = (accuracy["truth"] - accuracy[row.criterion]).to_numpy()
        lost = (loss[row.criterion] - loss["truth"]).to_numpy()
        assert row.accuracy == pytest.approx(gained.mean()) and row.loss == pytest.approx(lost.mean())
        assert (row.accuracy_low, row.accuracy_high) == pytest.approx(exact_interval(gained, 0.95))
        assert row.accuracy_low > 0 and row.loss_low > 0
    lines = [int(line) for part in found["source"][0].split(":")[1].split(",") for line in part.split("-")]
    behind = measured.set_index("line").loc[lines]
    assert set(behind["criterion"]) == {"alone", "truth"} and set(behind["branch"]) == {"fewshot"}
    table = regret_table(found)
    assert [row[0].text for row in table.rows] == ["alone", "lrp"]


def test_a_criterion_that_is_better_has_negative_regret_and_without_an_oracle_there_is_none(measured):
    assert (regret(measured, ["lrp"], 0.05)["accuracy"] < 0).all()
    assert regret(measured, [], 0.05).empty and regret(measured, ["other"], 0.05).empty
    assert regret(measured[measured["branch"] == "retrain"], ["truth"], 0.05).empty


@pytest.mark.slow
def test_a_run_with_a_joint_oracle_has_the_table(tmp_path):
    table = curves()
    assert "mean_loss_over_rate" in set(measure_all(table)["measure"])
    table.to_parquet(tmp_path / "curves.parquet")
    names = sorted(set(table["criterion"]))
    entries = [{"name": name, "criterion": "oracle_joint" if name == names[0] else name} for name in names]
    statistics.run(tmp_path, tmp_path / "statistics", {"criteria": entries})
    found = pd.read_csv(tmp_path / "statistics/regret.csv")
    assert set(found["oracle"]) == {names[0]} and set(found["criterion"]) == set(names[1:])
