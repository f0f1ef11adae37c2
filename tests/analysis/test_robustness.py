"""What stands beside a verdict: the same test by other measures, and when everything is corrected together."""

import numpy as np
import pandas as pd
import pytest

import synthetic
from secateur.analysis import claims as claim_files
from secateur.analysis.decisions import Bounds, decide, directions
from secateur.analysis.measures import measure_all, measure_both
from secateur.analysis.robustness import corrected
from secateur.analysis.verdicts import verdicts

CLAIMS = claim_files.read("config/claims.yaml")


def rows(curves: pd.DataFrame) -> pd.DataFrame:
    """Verdicts on the one study, by claim and criterion."""
    curves = curves if "control" in curves else curves.assign(control="")
    measures = measure_both(curves[curves["control"] == ""], curves[curves["control"] == "unpruned"])
    found = verdicts(measures, synthetic.cost(), CLAIMS)
    return found[found["scope"] == "study"].set_index(["claim", "criterion"])


def test_a_lead_by_rate_that_is_none_at_equal_macs_is_seen():
    """LRP's networks keep more by rate, but all of their MACs; its rivals' lose twice as many at every rate."""
    curves = synthetic.curves(samples=("1",), branches=("fewshot",))
    lrp = curves["criterion"] == "lrp"
    slower = 1 - curves["rate"] * np.where(lrp, 0.4, 1.0)
    found = rows(curves.assign(macs_share=slower)).loc["C1", "lrp"]
    assert found["verdict"] == "supported" and found["verdict_params"] == "supported"
    assert found["verdict_macs"] == "contradicted"
    worst = curves["worst_class_accuracy"] * np.where(lrp, 0.5, 1.0)
    found = rows(curves.assign(worst_class_accuracy=worst)).loc["C1", "lrp"]
    assert found["verdict"] == "supported" and found["verdict_worst_class"] == "contradicted"


@pytest.mark.slow
def test_what_has_no_counterpart_is_empty():
    found = rows(synthetic.curves())
    columns = ["verdict_macs", "verdict_params", "verdict_worst_class"]
    assert set(found.loc["C4", columns].to_numpy().ravel()) == {""}
    assert set(found.loc["C3", columns].to_numpy().ravel()) == {""}, "no control, so no worst class to hold against"
    controlled = rows(synthetic.control(synthetic.curves()))
    assert set(controlled.loc["C3", "verdict_worst_class"]) <= {"supported", "contradicted", "undecided"}


def differences(seeds: int, **means: float) -> dict[str, np.ndarray]:
    return {name: mean + np.linspace(-1e-3, 1e-3, seeds) for name, mean in means.items()}


@pytest.mark.parametrize(("criteria", "after"), [(1, "supported"), (2, "supported"), (3, "undecided")])
def test_holm_over_all_rivals_and_criteria(criteria, after):
    """Eight seeds reach p = 1/256 at best: six comparisons at 0.025 pass together, nine do not."""
    found = {
        f"lrp{number}": decide(differences(8, a=0.05, b=0.05, c=0.05), Bounds(0.01, 0.0), alpha=0.05, test="wilcoxon")
        for number in range(criteria)
    }
    assert all(decision.verdict == "supported" for decision in found.values())
    assert set(corrected(found, 0.05).values()) == {after}


def test_what_is_undecided_by_itself_stays_so_and_directions_do_not_mix():
    limits = Bounds(0.01, 0.0)
    found = {
        "good": decide(differences(12, a=0.05, b=0.05), limits, alpha=0.05, test="wilcoxon"),
        "bad": decide(differences(12, a=0.05, b=-0.05), limits, alpha=0.05, test="wilcoxon"),
        "open": decide(differences(12, a=0.05, b=0.005), limits, alpha=0.05, test="wilcoxon"),
    }
    assert corrected(found, 0.05) == {"good": "supported", "bad": "contradicted", "open": "undecided"}


def test_the_correction_keeps_its_level_over_all_criteria():
    """Equal criteria, four of them with three rivals each: any verdict at all is false."""
    generator = np.random.default_rng(0)
    wrong = 0
    for _ in range(400):
        values = generator.normal(size=(12, 7))
        found = {
            str(one): decide({str(r): values[:, one] - values[:, r] for r in (4, 5, 6)}, Bounds(0.0, 0.0),
                             alpha=0.05, test="wilcoxon")
            for one in range(4)
        }  # fmt: skip
        wrong += any(verdict != "undecided" for verdict in corrected(found, 0.05).values())
    assert wrong / 400 <= 0.07  # 0.05 and two standard errors


@pytest.mark.slow
def test_without_a_test_over_studies_all_must_say_the_same_after_the_correction_too():
    """Two criteria with three rivals: in the study of six seeds no p-value passes, in that of eight all do."""
    eight = synthetic.curves(studies=("a-net",))
    six = synthetic.curves(studies=("b-net",), seeds=6, noise=0.001)
    table = verdicts(measure_all(pd.concat([eight, six])), synthetic.cost(study="a-net"), CLAIMS)
    found = table[(table["claim"] == "C1") & (table["criterion"] == "lrp")].set_index(["scope", "where"])
    assert found.loc[("overall", ""), "alike"] == "supported" == found.loc[("overall", ""), "verdict_macs"]
    assert found.loc[[("study", "a-net"), ("study", "b-net"), ("overall", "")], "verdict_holm"].to_list() == [
        "supported", "undecided", "undecided",
    ]  # fmt: skip


@pytest.mark.parametrize(("lowest", "says"), [(0.026 / 3, 0), (0.024 / 3, -1)])
def test_a_claim_about_three_rivals_is_contradicted_only_after_the_correction(lowest, says):
    """Supported needs all of them to pass and no correction; one of three contradicts at a third of the level."""
    assert directions(np.full(3, 0.9), np.array([0.5, lowest, 0.5]), 0.05) == says
    assert directions(np.full(3, 0.024), np.full(3, 0.9), 0.05) == 1
    assert directions(np.array([0.024, 0.026, 0.024]), np.full(3, 0.9), 0.05) == 0


@pytest.mark.parametrize(("criteria", "after"), [(2, "contradicted"), (3, "undecided")])
def test_what_is_contradicted_by_itself_may_not_be_once_all_are_corrected_together(criteria, after):
    found = {
        f"lrp{number}": decide(
            differences(8, a=-0.05, b=-0.05, c=-0.05), Bounds(0.01, 0.0), alpha=0.05, test="wilcoxon"
        )
        for number in range(criteria)
    }
    assert all(decision.verdict == "contradicted" for decision in found.values())
    assert set(corrected(found, 0.05).values()) == {after}
