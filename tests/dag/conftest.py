"""Planned runs, and what Snakemake gives functions of wildcards."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from snakemake.iocontainers import Wildcards

from secateur.config import REPOSITORY
from secateur.dag import PlannedRun

Planner = Callable[..., PlannedRun]


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Planner:
    """A function: changes of the tiny config → the run that is planned, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    text = (REPOSITORY / "tests/workflow/tiny.yaml").read_text(encoding="utf-8")

    def planned(**changes: Any) -> PlannedRun:
        return PlannedRun(yaml.safe_load(text) | changes)

    return planned


@pytest.fixture
def of() -> Callable[..., Wildcards]:
    """A function: names and values → Snakemake's wildcards."""
    return lambda **values: Wildcards(fromdict=values)
