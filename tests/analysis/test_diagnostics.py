"""Symptoms of a wrong protocol: each is found where it was planted, and nowhere else."""

import numpy as np
import pandas as pd
import pytest

import synthetic
from secateur.analysis import tables, trace
from secateur.analysis.diagnostics import COLUMNS, diagnose
from secateur.analysis.measures import measure_all
from secateur.report import checks

EVAL, TRAIN = "training_accuracy_eval_mode", "training_accuracy_train_mode"
CRITERIA = {"lrp": 0.06, "weight": 0.0}


def measured(curves: pd.DataFrame) -> pd.DataFrame:
    """The curves with accuracy on training images, where networks are trained and at rate 0 everywhere."""
    known = (curves["branch"] == "retrain") | (curves["rate"] == 0)
    return curves.assign(
        control="", training_samples=np.where(known, 256.0, np.nan),
        **{mode: np.where(known, 0.99, np.nan) for mode in (EVAL, TRAIN)},
    )  # fmt: skip


@pytest.fixture
def curves() -> pd.DataFrame:
    """Two criteria, three seeds, both branches, without any symptom; retraining helps at every rate."""
    return measured(synthetic.curves(CRITERIA, seeds=3, samples=("1", "10"), noise=0.0))


def where(curves: pd.DataFrame, **wanted) -> pd.Series:
    found = pd.Series(True, curves.index)
    for column, value in wanted.items():
        found &= curves[column] == value
    return found


