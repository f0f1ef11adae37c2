"""Measures of curves whose answers are known on paper."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import synthetic
from secateur.analysis.measures import MEASURES, averaged, first_below, measure_all, wide


def curve(criterion: str, rates, accuracies, seed: int = 0, macs=None, worst=None) -> pd.DataFrame:
    macs = [1 - rate for rate in rates] if macs is None else macs
    return pd.DataFrame({
        "run": "r", "study": "s", "dataset": "d", "backbone": "b", "branch": "fewshot", "criterion": criterion,
        "seed": seed, "samples_per_class": "1", "round": 1, "rate": rates, "units_total": 10, "units_removed": 0,
        "rate_achieved": rates, "params": 1, "params_share": macs, "macs": 1, "macs_share": macs,
        "accuracy": accuracies, "loss": [1 - a for a in accuracies], "worst_class": 0,
        "worst_class_accuracy": accuracies if worst is None else worst, "test_samples": 100,
    })  # fmt: skip


def value(measures: pd.DataFrame, criterion: str, measure: str, at: float | None = None) -> float:
    found = wide(measures, measure, at)[criterion]
    assert len(found) == 1
    return float(found.iloc[0])


def test_the_average_of_a_straight_line_is_its_middle():
    x = np.array([0.0, 0.3, 1.0])
    assert averaged(x, 1 - x, 1.0) == pytest.approx(0.5)
    assert averaged(x, 1 - x, 0.4) == pytest.approx(0.8)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=12), st.floats(0.05, 1))
def test_the_average_agrees_with_a_fine_sum_and_lies_within_the_curve(accuracies, until):
    x = np.linspace(0, 1, len(accuracies))
    y = np.array(accuracies)
    middles = (np.arange(200_000) + 0.5) / 200_000 * until
    assert averaged(x, y, until) == pytest.approx(np.interp(middles, x, y).mean(), abs=1e-6)
    assert y.min() - 1e-12 <= averaged(x, y, until) <= y.max() + 1e-12


def test_the_first_fall_counts_and_a_recovery_does_not():
    x = np.array([0.0, 0.2, 0.4, 0.6])
    assert first_below(x, np.array([1.0, 0.9, 0.7, 0.99]), 0.8, 0.6) == pytest.approx(0.3)
    assert first_below(x, np.array([1.0, 0.9, 0.9, 0.9]), 0.8, 0.6) == 0.6
    assert first_below(x, np.array([0.5, 0.9, 0.9, 0.9]), 0.8, 0.6) == 0.0
    assert first_below(x, np.array([1.0, 0.9, 0.9, 0.1]), 0.5, 0.45) == 0.45


def test_measures_of_a_known_curve():
    # From 0.8 down to 0.4 in a straight line; MACs fall twice as fast as filters.
    measures = measure_all(curve("a", [0.0, 0.2, 0.4], [0.8, 0.6, 0.4], macs=[1.0, 0.6, 0.2]))
    assert value(measures, "a", "mean_accuracy_over_rate") == pytest.approx(0.6)
    assert value(measures, "a", "mean_accuracy_over_macs") == pytest.approx(0.6)
    assert value(measures, "a", "mean_loss_over_rate") == pytest.approx(0.4)
    assert value(measures, "a", "unpruned_accuracy") == 0.8
    assert value(measures, "a", "rate_keeping_95") == pytest.approx(0.04)  # 0.76 = 0.8 − 2 · 0.02
    assert value(measures, "a", "macs_left_keeping_95") == pytest.approx(0.92)
    assert value(measures, "a", "collapse_rate") == pytest.approx(0.4)
    assert value(measures, "a", "accuracy_at_rate", 0.2) == pytest.approx(0.6)
    assert value(measures, "a", "accuracy_at_macs_removed", 0.4) == pytest.approx(0.6)


def test_criteria_are_compared_over_the_range_that_all_have_reached():
    long = curve("long", [0.0, 0.5, 1.0], [1.0, 1.0, 0.0])
    short = curve("short", [0.0, 0.5], [1.0, 0.5])
    measures = measure_all(pd.concat([long, short]))
    assert value(measures, "long", "mean_accuracy_over_rate") == 1.0
    assert value(measures, "short", "mean_accuracy_over_rate") == 0.75
    assert set(measures.loc[measures["measure"] == "mean_accuracy_over_rate", "until"]) == {0.5}


def test_equal_macs_are_interpolated_not_matched_by_rate():
    # Both fall by the same amount per MAC; "cheap" removes fewer MACs at the same rate.
    dear = curve("dear", [0.0, 0.5], [1.0, 0.5], macs=[1.0, 0.5])
    cheap = curve("cheap", [0.0, 0.5], [1.0, 0.8], macs=[1.0, 0.8])
    measures = measure_all(pd.concat([dear, cheap]))
    over_macs = wide(measures, "mean_accuracy_over_macs").iloc[0]
    assert over_macs["dear"] == pytest.approx(over_macs["cheap"])
    assert value(measures, "cheap", "mean_accuracy_over_rate") > value(measures, "dear", "mean_accuracy_over_rate")


def test_a_rate_that_whole_units_just_miss_is_still_measured():
    missed = curve("a", [0.0, 0.5, 0.8], [1.0, 0.9, 0.3]).assign(rate_achieved=[0.0, 0.5, 0.797])
    measures = measure_all(missed)
    assert value(measures, "a", "accuracy_at_rate", 0.8) == pytest.approx(0.3)
    far = measure_all(missed.assign(rate_achieved=[0.0, 0.5, 0.7]))
    assert set(far.loc[far["measure"] == "accuracy_at_rate", "at"]) == {0.5}


def test_points_of_equal_macs_and_a_curve_of_one_point_do_no_harm():
    level = curve("level", [0.0, 0.1, 0.2], [0.9, 0.8, 0.7], macs=[1.0, 0.9, 0.9])
    measures = measure_all(pd.concat([level, curve("alone", [0.0], [0.9])]))
    assert set(measures["criterion"]) == {"level"}
    assert value(measures, "level", "mean_accuracy_over_macs") == pytest.approx((0.9 + 0.75) / 2)


def test_the_order_of_rows_changes_nothing_and_every_measure_is_described():
    table = synthetic.curves(seeds=2, samples=("1",))
    measures = measure_all(table)
    assert measures.equals(measure_all(table.sample(frac=1, random_state=1)))
    assert set(measures["measure"]) == set(MEASURES)
    assert np.isfinite(measures["value"]).all()
