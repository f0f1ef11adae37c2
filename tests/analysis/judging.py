"""Verdicts on tables of curves, and single ones of them."""

import pandas as pd

import synthetic
from secateur.analysis import claims as claim_files
from secateur.analysis.forms import of_run
from secateur.analysis.measures import measure_both
from secateur.analysis.verdicts import verdicts

CLAIMS = "config/claims.yaml"


FEW = {"samples": ("1",), "branches": ("fewshot",)}
"""Of `synthetic.curves`: all that the first claim is about."""
EQUAL = dict.fromkeys(synthetic.CRITERIA, 0.02)


def judge(curves: pd.DataFrame, cost: pd.DataFrame | None = None, run: list[dict] | None = None) -> pd.DataFrame:
    """Verdicts on a table of curves, with the rows of the control where it has any."""
    cost = synthetic.cost(study=str(curves["study"].iloc[0])) if cost is None else cost
    curves = curves if "control" in curves else curves.assign(control="")
    measures = measure_both(curves[curves["control"] == ""], curves[curves["control"] == "unpruned"])
    return verdicts(measures, cost, of_run(claim_files.read(CLAIMS), run or []))


def overall(table: pd.DataFrame, claim: str, criterion: str = "lrp") -> pd.Series:
    chosen = table[(table["claim"] == claim) & (table["criterion"] == criterion) & (table["scope"] == "overall")]
    assert len(chosen) == 1
    return chosen.iloc[0]


def alone(table: pd.DataFrame, claim: str, criterion: str = "lrp") -> pd.Series:
    """The verdict on the run's one study."""
    chosen = table[(table["claim"] == claim) & (table["criterion"] == criterion) & (table["scope"] == "study")]
    assert len(chosen) == 1
    return chosen.iloc[0]
