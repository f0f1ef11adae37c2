"""Sentences: what a verdict means, in words that need no statistics."""

import math
from collections.abc import Mapping
from typing import Any

from secateur.analysis.claims import Claim
from secateur.analysis.decisions import CONTRADICTED, SUPPORTED, UNDECIDED
from secateur.analysis.overall import NAMES, TEST
from secateur.analysis.paired import blocks_needed


def points(difference: float) -> str:
    """A difference of accuracies in percentage points, such as "2.4 points"."""
    text = f"{abs(100 * difference):.1f}"
    return f"{text} point" if text == "1.0" else f"{text} points"


def _amount(claim: Claim, value: float) -> str:
    if "accuracy" in claim.measure or "worst_class" in claim.measure:
        return points(value)
    return f"{abs(value):.3g}"


def _interval(claim: Claim, row: dict[str, Any], alpha: float) -> str:
    if math.isnan(row["low"]):
        return f"n = {row['n']}"
    level = f"{100 * (1 - alpha):g} % interval"
    if claim.comparison == "at_most":
        return f"{level} {row['low']:.2f} to {row['high']:.2f}; n = {row['n']}"
    low, high = 100 * row["low"], 100 * row["high"]
    if not ("accuracy" in claim.measure or "worst_class" in claim.measure):
        low, high = row["low"], row["high"]
    return f"{level} {low:+.1f} to {high:+.1f}; n = {row['n']}"


def badge(row: Mapping[str, Any]) -> tuple[str, str]:
    """What a verdict's row says in short: its kind, and the words for it.

    Where a verdict over studies is undecided but all of them say alike, that is the kind, and the words say of what:
    such as ("supported", "supported in both studies").
    """
    if row["verdict"] != UNDECIDED or row["alike"] not in (SUPPORTED, CONTRADICTED):
        return row["verdict"], row["verdict"]
    where = {1: "in the one study", 2: "in both studies"}.get(row["studies"], f"in all {row['studies']} studies")
    return row["alike"], f"{row['alike']} {where}"


CENTRES = {"sign": "in the median seed", TEST: "on average over the studies"}
"""Test → what its effect is the centre of, in words; of the others it is the mean over seeds."""
OTHERS = {"dataset": "images", "backbone": "networks"}
"""Factor with a single level → what nothing is known about."""


def finding(claim: Claim, row: dict[str, Any], alpha: float) -> str:
    """What was measured, without judging it."""
    name, span, effect = row["criterion"], _interval(claim, row, alpha), row["effect"]
    if claim.comparison == "at_most":
        unit = "times a gradient pass" if claim.measure == "ratio_to_gradient" else row["unit"]
        took = "a median of " if row["test"] == "sign" else ""
        return f"Ranking with {name} took {took}{effect:.2f} {unit} ({span}); the claim allows {claim.limit:g}."
    side = "above" if effect >= 0 else "below"
    centre = CENTRES.get(row["test"], "on average over seeds")
    if claim.comparison == "keeps":
        return (
            f"With {100 * row['at']:.0f} % of the units removed by {name}, accuracy was {points(effect)} "
            f"{side} the unpruned network's {centre} ({span}); the claim allows {points(claim.margin)} below, "
            f"at {100 * claim.from_rate:.0f} % or more."
        )
    margin = _amount(claim, claim.margin)
    needed = f"more than {margin} above" if claim.comparison == "better_than" else f"no more than {margin} below"
    return (
        f"Against {row['against']}, its strongest rival here, {name} was {_amount(claim, effect)} {side} "
        f"{centre} ({span}); the claim needs {needed} every rival."
    )


def verdict(
    claim: Claim, row: dict[str, Any], alpha: float, each: dict[str, str], absent: tuple[str, ...] = (),
    alone: tuple[str, ...] = (),
) -> str:  # fmt: skip
    """A few plain sentences for a verdict's row.

    Args:
        claim: the claim; row: its row in verdicts.csv without the sentence; alpha: level of the verdict.
        each: study → verdict, for a verdict over studies (of a dataset, a backbone or all); empty for a study's own.
        absent: names of the comparisons without data.
        alone: factors of which a verdict over studies has a single level.
    """
    what = "cost" if claim.comparison == "at_most" else f"{claim.branch} curves"
    if not row["n"]:
        rivals = f", or none of {', '.join(absent)}" if claim.rivals else ""
        return f"Cannot be decided: this run has no {what} of {row['criterion']}{rivals}."
    text = finding(claim, row, alpha)
    if absent and claim.rivals:
        text += f" There are no {what} of {' and '.join(absent)} to compare with."
    if row["reason"] == "few":
        blocks = row["blocks"] if row["scope"] == "study" else "repeats" if claim.comparison == "at_most" else "seeds"
        needed = blocks_needed(alpha / 2, "greater")
        text += f" {row['n']} {blocks} are too few to decide: no test can reach its level with fewer than {needed}."
    elif row["reason"] == "unclear":
        text += " The data allow both readings."
    if not each:
        return text
    if row["test"] == TEST:
        return f"Over {row['n']} studies ({row['blocks']}): {text} {_counted(each)}"
    others = " or ".join(OTHERS[factor] for factor in alone)
    if len(each) == 1:
        return f"{text} One study was run, so this says nothing about other {others}."
    shared = " and ".join(f"one {NAMES[factor][0]}" for factor in alone)
    worst = f"Where it looked worst: {text[0].lower()}{text[1:]}"
    return f"{_counted(each)} {worst} All of them have {shared}, so this says nothing about other {others}."


def _counted(each: dict[str, str]) -> str:
    found = list(each.values())
    kinds = ("supported", "contradicted", "undecided")
    return f"Studies: {', '.join(f'{found.count(kind)} {kind}' for kind in kinds if kind in found)}."
