"""The benchmarks run, on sizes that say nothing, and the page keeps what is not measured anew."""

import json
import sys

import pandas as pd
import pytest
import torch
from torch import nn

from secateur.config import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "benchmarks"))
import accelerator
import criteria
import findings
import page
import sweep

CPU = torch.device("cpu")


def test_a_page_keeps_the_sections_that_are_not_measured():
    text = page.page({"sweep": "**1 %**", "dag": "6,000 jobs"}, "a machine")
    assert page.sections(text) == {"sweep": "**1 %**", "dag": "6,000 jobs"}
    assert "a machine" in text and text.index("few-shot sweep") < text.index("paper's DAG")


def test_the_page_in_the_docs_has_every_section():
    found = page.sections(page.PAGE.read_text(encoding="utf-8"))
    assert set(found) == set(page.SECTIONS) and all(found.values())


def test_without_a_card_the_page_says_that_nothing_was_measured():
    assert page.card(CPU) == page.NO_CARD


@pytest.mark.slow
def test_what_a_card_would_do_runs_on_any_device():
    rows = list(accelerator.measure("resnet18", 32, 4, 64, CPU, 1, compiled=False))
    assert [row.way for row in rows] == ["float32", "bfloat16", "bfloat16, channels last"]
    assert all(value > 0 for row in rows for value in row[1:])
    assert accelerator.table(rows).count("\n") == 4


@pytest.mark.slow
def test_a_sweep_costs_at_least_its_forward_passes():
    found = sweep.measure("resnet18", 32, 16)
    assert 0 < found.forward < found.total and found.removal > 0


def test_the_bound_passes_every_layer_as_often_as_it_says():
    layers = [nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(16, 2)]
    model = nn.Sequential(*layers).requires_grad_(False)
    work = criteria.convolutions(model, torch.randn(2, 3, 4, 4))
    calls = []
    for layer in (layers[0], layers[2]):
        layer.register_forward_hook(lambda layer, *_: calls.append(type(layer).__name__))
    work(3, 1)
    assert calls == ["Conv2d", "Linear", "Linear", "Linear"]


@pytest.fixture
def run(tmp_path):
    """The statistics of a run with two criteria, of which one is chosen otherwise in a variant."""
    for folder in ("statistics", "tables"):
        (tmp_path / "zoo" / folder).mkdir(parents=True)
    means = {("fewshot", "a"): 0.2, ("fewshot", "b"): 0.5, ("retrain", "a"): 0.9, ("retrain", "b"): 0.8}
    rows = [
        ("s", branch, 10, criterion, findings.MEASURE, 8, mean, low, mean + 0.01)
        for (branch, criterion), mean in means.items()
        for low in [mean - 0.01 if criterion == "a" else None]
    ]
    columns = ["study", "branch", "samples_per_class", "criterion", "measure", "n", "mean", "low", "high"]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "zoo/statistics/intervals.csv", index=False)
    cost = pd.DataFrame({"criterion": ["a", "a", "b"], "ratio_to_gradient": [1.0, 3.0, 0.5]})
    cost.to_csv(tmp_path / "zoo/tables/cost.csv", index=False)
    rows = [("s", "fewshot", 10, "a", "rule: x", 8, 0.05, 0.01), ("s", "fewshot", 10, "a", "rule: y", 8, -0.05, None)]
    columns = ["study", "branch", "samples_per_class", "criterion", "choice", "n", "mean_difference", "wilcoxon_holm"]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "zoo/statistics/choices.csv", index=False)
    (tmp_path / "zoo/provenance.json").write_text(json.dumps({"config_hash": "abc", "commit": "def"}))
    return tmp_path / "zoo"


def test_findings_have_the_best_first_and_an_interval_where_there_is_one(run):
    head, _, *rows = findings.compared(run).split("\n\n")[0].splitlines()
    assert head == "| criterion | s: not retrained | s: retrained | cost ÷ gradient |"
    assert rows == ["| b | 50.0 | 80.0 | 0.5 |", "| a | 20.0 [19.0, 21.0] | 90.0 [89.0, 91.0] | 2.0 |"]


def test_a_choice_is_bold_where_the_corrected_test_says_so(run):
    text = findings.choices(run)
    assert "| a, rule: x | **+5.0** |\n| a, rule: y | −5.0 |" in text and "hash abc, commit def" in text


def test_the_page_of_findings_has_every_table():
    text = findings.PAGE.read_text(encoding="utf-8")
    assert all(text.partition(f"<!-- {name} -->\n| ")[2] for name in findings.TABLES)
