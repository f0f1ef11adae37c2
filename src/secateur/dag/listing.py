"""How a run's artefacts are listed in Snakemake's own report (`snakemake --report`): arguments of its `report()`.

Captions count from the folder of the rules.
"""

from typing import Any

CAPTIONS = "../../report/captions"
STATISTICS: dict[str, Any] = {
    "patterns": ["{table}.csv"],
    "caption": f"{CAPTIONS}/statistics.rst",
    "category": "Statistics",
    "labels": {"table": "{table}"},
}
FIGURES: dict[str, Any] = {
    "patterns": ["{section}_{figure}.svg"],
    "caption": f"{CAPTIONS}/figure.rst",
    "category": "Figures",
    "subcategory": "{section}",
    "labels": {"figure": "{figure}"},
}
PAGE: dict[str, Any] = {
    "caption": f"{CAPTIONS}/page.rst",
    "category": "Report",
    "labels": {"file": "the page"},
}
LATEX: dict[str, Any] = {
    "caption": f"{CAPTIONS}/latex.rst",
    "category": "Report",
    "labels": {"file": "tables for LaTeX"},
}
