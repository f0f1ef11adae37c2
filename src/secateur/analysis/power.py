"""Power: what difference a run could have found, and how many seeds a config needs to find one."""

import functools

import numpy as np
import pandas as pd

from secateur.analysis.claims import Claims
from secateur.analysis.measures import MEASURES, wide
from secateur.analysis.paired import blocks_needed
from secateur.errors import SecateurError

SIMULATIONS = 2_000
MOST_SEEDS = 50
"""SciPy's exact distribution of the signed-rank statistic ends here."""


def power(blocks: int, effect: float, spread: float, alpha: float, seed: int = 0) -> float:
    """Share of repetitions in which the one-sided signed-rank test at alpha / 2 finds a true difference.

    Args:
        blocks: number of paired differences, 1 … 50.
        effect: their true mean beyond the bound of the claim; spread: their standard deviation, both in the same unit.
        alpha: level of the two-sided decision.
        seed: of the simulation of normal differences.

    Returns:
        A share in [0, 1], from `SIMULATIONS` repetitions (standard error at most 0.012).
    """
    from scipy import stats

    if blocks < blocks_needed(alpha / 2, "greater"):
        return 0.0
    draws = np.random.default_rng(seed).normal(effect, spread, size=(SIMULATIONS, blocks))
    p = stats.wilcoxon(draws, axis=1, alternative="greater", method="exact").pvalue
    return float((p <= alpha / 2).mean())


def detectable(blocks: int, spread: float, alpha: float, wanted: float = 0.8) -> float:
    """The smallest true difference beyond the bound that is found with power `wanted`; infinite for too few blocks."""
    return _quotient(blocks, alpha, wanted) * spread


@functools.cache
def _quotient(blocks: int, alpha: float, wanted: float) -> float:
    """Detectable difference divided by the spread, on which alone power depends; by bisection, to 1 %."""
    if blocks < blocks_needed(alpha / 2, "greater"):
        return float("inf")
    low, high = 0.0, 8.0
    while high - low > 0.01 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if power(blocks, middle, 1.0, alpha) >= wanted else (middle, high)
    return high


def seeds_needed(effect: float, spread: float, alpha: float, wanted: float = 0.8) -> int | None:
    """Fewest seeds with which a true difference of `effect` beyond the bound is found with power `wanted`.

    Returns:
        The number, or None when more than `MOST_SEEDS` would be needed.

    Raises:
        SecateurError: an effect that is not positive, or a power outside (0, 1).
    """
    if effect <= 0 or not 0 < wanted < 1:
        raise SecateurError(f"effect is {effect} and power {wanted}; allowed are effect > 0 and 0 < power < 1.")
    low, high = blocks_needed(alpha / 2, "greater"), MOST_SEEDS
    if detectable(high, spread, alpha, wanted) > effect:
        return None
    while low < high:  # more seeds never find less
        middle = (low + high) // 2
        low, high = (low, middle) if detectable(middle, spread, alpha, wanted) <= effect else (middle + 1, high)
    return low


def plan(measures: pd.DataFrame, claims: Claims, effect: float, wanted: float = 0.8) -> pd.DataFrame:
    """What each comparison of the claims could find, and the seeds it needs, from the spread of a pilot run.

    Args:
        measures: from `measures.measure_all` (or statistics/measures.csv), at least three seeds.
        claims: which criteria and rivals are compared, by which measure.
        effect: the true difference beyond the claim's bound that must be found, in the measure's unit, > 0.
        wanted: the power, in (0, 1).

    Returns:
        One row a claim, criterion, study and rival: `claim criterion study rival seeds spread detectable seeds_needed`;
        `detectable` is what this many seeds find with power `wanted`; `seeds_needed` is missing above 50.
    """
    rows = []
    for claim in claims.claims:
        if not claim.rivals:
            continue
        table = wide(measures, claim.measure).query("branch == @claim.branch")
        if claim.samples_at_most is not None:
            counts = table.index.get_level_values("samples_per_class")
            table = table[[text.isdigit() and int(text) <= claim.samples_at_most for text in counts]]
        table = table.groupby(level=["study", "seed"]).mean()
        for study, values in table.groupby(level="study"):
            for criterion in claims.criteria:
                for rival in claim.rivals:
                    if criterion not in values or rival not in values or criterion == rival:
                        continue
                    differences = (values[criterion] - values[rival]).dropna()
                    if len(differences) < 3:
                        continue
                    n, spread = min(len(differences), MOST_SEEDS), float(differences.std(ddof=1))
                    rows.append({
                        "claim": claim.id, "criterion": criterion, "study": study, "rival": rival, "seeds": n,
                        "spread": spread, "detectable": detectable(n, spread, claims.alpha, wanted),
                        "seeds_needed": seeds_needed(effect, spread, claims.alpha, wanted),
                        "unit": MEASURES[claim.measure][1],
                    })  # fmt: skip
    columns = ["claim", "criterion", "study", "rival", "seeds", "spread", "detectable", "seeds_needed", "unit"]
    return pd.DataFrame(rows, columns=columns).astype({"seeds_needed": "Int64"})
