"""A synthetic run with its statistics, figures and page, made once for all tests of the report."""

from pathlib import Path

import pytest
from tests.once import made_once

import synthetic
from browsing import CHROMIUM, QUIET
from chain import HOSTILE, build


@pytest.fixture(scope="session")
def run(tmp_path_factory) -> Path:
    """Folder of a complete synthetic run."""
    return made_once(tmp_path_factory, "synthetic", build)


@pytest.fixture(scope="session")
def hostile(tmp_path_factory) -> Path:
    """Folder of a run whose names, from the config to the criteria, try to break the page."""
    return made_once(tmp_path_factory, "hostile", build_hostile)


def build_hostile(folder: Path) -> None:
    criteria = {"lrp": 0.05, "weight": 0.0, "gradient": 0.01, HOSTILE: -0.05}
    curves = synthetic.curves(criteria, samples=("1",), seeds=6)
    curves = curves.assign(study=HOSTILE, dataset=HOSTILE, backbone=HOSTILE)
    profiles, cost = synthetic.profiles(criteria, HOSTILE, 1), synthetic.cost(criteria, HOSTILE, 2)
    build(
        folder, curves=curves, profiles=profiles, cost=cost, missing=[HOSTILE], labels=(HOSTILE, HOSTILE),
        config={"run": HOSTILE, "deviations": [HOSTILE], "criteria": synthetic.entries(tuple(criteria))},
        provenance={"commit": HOSTILE, HOSTILE: {HOSTILE: HOSTILE}, "criteria": {HOSTILE: HOSTILE}},
    )  # fmt: skip


@pytest.fixture(scope="module")
def browser():
    sync = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield opened
        opened.close()
