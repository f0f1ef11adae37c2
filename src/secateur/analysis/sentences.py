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
    return f"{level} {low:+z.1f} to {high:+z.1f}; n = {row['n']}"


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


def _centre(row: dict[str, Any]) -> str:
    return CENTRES.get(row["test"], "on average over seeds")


def finding(claim: Claim, row: dict[str, Any], alpha: float) -> str:
    """What was measured, without judging it."""
    if claim.comparison == "at_most":
        return _cost(claim, row, alpha)
    if claim.comparison == "keeps":
        return _kept(claim, row, alpha)
    name, span, effect = row["criterion"], _interval(claim, row, alpha), row["effect"]
    side, centre = "above" if effect >= 0 else "below", _centre(row)
    if claim.comparison == "equivalent":
        least = "the least like it"
        if row["verdict"] == CONTRADICTED:
            least += " of those that are shown to be too far away"
        which = f"Of the {len(claim.rivals)} other forms of {name} in this run, {row['against']} is {least}:"
        if len(claim.rivals) == 1:
            which = f"The one other form of {name} in this run, {row['against']}, was"
        return (
            f"{which} {_amount(claim, effect)} {side} {centre} ({span}). The claim holds where every form is within "
            f"{_amount(claim, claim.margin / 2)} of {name}, and fails where one is more than "
            f"{_amount(claim, claim.margin)} away."
        )
    margin = _amount(claim, claim.margin)
    needed = f"more than {margin} above" if claim.comparison == "better_than" else f"no more than {margin} below"
    which, every = "its strongest rival here", "every rival"
    if claim.strongest:
        which = f"the strongest of the {len(claim.rivals)} forms that its {len(claim.families)} rivals have in this run"
        every = "every form of every rival"
    if row["verdict"] == CONTRADICTED:  # a rival that is ahead by more, with too much spread to show it, is not meant
        which += ", counting those that are shown to be ahead"
    return (
        f"Against {row['against']}, {which}, {name} was {_amount(claim, effect)} {side} "
        f"{centre} ({span}); the claim needs {needed} {every}."
    )


def _cost(claim: Claim, row: dict[str, Any], alpha: float) -> str:
    unit = "times a gradient pass" if claim.measure == "ratio_to_gradient" else row["unit"]
    took = "a median of " if row["test"] == "sign" else ""
    return (
        f"Ranking with {row['criterion']} took {took}{row['effect']:.2f} {unit} ({_interval(claim, row, alpha)}); the "
        f"claim allows {claim.limit:g}."
    )


def _kept(claim: Claim, row: dict[str, Any], alpha: float) -> str:
    """Up to which rate accuracy is kept, and what was measured there or at the rate where that stopped."""
    name, effect = row["criterion"], row["effect"]
    what = "accuracy of its worst class" if "worst_class" in claim.measure else "accuracy"
    reference = "the same network trained on without being pruned" if row["control"] else "the network before pruning"
    level = f"({100 * (1 - alpha):g} %)"
    kept = (
        f"{name} keeps its {what} up to {100 * row['keeps_to']:.0f} % of the units removed {level}"
        if row["keeps_to"] > 0
        else f"{name} is not shown to keep its {what} at any rate {level}"
    )
    side = "above" if effect >= 0 else "below"
    return (
        f"{kept}. At {100 * row['at']:.0f} % it was {points(effect)} {side} {_centre(row)} "
        f"({_interval(claim, row, alpha)}), held against {reference}; the claim allows {points(claim.margin)} below, "
        f"at every rate up to {100 * claim.from_rate:.0f} % at least."
        + ("" if row["control"] else " This run has no control that is trained on without being pruned.")
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
        if claim.comparison == "equivalent" and not claim.rivals:
            return f"Cannot be decided: this run has no other form of {row['criterion']} to hold beside it."
        rivals = f", or none of {', '.join(claim.rivals)}" if claim.rivals else ""
        return f"Cannot be decided: this run has no {what} of {row['criterion']}{rivals}."
    text = finding(claim, row, alpha)
    if missing := [name for name in claim.rivals if any(name in (one, one.rpartition(" ")[0]) for one in absent)]:
        text += f" There are no {what} of {' and '.join(missing)} to compare with."
    if claim.comparison == "keeps" and row["reason"] == "missing":
        text += f" No rate of {100 * claim.from_rate:.0f} % or more was measured in full."
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
    outcomes = list(each.values())
    kinds = ("supported", "contradicted", "undecided")
    return f"Studies: {', '.join(f'{outcomes.count(kind)} {kind}' for kind in kinds if kind in outcomes)}."