def of(tmp_path, curves: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Diagnostics and sentences of a run with these curves, by way of its files."""
    folder = synthetic.write(tmp_path, curves=curves)
    pd.read_parquet(folder / "curves.parquet").to_csv(folder / "curves.csv", index=False)
    controls = tables.read(folder, "curves", numbered=True, control="unpruned")
    own = tables.read(folder, "curves", numbered=True)
    found = diagnose(own, controls, measure_all(own))
    assert list(found.columns) == COLUMNS
    assert np.allclose(found["difference"], found["value"] - found["other"])
    return found, checks.sentences(found, own, controls)


def test_a_run_without_symptoms_is_said_to_have_been_looked_at(curves, tmp_path):
    found, said = of(tmp_path, curves)
    assert found.empty and checks.table(found).rows == []
    # 3 seeds × 2 criteria × 8 rounds, and the unpruned network of each seed once.
    assert "(51 networks)" in said[0] and said[0].startswith("No network's accuracy")
    assert said[1] == "No curve falls by more than 20 points and then rises by more than 5 again."
    assert said[2] == "Retraining costs the best criterion of no study more than 1 point at any rate."


def test_a_table_of_an_earlier_run_says_that_nothing_was_measured(curves, tmp_path):
    found, said = of(tmp_path, curves.drop(columns=["control", "training_samples", EVAL, TRAIN]))
    assert found.empty and "was not measured" in said[0]


@pytest.mark.parametrize(("gap", "named"), [(0.049, False), (0.051, True), (-0.051, True)])
def test_every_network_with_stale_statistics_is_named(curves, tmp_path, gap, named):
    at = where(curves, branch="retrain", criterion="weight", seed=1, rate=0.4)
    curves.loc[at, EVAL] = 0.5
    curves.loc[at, TRAIN] = 0.5 + gap
    found, said = of(tmp_path, curves)
    assert len(found) == named
    if named:
        row = found.iloc[0]
        assert (row["kind"], row["criterion"], row["seed"], row["rate"]) == ("statistics", "weight", 1, 0.4)
        assert trace.rows(tmp_path, row["source"])["tables/curves.csv"][EVAL].tolist() == [0.5]
        assert "Of 51 networks 1 differ by more than 5 points" in said[0] and "(weight 1), by up to 5.1" in said[0]


def test_the_unpruned_network_and_its_control_are_named_once(curves, tmp_path):
    curves.loc[where(curves, seed=2, rate=0.0), EVAL] = 0.2
    control = curves[where(curves, criterion="lrp", branch="retrain", samples_per_class="10")].assign(
        control="unpruned", criterion="", samples_per_class="", units_removed=0
    )
    control.loc[where(control, seed=0, rate=0.5), TRAIN] = 0.0
    found, said = of(tmp_path, pd.concat([curves, control], ignore_index=True))
    assert found[["kind", "control", "criterion", "seed", "rate"]].to_numpy().tolist() == [
        ["statistics", "unpruned", "", 2, 0.0], ["statistics", "unpruned", "", 0, 0.5],
    ]  # fmt: skip
    assert "Of 75 networks 2" in said[0] and "(unpruned 2)" in said[0]
    assert [cell.text for cell in checks.table(found).rows[0]][-3:] == ["20.0 %", "99.0 %", "-79.0"]


@pytest.mark.parametrize(
    ("accuracies", "named"),
    [
        ([0.98, 0.27, 0.82], (0.27, 0.82)),  # as stale statistics did it
        ([0.98, 0.70, 0.72, 0.5], None),  # a rise that may be noise
        ([0.98, 0.79, 0.95, 0.2], None),  # a fall that may be
        ([0.98, 0.5, 0.4, 0.2], None),
        ([0.30, 0.60, 0.90], None),  # only rises
        ([0.9, 0.6, 0.7, 0.5, 0.65], (0.5, 0.65)),  # the largest rise of two
        ([0.9, 0.6, 0.9, 0.5, 0.65], (0.6, 0.9)),
    ],
)
def test_every_curve_that_falls_and_rises_again_is_named(curves, tmp_path, accuracies, named):
    one = where(curves, branch="fewshot", criterion="lrp", seed=0, samples_per_class="1")
    keep = one & curves["rate"].isin(sorted(set(curves["rate"]))[: len(accuracies)])
    curves = curves[~one | keep].copy()
    curves.loc[keep, "accuracy"] = accuracies
    found, said = of(tmp_path, curves)
    assert len(found) == (named is not None)
    if named:
        row = found.iloc[0]
        assert (row["kind"], row["branch"], row["criterion"], row["seed"]) == ("rebound", "fewshot", "lrp", 0)
        assert (row["value"], row["other"]) == named
        assert len(trace.rows(tmp_path, row["source"])["tables/curves.csv"]) == len(accuracies)
        assert "Of 18 curves 1 fall by more than 20 points and then rise by more than 5 again; most of all" in said[1]
        assert "Without: lrp 1." in said[1] and "With retraining" not in said[1]


def lowered(curves: pd.DataFrame, criterion: str, rate: float, to_fewshot: float) -> pd.DataFrame:
    """Retraining by that criterion brought to so much beside the few-shot branch, at one rate and for all seeds."""
    fewshot = curves[where(curves, branch="fewshot", criterion=criterion, rate=rate, samples_per_class="10")]
    at = where(curves, branch="retrain", criterion=criterion, rate=rate)
    changed = curves.copy()
    changed.loc[at, "accuracy"] = fewshot["accuracy"].to_numpy() + to_fewshot
    return changed


def test_a_recipe_that_costs_the_best_criterion_accuracy_is_said(curves, tmp_path):
    assert of(tmp_path / "a", lowered(curves, "lrp", 0.2, -0.009))[0].empty
    assert of(tmp_path / "b", lowered(curves, "weight", 0.2, -0.1))[0].empty, "the best criterion alone counts"
    found, said = of(tmp_path / "c", lowered(curves, "lrp", 0.2, -0.05))
    assert found[["kind", "criterion", "rate"]].to_numpy().tolist() == [["retraining", "lrp", 0.2]]
    assert found["difference"].iloc[0] == pytest.approx(-0.05)
    assert "lrp, the best criterion with it, loses up to 5.0 points" in said[2] and "at a rate of 20 %" in said[2]


def test_it_is_held_against_at_least_as_many_reference_samples(curves, tmp_path):
    """Retraining ranks on 10 images; of 1 and 20 without retraining the 20 count, though those of the 1 are lower."""
    curves["samples_per_class"] = curves["samples_per_class"].where(
        (curves["branch"] == "retrain") | (curves["samples_per_class"] == "1"), "20"
    )
    curves.loc[where(curves, branch="fewshot", samples_per_class="1"), "accuracy"] = 0.1
    curves.loc[where(curves, branch="fewshot", samples_per_class="20", rate=0.3), "accuracy"] = 1.0
    found, _ = of(tmp_path, curves)
    assert found["rate"].tolist() == [0.3] and found["other"].tolist() == [1.0]


def test_rates_that_the_other_branch_did_not_reach_are_not_judged(curves, tmp_path):
    short = curves[(curves["branch"] == "retrain") | (curves["rate"] <= 0.5)].copy()
    short.loc[where(short, branch="retrain", rate=0.8), "accuracy"] = 0.1
    short = short[~where(short, branch="retrain", rate=0.7)]
    found, _ = of(tmp_path, short)
    assert set(found["kind"]) <= {"rebound"}
    alone, said = of(tmp_path / "alone", curves[curves["branch"] == "retrain"])
    assert alone.empty and len(said) == 2


def test_curves_that_rise_again_are_counted_by_branch(curves, tmp_path):
    for branch, samples in (("fewshot", "1"), ("fewshot", "10"), ("retrain", "10")):
        one = where(curves, branch=branch, samples_per_class=samples, criterion="weight", seed=1, rate=0.5)
        curves.loc[one, "accuracy"] = 0.1
        curves.loc[where(curves, branch=branch, samples_per_class=samples, criterion="weight", seed=1, rate=0.6),
                   "accuracy"] = 0.9  # fmt: skip
    _, said = of(tmp_path, curves)
    assert "With retraining: weight 1. " in said[1] and "Without: weight 2. " in said[1]


def test_a_rate_at_which_no_criterion_fits_its_training_images_is_named(curves, tmp_path):
    deep = where(curves, branch="retrain") & (curves["rate"] >= 0.6)
    short = curves.copy()
    short.loc[deep, EVAL] = short.loc[deep, TRAIN] = np.where(short.loc[deep, "criterion"] == "lrp", 0.4, 0.3)
    found, said = of(tmp_path, short)
    found = found[found["kind"] == "unfitted"]
    assert set(found["criterion"]) == {"lrp"} and set(found["rate"]) == set(short.loc[deep, "rate"])
    assert np.allclose(found["value"], 0.4)
    sentence = next(one for one in said if "training images: the best" in one)
    assert "with 60 % of the filters gone and above" in sentence and "the best, lrp, is right on 40.0 %" in sentence


def test_one_criterion_that_fits_is_enough_to_call_the_recipe_long_enough(curves, tmp_path):
    deep = where(curves, branch="retrain", criterion="weight") & (curves["rate"] >= 0.6)
    short = curves.copy()
    short.loc[deep, EVAL] = short.loc[deep, TRAIN] = 0.1
    found, _ = of(tmp_path, short)
    assert "unfitted" not in set(found["kind"])
