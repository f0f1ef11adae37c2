"""The benchmarks run, on sizes that say nothing, and the page keeps what is not measured anew."""

import accelerator
import criteria
import page
import pytest
import sweep
import torch
from torch import nn

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
    calls.clear()
    work(1, 1, (2, 1))  # the linear layer reads numbers of both signs
    assert calls == ["Conv2d", "Linear", "Linear"]
