"""Power and planning: monotone, limited by what few blocks can say, and right about a pilot's own spread."""

import numpy as np
import pandas as pd
import pytest

import synthetic
from secateur.analysis import claims, power
from secateur.analysis.measures import measure_all
from secateur.errors import SecateurError


def test_five_blocks_have_no_power_and_no_detectable_difference():
    assert power.power(5, 10.0, 1.0, 0.05) == 0.0
    assert power.detectable(5, 1.0, 0.05) == float("inf")


def test_power_grows_with_blocks_and_effect_and_is_the_level_without_one():
    assert power.power(8, 0.0, 1.0, 0.05) <= 0.025 + 3 * np.sqrt(0.025 * 0.975 / power.SIMULATIONS)
    assert power.power(8, 0.5, 1.0, 0.05) < power.power(8, 1.0, 1.0, 0.05) < power.power(16, 1.0, 1.0, 0.05)


def test_the_detectable_difference_is_detected_with_the_wanted_power():
    found = power.detectable(10, 0.02, 0.05)
    assert power.power(10, found, 0.02, 0.05, seed=9) == pytest.approx(0.8, abs=0.05)


def test_the_seeds_needed_reach_the_power_and_one_fewer_does_not():
    needed = power.seeds_needed(0.02, 0.025, 0.05)
    assert needed is not None
    assert power.power(needed, 0.02, 0.025, 0.05, seed=1) > 0.75
    assert power.power(needed - 2, 0.02, 0.025, 0.05, seed=1) < 0.8
    assert power.seeds_needed(0.001, 0.05, 0.05) is None


@pytest.mark.parametrize(("effect", "wanted"), [(0.0, 0.8), (-0.1, 0.8), (0.1, 1.0), (0.1, 0.0)])
def test_impossible_plans_are_refused(effect, wanted):
    with pytest.raises(SecateurError, match="allowed are effect > 0 and 0 < power < 1"):
        power.seeds_needed(effect, 0.1, 0.05, wanted)


def test_a_plan_has_the_pilots_spread_in_every_row():
    measures = measure_all(synthetic.curves())
    found = power.plan(measures, claims.read("config/claims.yaml"), effect=0.02)
    row = found.query("claim == 'C1' and criterion == 'lrp' and rival == 'weight'").iloc[0]
    blocks = measures[(measures["measure"] == "mean_accuracy_over_rate") & (measures["branch"] == "fewshot")]
    means = blocks.pivot_table(index="seed", columns="criterion", values="value")
    assert row["spread"] == pytest.approx((means["lrp"] - means["weight"]).std())
    assert row["seeds"] == 8 and row["seeds_needed"] >= 6
    assert found.loc[found["spread"].idxmax(), "detectable"] == found["detectable"].max()
    assert not pd.isna(found["detectable"]).any()
