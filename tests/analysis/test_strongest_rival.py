"""Whom a verdict names as the strongest rival: the one that is ahead by most, not the first of equal p-values."""

import numpy as np
import pytest

import synthetic
from secateur.analysis import claims as claim_files
from secateur.analysis.decisions import CONTRADICTED, Bounds, decide
from secateur.analysis.forms import of_run
from secateur.analysis.measures import measure_both
from secateur.analysis.verdicts import verdicts

SPREAD = np.linspace(-0.004, 0.004, 10)


@pytest.mark.parametrize("test", ["sign", "wilcoxon", "permutation"])
def test_of_rivals_that_contradict_the_one_ahead_by_most_decides(test):
    """All ten seeds lie below zero for both, so that their p-values are equal."""
    found = decide({"near": SPREAD - 0.01, "far": SPREAD - 0.1}, Bounds(0.01, 0.0), alpha=0.05, test=test)
    assert found.verdict == CONTRADICTED and found.against == "far"
    assert found.effect == pytest.approx(-0.1)


def test_a_rival_that_is_ahead_by_chance_does_not_decide():
    noisy = np.array([-1.5] * 5 + [0.5] * 5)  # far ahead on average, and in half of the seeds behind
    found = decide({"noisy": noisy, "sure": SPREAD - 0.01}, Bounds(0.01, 0.0), alpha=0.05, test="wilcoxon")
    assert found.verdict == CONTRADICTED and found.against == "sure" and noisy.mean() < found.effect


def test_the_sentence_names_whom_the_measures_show_ahead_by_most():
    curves = synthetic.curves({"lrp": 0.0, "weight": 0.05, "gradient": 0.02, "taylor": 0.1}, seeds=10)
    measures = measure_both(curves.assign(control=""), curves.iloc[:0])
    found = verdicts(measures, synthetic.cost(), of_run(claim_files.read("config/claims.yaml"), []))
    row = found.query("claim == 'C1' and scope == 'study' and criterion == 'lrp'")
    chosen = measures.query("branch == 'fewshot' and measure == 'mean_accuracy_over_rate'")
    values = chosen.groupby(["seed", "criterion"])["value"].mean().unstack()
    behind = values.rsub(values["lrp"], axis=0).median().drop("lrp")
    assert row["verdict"].item() == CONTRADICTED and row["against"].item() == behind.idxmin() == "taylor"
    text = row["sentence"].item()
    assert f"Against {behind.idxmin()}, its strongest rival here, counting those that are shown to be ahead," in text
    assert f"{abs(100 * behind.min()):.1f} points below" in text
