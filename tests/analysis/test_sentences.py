"""How far a verdict's sentence says that it reaches: one study, studies that share a dataset, a grid of them."""

from dataclasses import replace

import pytest

from secateur.analysis import sentences
from secateur.analysis.claims import Claim
from secateur.analysis.overall import TEST
from secateur.analysis.sentences import finding

CLAIM = Claim("C1", "Better", "It is better.", "better_than", "mean_accuracy_over_rate", "fewshot", ("weight",))
ROW = {"criterion": "lrp", "n": 8, "reason": "", "scope": "overall", "blocks": "seeds", "test": "sign"}


@pytest.fixture(autouse=True)
def one_finding(monkeypatch):
    monkeypatch.setattr(sentences, "finding", lambda claim, row, alpha: "It was better.")


def test_of_one_study_it_says_what_nothing_is_known_about():
    each = {"a": "supported"}
    assert sentences.verdict(CLAIM, ROW, 0.05, each, (), ("dataset", "backbone")) == (
        "It was better. One study was run, so this says nothing about other images or networks."
    )
    assert sentences.verdict(CLAIM, ROW, 0.05, each, (), ("backbone",)).endswith("nothing about other networks.")
    assert sentences.verdict(CLAIM, ROW, 0.05, {}) == "It was better."


def test_of_studies_that_share_something_it_counts_them_and_says_where_it_looked_worst():
    each = {"a": "supported", "b": "undecided"}
    found = sentences.verdict(CLAIM, ROW, 0.05, each, (), ("dataset",))
    assert "Where it looked worst: it was better. All of them have one dataset, so this says nothing" in found
    assert found.endswith("nothing about other images.") and "One study was run" not in found


def test_over_a_grid_it_says_how_many_studies_were_tested():
    row = ROW | {"test": TEST, "n": 6, "blocks": "3 datasets × 2 networks"}
    found = sentences.verdict(CLAIM, row, 0.05, {"a": "supported"})
    assert found.startswith("Over 6 studies (3 datasets × 2 networks): It was better.")


def test_what_was_not_measured_is_named():
    row = ROW | {"n": 0}
    assert sentences.verdict(CLAIM, row, 0.05, {}) == (
        "Cannot be decided: this run has no fewshot curves of lrp, or none of weight."
    )
    assert "There are no fewshot curves of weight to compare with." in sentences.verdict(
        CLAIM, ROW, 0.05, {}, ("weight", "taylor")
    )
    few = sentences.verdict(CLAIM, ROW | {"reason": "few", "n": 4, "scope": "study"}, 0.05, {})
    assert "4 seeds are too few to decide: no test can reach its level with fewer than 6." in few


@pytest.mark.parametrize(("effect", "side"), [(0.03, "above"), (0.0, "above"), (-0.03, "below")])
@pytest.mark.parametrize("comparison", ["better_than", "not_worse_than", "equivalent"])
def test_a_finding_says_how_far_on_which_side(comparison, effect, side, monkeypatch):
    monkeypatch.setattr(sentences, "_interval", lambda claim, row, alpha: "95 % interval")
    row = ROW | {"effect": effect, "against": "weight", "verdict": "undecided"}
    said = finding(replace(CLAIM, comparison=comparison, margin=0.01), row, 0.05)
    assert f"{100 * abs(effect):.1f} points {side}" in said and ("above" in said.split("(")[0]) == (side == "above")
