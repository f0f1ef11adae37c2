"""Robustness: does a verdict stand by another measure, and when all that it is one of is corrected together?"""

from dataclasses import replace

from secateur.analysis.claims import Claim
from secateur.analysis.decisions import CONTRADICTED, SUPPORTED, UNDECIDED, Decision
from secateur.analysis.paired import holm

OTHER_MEASURES: dict[str, dict[str, str]] = {
    "verdict_macs": {"mean_accuracy_over_rate": "mean_accuracy_over_macs"},
    "verdict_params": {"mean_accuracy_over_rate": "mean_accuracy_over_params"},
    "verdict_worst_class": {
        "mean_accuracy_over_rate": "mean_worst_class_over_rate", "accuracy_at_rate": "worst_class_at_rate",
    },
}  # fmt: skip
"""Column of verdicts.csv → the measure of a claim → the one that its test is made again with."""


def with_measure(claim: Claim, column: str) -> Claim | None:
    """The same claim by the measure of a column of `OTHER_MEASURES`; None where its own has no such counterpart."""
    measure = OTHER_MEASURES[column].get(claim.measure)
    return replace(claim, measure=measure) if measure else None


def corrected(decisions: dict[str, Decision], alpha: float) -> dict[str, str]:
    """The verdicts on one claim with Holm's correction over all comparisons of all criteria that it is judged for.

    Each direction is corrected at alpha / 2: the chance that any comparison of any criterion is wrongly called is at
    most alpha. (A verdict by itself needs no correction to be *supported*, since every comparison must pass.)

    Args:
        decisions: criterion → its decision, by the same blocks.
    """
    above, below = _adjusted(decisions, "above"), _adjusted(decisions, "below")
    verdicts = {}
    for name, decision in decisions.items():
        verdicts[name] = UNDECIDED
        if any(p <= alpha / 2 for p in below[name]) and decision.verdict == CONTRADICTED:
            verdicts[name] = CONTRADICTED
        elif all(p <= alpha / 2 for p in above[name]) and decision.verdict == SUPPORTED:
            verdicts[name] = SUPPORTED
    return verdicts


def unanimous(verdicts: list[str]) -> str:
    """What all verdicts say, or undecided."""
    return verdicts[0] if len(set(verdicts)) == 1 else UNDECIDED


def _adjusted(decisions: dict[str, Decision], direction: str) -> dict[str, list[float]]:
    """Criterion → its p-values of one direction, corrected over those of all criteria."""
    verdict = SUPPORTED if direction == "above" else CONTRADICTED
    raw = {
        name: list(getattr(one, direction)) or [one.p / 2 if one.verdict == verdict else 1.0]
        for name, one in decisions.items()
    }
    adjusted = iter(holm([p for values in raw.values() for p in values]))
    return {name: [next(adjusted) for _ in values] for name, values in raw.items()}
