"""What the page says of tests on many criteria at once, alike in figures, tables and sentences."""

import itertools

import pandas as pd

from secateur.analysis.ranks import ENOUGH_BLOCKS, PERMUTATIONS
from secateur.analysis.tables import records


def told_apart(ranks: pd.DataFrame) -> frozenset[frozenset[str]]:
    """The pairs of criteria that Nemenyi's test, corrected for all pairs, tells apart in one setting.

    Args:
        ranks: rows of one setting of ranks.csv; none, or without a critical difference, tells nothing apart.
    """
    return frozenset(
        frozenset((one["criterion"], other["criterion"]))
        for one, other in itertools.combinations(records(ranks), 2)
        if not one["note"] and abs(one["average_rank"] - other["average_rank"]) > one["critical_difference"]
    )


def written_p(p: float, blocks: int) -> str:
    """The p-value of Friedman's test, with its relation: "= 0.03", or "≤ 1/5001" where permutations can say no more."""
    if blocks < ENOUGH_BLOCKS and p <= 1.000001 / (PERMUTATIONS + 1):
        return f"≤ 1/{PERMUTATIONS + 1}"
    return "< 0.001" if p < 0.001 else f"= {p:.2g}"
