"""Evidence: which rows of the tables a claim is decided by, and the differences that its test is made of."""

import numpy as np
import pandas as pd

from secateur.analysis import trace
from secateur.analysis.claims import Claim
from secateur.analysis.measures import MEASURES, UNPRUNED, wide

START = {"accuracy_at_rate": "unpruned_accuracy"}
"""Measure at a rate → what the network before pruning has of it."""
ABOVE, BELOW = "above", "below"
"""The two comparisons of a form with the criterion that it must be like: that it is not so much better, or worse."""


def evidence(claim: Claim, criterion: str, table: pd.DataFrame, study: str) -> pd.DataFrame:
    """The rows of one study that the claim is decided by; `table` holds the measures, for `at_most` the cost.

    For `keeps` they hold those of the control that is trained on without being pruned, or where the run has no such
    control the criterion's own accuracy before pruning.
    """
    if claim.comparison == "at_most":
        return table[(table["study"] == study) & (table["criterion"] == criterion)]
    chosen = table[(table["study"] == study) & (table["branch"] == claim.branch)]
    of_criteria = (chosen["control"] == "") & chosen["criterion"].isin([criterion, *claim.rivals])
    own = chosen[of_criteria & (chosen["measure"] == claim.measure)]
    if claim.samples_at_most is not None:
        counts = {text for text in own["samples_per_class"] if text.isdigit() and int(text) <= claim.samples_at_most}
        own = own[own["samples_per_class"].isin(counts)]
    if claim.comparison != "keeps":
        return own
    control = chosen[(chosen["control"] == UNPRUNED) & (chosen["measure"] == claim.measure)]
    start = chosen[of_criteria & (chosen["measure"] == START.get(claim.measure, ""))]
    reference = start[start["samples_per_class"].isin(set(own["samples_per_class"]))] if control.empty else control
    return pd.concat([own, reference])


def controlled(rows: pd.DataFrame) -> bool:
    """Whether evidence holds the control that is trained on without being pruned."""
    return "control" in rows and bool((rows["control"] == UNPRUNED).any())


def source(claim: Claim, behind: dict[str, pd.DataFrame], studies: list[str]) -> str:
    """The lines of the evidence of these studies; `behind`: study → evidence."""
    file = trace.COST if claim.comparison == "at_most" else trace.MEASURES
    return trace.source(file, [line for study in studies for line in behind[study].get("line", [])])


def differences(claim: Claim, criterion: str, rows: pd.DataFrame) -> dict[str, np.ndarray]:
    """Comparison → one difference a block of a study, positive in favour of the claim.

    A comparison is named by the rival, the rate (`keeps`), the form and ABOVE or BELOW (`equivalent`), or the limit.

    Args:
        rows: from `evidence`.
    """
    if claim.comparison == "at_most":  # on a logarithm: twice and half the limit are equally far from it
        return {f"{claim.limit:g}": np.log(claim.limit) - np.log(rows[claim.measure].to_numpy(dtype=float))}
    if claim.comparison == "keeps":
        return _losses(claim, criterion, rows)
    sign = 1.0 if MEASURES[claim.measure][0] == "higher" else -1.0
    values = sign * by_seed(rows, claim.measure)
    against = {rival: _minus(values, criterion, values, rival) for rival in claim.rivals if rival != criterion}
    if claim.comparison != "equivalent":
        return against
    return {
        f"{form} {side}": values if side == ABOVE else -values
        for form, values in against.items()
        for side in (ABOVE, BELOW)
    }


def _losses(claim: Claim, criterion: str, rows: pd.DataFrame) -> dict[str, np.ndarray]:
    """Rate, rising → accuracy minus the control's at that rate, or minus that before pruning where there is none."""
    is_control = rows["control"] == UNPRUNED
    own, control = rows[~is_control], rows[is_control]
    losses: dict[str, np.ndarray] = {}
    if control.empty and claim.measure not in START:
        own = own.iloc[:0]
    for rate in sorted(set(own.loc[own["measure"] == claim.measure, "at"])):
        left = by_seed(own, claim.measure, rate)
        if control.empty:
            losses[f"{rate:g}"] = _minus(left, criterion, by_seed(own, START[claim.measure]), criterion)
        else:
            losses[f"{rate:g}"] = _minus(left, criterion, by_seed(control, claim.measure, rate), "")
    return losses or {f"{claim.from_rate:g}": np.empty(0)}


def by_seed(measures: pd.DataFrame, measure: str, at: float | None = None) -> pd.DataFrame:
    """Rows seeds, columns criteria; a seed's value is its mean over sample counts, where all of them are there."""
    table = wide(measures, measure, at)
    whole = table.notna().groupby(level="seed").all()
    return table.groupby(level="seed").mean().where(whole)


def _minus(left: pd.DataFrame, one: str, right: pd.DataFrame, other: str) -> np.ndarray:
    if one not in left or other not in right:
        return np.empty(0)
    return (left[one] - right[other]).dropna().to_numpy(dtype=float)
