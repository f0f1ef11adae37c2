"""From synthetic tables to a page: the whole chain, as the tests of the report need it."""

from pathlib import Path

import synthetic
from secateur.analysis import statistics
from secateur.report import figures, page

CONFIG = {"run": "synthetic", "criteria": synthetic.entries()}
HOSTILE = "<script>alert(1)</script>&\"'$x$ {{ 7*7 }} {% raw %} {# no #}"
"""A name, with HTML, TeX and Jinja in it, that must come out as text wherever it is shown."""

PROVENANCE = {
    "commit": "abc1234", "criteria": {"lrp": "Relevance of a filter"},
    "glossary": {"lrp": {"sentence": "Relevance of a filter", "formula": "Σ R", "needs": "reference images",
                         "normalisation": "scores as they are", "paper": "Somebody, 2021"}}, "wall_seconds": 200.0,
    "rules": {"fewshot": {"jobs": 2, "wall_seconds": 20.0, "cpu_seconds": 18.0}},
}  # fmt: skip


def build(
    folder: Path, *, missing=(), config=CONFIG, provenance=None, labels=("bedroom", "street", "forest"), **tables
) -> Path:
    """Make the whole chain in `folder` and return the path of its page."""
    made = synthetic.write(folder, **tables)
    rankings = () if tables else synthetic.rankings(folder)
    statistics.run(made, folder / "statistics", config | {"run_seed": 1}, rankings=rankings)
    figures.run(
        made, folder / "statistics", folder / "figures",
        figures.Others(synthetic.boundaries(folder), synthetic.gallery(folder, labels), synthetic.plan(folder)),
    )  # fmt: skip
    sources = page.Sources(made, folder / "statistics", folder / "figures")
    page.run(sources, folder / "report.html", config, provenance or PROVENANCE, missing)
    return folder / "report.html"
