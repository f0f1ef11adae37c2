"""Verdicts on synthetic runs whose truth is known, and on runs with holes."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import synthetic
from judging import EQUAL, FEW, alone, judge
from secateur.analysis.decisions import Bounds, decide
from secateur.analysis.measures import measure_all
from secateur.analysis.verdicts import COLUMNS


@pytest.fixture(scope="module")
def clear() -> pd.DataFrame:
    return judge(synthetic.curves())


def test_a_clear_advantage_is_supported_with_its_numbers(clear):
    row = alone(clear, "C1")
    assert list(clear.columns) == COLUMNS
    assert row["verdict"] == "supported" and row["against"] == "weight" and row["n"] == 8
    assert row["low"] < row["effect"] < row["high"] and row["low"] > 0.01 and row["p"] == pytest.approx(2 / 256)
    assert "weight" in row["sentence"] and "points above" in row["sentence"] and "n = 8" in row["sentence"]


def test_a_clear_disadvantage_is_contradicted():
    turned = {"lrp": -0.05} | dict.fromkeys(("weight", "gradient", "taylor"), 0.05) | {"random": 0.0}
    row = alone(judge(synthetic.curves(turned, **FEW)), "C1")
    assert row["verdict"] == "contradicted" and row["effect"] < 0 and row["p"] <= 0.05


@pytest.mark.slow
def test_equal_criteria_are_undecided_for_better_and_not_worse_than_each_other():
    table = judge(synthetic.curves(EQUAL, noise=0.004))
    assert alone(table, "C1")["verdict"] == "undecided"
    assert alone(table, "C2")["verdict"] == "supported"


def test_the_same_criterion_under_two_names_is_undecided():
    curves = synthetic.curves(**FEW)
    twin = curves[curves["criterion"] == "lrp"].assign(criterion="weight")
    both = pd.concat([curves[curves["criterion"] != "weight"], twin])
    row = alone(judge(both), "C1")
    assert row["verdict"] == "undecided" and row["effect"] == 0.0 and row["rank_biserial"] == 0.0


def test_five_seeds_are_too_few_and_the_sentence_says_so():
    row = alone(judge(synthetic.curves(seeds=5, **FEW)), "C1")
    assert row["verdict"] == "undecided" and row["reason"] == "few" and np.isnan(row["p"])
    assert "5 seeds are too few to decide: no test can reach its level with fewer than 6" in row["sentence"]


def test_a_missing_rival_leaves_the_claim_undecided_but_a_better_one_still_contradicts():
    curves = synthetic.curves(**FEW)
    row = alone(judge(curves[curves["criterion"] != "taylor"]), "C1")
    assert row["verdict"] == "undecided" and row["reason"] == "missing"
    assert "no fewshot curves of taylor" in row["sentence"]
    worse = synthetic.curves({"lrp": -0.05, "weight": 0.05, "gradient": 0.0}, **FEW)
    assert alone(judge(worse), "C1")["verdict"] == "contradicted"


def test_a_failed_criterion_or_branch_or_cost_is_said_and_breaks_nothing():
    curves = synthetic.curves(branches=("fewshot",))
    table = judge(curves[curves["criterion"] != "lrp"], synthetic.cost().iloc[:0])
    for claim in ("C1", "C2", "C3", "C4"):
        row = alone(table, claim)
        assert row["verdict"] == "undecided" and row["n"] == 0
        assert row["sentence"].startswith("Cannot be decided: this run has no")
    assert alone(table, "C1", "lrp_epsilon")["n"] == 8


def test_maintained_accuracy_is_followed_to_the_last_rate_that_keeps_it(clear):
    row = alone(clear, "C3")
    assert row["verdict"] == "supported" and row["at"] == row["keeps_to"] == 0.4 and -0.01 < row["effect"] < 0
    falling = synthetic.curves(dict.fromkeys(synthetic.CRITERIA, -1.6))
    row = alone(judge(falling), "C3")
    assert row["verdict"] == "contradicted" and row["keeps_to"] == 0 and row["at"] == 0.1
    assert row["sentence"].startswith("lrp is not shown to keep its accuracy at any rate (95 %). At 10 % it was")


@pytest.mark.slow
def test_accuracy_is_held_against_the_network_that_was_trained_as_long(clear):
    """A control that gained five points by its training makes what looked kept a loss; one that lost them, a gain."""
    curves = synthetic.curves()
    gained = alone(judge(synthetic.control(curves, 0.05)), "C3")
    lost = alone(judge(synthetic.control(curves, -0.05)), "C3")
    same = alone(judge(synthetic.control(curves)), "C3")
    assert gained["verdict"] == "contradicted" and lost["keeps_to"] > same["keeps_to"] == 0.4
    for row, change in ((gained, 0.05), (lost, -0.05), (same, 0.0)):
        assert (
            row["control"] == "unpruned"
            and "held against the same network trained on without being pruned" in row["sentence"]
        )
        own = curves.query("branch == 'retrain' and criterion == 'lrp'").pivot(
            index="seed", columns="rate", values="accuracy"
        )
        assert row["effect"] == pytest.approx((own[row["at"]] - own[0.0]).median() - change)
    assert alone(clear, "C3")["control"] == ""
    assert "This run has no control that is trained on" in alone(clear, "C3")["sentence"]


def test_a_rate_that_fails_stops_the_sequence_and_later_ones_do_not_count():
    curves = synthetic.control(synthetic.curves(dict.fromkeys(synthetic.CRITERIA, 0.3)))
    dip = (curves["rate"] == 0.3) & (curves["branch"] == "retrain") & (curves["control"] == "")
    curves.loc[dip & (curves["criterion"] == "lrp"), "accuracy"] -= 0.05
    table = judge(curves)
    row, other = alone(table, "C3"), alone(table, "C3", "weight")
    assert row["keeps_to"] == 0.2 and row["verdict"] == "supported" and other["keeps_to"] > 0.3
    assert "lrp keeps its accuracy up to 20 % of the units removed (95 %)" in row["sentence"]


def test_a_claim_that_asks_for_a_larger_rate_needs_every_smaller_one_too():
    values = {"0.1": np.full(8, 0.0), "0.2": np.full(8, -0.05), "0.3": np.full(8, 0.0)}
    values = {rate: one + np.linspace(0, 1e-3, 8) for rate, one in values.items()}
    of = {
        needed: decide(values, Bounds(-0.01, -0.01), alpha=0.05, test="wilcoxon", needed=needed) for needed in (1, 2, 4)
    }
    assert of[1].verdict == "supported" and of[1].passed == ("0.1",) and of[1].against == "0.1"
    assert of[2].verdict == "undecided" and of[2].against == "0.2", "0.3 keeps it, so it is not below everywhere"
    assert of[4].verdict == "undecided" and of[4].reason == "missing"
    below = values | {"0.3": values["0.2"]}
    assert decide(below, Bounds(-0.01, -0.01), alpha=0.05, test="wilcoxon", needed=2).verdict == "contradicted"


def test_maintained_accuracy_is_judged_for_every_criterion(clear):
    chosen = clear[(clear["claim"] == "C3") & (clear["scope"] == "study")]
    assert list(chosen["criterion"]) == ["lrp", "lrp_epsilon", "gradient", "random", "taylor", "weight"]
    assert set(chosen["verdict"]) == {"supported"} and set(clear[clear["claim"] == "C5"]["criterion"]) == {"lrp"}
    assert set(clear[clear["claim"] == "C1"]["criterion"]) == {"lrp", "lrp_epsilon"}


def test_a_rival_in_its_strongest_form_decides_the_second_verdict_alone():
    strong = synthetic.CRITERIA | {"taylor_raw": 0.15}
    run = synthetic.entries(taylor_raw={"criterion": "taylor", "normalisation": "none"})
    table = judge(synthetic.curves(strong), run=run)
    assert alone(table, "C1")["verdict"] == "supported" and alone(table, "C1")["against"] == "weight"
    row = alone(table, "C1s")
    assert row["verdict"] == "contradicted" and row["against"] == "taylor_raw" and row["effect"] < 0
    assert "Against taylor_raw, the strongest of the 4 forms that its 3 rivals have in this run" in row["sentence"]
    assert alone(table, "C2s")["verdict"] == "contradicted" and alone(table, "C2")["verdict"] == "supported"


FORMS = {name: {"criterion": "lrp", "options": {"rule": name}} for name in ("gamma", "alpha2beta1")}


@pytest.mark.parametrize(
    ("gains", "verdict", "against"),
    [
        ({"gamma": 0.06, "alpha2beta1": 0.058}, "supported", None),
        ({"gamma": 0.06, "alpha2beta1": 0.16}, "contradicted", "alpha2beta1"),
        ({"gamma": -0.05, "alpha2beta1": 0.06}, "contradicted", "gamma"),
        ({"gamma": 0.06, "alpha2beta1": 0.075}, "undecided", "alpha2beta1"),
    ],
)
def test_nothing_to_tune_is_tested_by_the_range_over_the_forms_of_lrp(gains, verdict, against):
    every = {"lrp": 0.06, "weight": 0.0} | gains
    curves = synthetic.curves(every, noise=0.002)
    table = judge(curves, run=synthetic.entries(("lrp", "weight"), **FORMS))
    row = alone(table, "C5")
    assert row["verdict"] == verdict and (against is None or row["against"] == against)
    means = measure_all(curves).query("branch == 'fewshot' and measure == 'mean_accuracy_over_rate'")
    means = means.groupby(["seed", "criterion"])["value"].mean().unstack()
    difference = means[row["against"]] - means["lrp"]
    assert row["effect"] == pytest.approx(difference.median()) and row["low"] < row["effect"] < row["high"]
    assert (
        "other forms of lrp in this run" in row["sentence"]
        and "fails where one is more than 2.0 points away" in row["sentence"]
    )


@pytest.mark.slow
def test_with_one_form_of_lrp_nothing_can_be_said_of_tuning():
    row = alone(judge(synthetic.curves(), run=synthetic.entries(("lrp", "weight", "taylor"))), "C5")
    assert row["verdict"] == "undecided" and "no other form of lrp" in row["sentence"]
    both = judge(synthetic.curves(), run=synthetic.entries())
    assert alone(both, "C5")["against"] == "lrp_epsilon"


@pytest.mark.parametrize(("factor", "verdict"), [(1.0, "supported"), (5.0, "contradicted"), (3.0 / 1.4, "undecided")])
def test_cost_is_held_against_its_limit(factor, verdict):
    cost = synthetic.cost(repeats=10)
    cost["ratio_to_gradient"] *= factor
    row = alone(judge(synthetic.curves(seeds=1), cost), "C4")
    assert row["verdict"] == verdict and row["unit"] == "gradient passes"
    ratios = cost.loc[cost["criterion"] == "lrp", "ratio_to_gradient"]
    assert row["effect"] == pytest.approx(ratios.median(), rel=1e-3) and row["low"] < row["effect"] < row["high"]
    assert row["test"] == "sign" and f"took a median of {row['effect']:.2f} times a gradient" in row["sentence"]


differences = st.dictionaries(
    st.sampled_from(["a", "b", "c"]), arrays(float, 8, elements=st.floats(-0.05, 0.05)), min_size=1
)
ORDER = {"contradicted": 0, "undecided": 1, "supported": 2}


@settings(max_examples=60, deadline=None)
@given(
    differences, st.floats(0, 0.05), st.sampled_from(["sign", "wilcoxon", "permutation"]),
    st.sampled_from([0, 1, 2]),
)  # fmt: skip
def test_better_data_never_give_a_worse_verdict(values, gain, test, needed):
    def verdict(shift: float) -> int:
        moved = {name: one + shift for name, one in values.items()}
        found = decide(moved, Bounds(0.01, 0.0), alpha=0.05, test=test, needed=needed)
        return ORDER[found.verdict]

    assert verdict(gain) >= verdict(0.0)


@pytest.mark.parametrize("others", [0, 2])
def test_one_rival_among_several_must_pass_a_stricter_level(others):
    # Ranks 1 to 8 with the third one positive: one-sided p = 5/256 = 0.0195, below 0.025 and above a third of it.
    behind = -0.01 * np.array([1, 2, -3, 4, 5, 6, 7, 8])
    ahead = {f"rival {number}": 0.1 + 0.01 * np.arange(8.0) for number in range(others)}
    found = decide({"first": behind, **ahead}, Bounds(0.01, 0.0), alpha=0.05, test="wilcoxon")
    assert found.verdict == ("undecided" if others else "contradicted")
