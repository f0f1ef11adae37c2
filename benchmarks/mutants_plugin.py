"""For pytest (`-p mutants_plugin`): coverage by test, and how long each test took."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import coverage
import pytest

WORK = Path(os.environ["MUTANTS_WORK"])
NAME = os.environ.get("PYTEST_XDIST_WORKER", "main")
SECONDS: dict[str, float] = {}
COVERAGE = coverage.Coverage(data_file=str(WORK / f"coverage-{NAME}"), source_pkgs=["secateur"], config_file=False)
COVERAGE.start()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Count what runs now for this test."""
    COVERAGE.switch_context(item.nodeid)
    return (yield)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Add up set-up, call and the rest."""
    SECONDS[report.nodeid] = SECONDS.get(report.nodeid, 0.0) + report.duration


def pytest_sessionfinish() -> None:
    """Write both down; with several workers each its own."""
    COVERAGE.stop()
    COVERAGE.save()
    (WORK / f"seconds-{NAME}.json").write_text(json.dumps(SECONDS), encoding="utf-8")
