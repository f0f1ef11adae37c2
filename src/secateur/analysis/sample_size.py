"""Planning: what a run could have found, and how many seeds a config needs, from the spread of a pilot run.

Differences of a claim are planned as the verdict tests them: paired, by its own test, each comparison at alpha / 2,
and "supported" only if all comparisons are found. Pairs of criteria are planned as the table of pairs tests them: by
signed ranks, after Holm.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from secateur.analysis import trace
from secateur.analysis.calibration import Proportion
from secateur.analysis.claims import AGAINST_RIVALS, Claim, Claims
from secateur.analysis.decisions import SUPPORTED, bounds, judge
from secateur.analysis.evidence import evidence
from secateur.analysis.measures import MEASURES
from secateur.analysis.paired import blocks_needed
from secateur.analysis.power import WANTED, Test, detectable, seeds_needed
from secateur.analysis.tables import records

ALL = "all rivals"
"""Stands for a claim's rivals together: "supported" needs a difference from each of them."""
FEWEST = 3
"""Seeds without which a pilot says nothing about its spread."""
UPPER = 0.8
"""Confidence of the upper bound of a pilot's spread."""
COLUMNS = [
    "claim", "criterion", "study", "branch", "rival", "seeds", "spread", "spread_upper", "detectable", "seeds_needed",
    "seeds_needed_upper", "unit", "source",
]  # fmt: skip
PAIR_COLUMNS = [
    "study", "branch", "samples_per_class", "measure", "pairs", "fewest_seeds", "seeds", "criterion", "other", "spread",
    "spread_upper", "seeds_needed", "seeds_needed_upper", "unit",
]  # fmt: skip


def plan(measures: pd.DataFrame, claims: Claims, effect: float, wanted: float = WANTED) -> pd.DataFrame:
    """What each comparison of the claims could find in this run, and the seeds it needs.

    Args:
        measures: from `measures.measure_all`, at least `FEWEST` seeds; its column `line`, if any, becomes the source.
        claims: which criteria and rivals are compared, by which measure; claims without rivals are left out.
        effect: the true difference beyond the claim's bound that must be found, in the measure's unit, > 0.
        wanted: the power, in (0, 1).

    Returns:
        `COLUMNS`, one row a claim, criterion, study and rival, and one for `ALL` of them. `spread` is the standard
        deviation of the paired differences (for `ALL` the largest), `spread_upper` its upper bound with confidence
        `UPPER`; `detectable` is what this many seeds find with power `wanted`; `seeds_needed` is missing above
        `power.MOST_SEEDS`, `seeds_needed_upper` is that number should the spread be its upper bound.
    """
    rows = []
    for claim in claims.claims:
        if claim.comparison not in AGAINST_RIVALS:
            continue
        test: Test = "sign" if claim.test == "sign" else "wilcoxon"  # permutations find about what signed ranks find
        for study in sorted(set(measures["study"])):
            for criterion in claims.criteria:
                behind = evidence(claim, criterion, measures, study)
                table = differences(claim, criterion, behind)
                if len(table) < FEWEST or table.empty:
                    continue
                row = {
                    "claim": claim.id, "criterion": criterion, "study": study, "branch": claim.branch,
                    "seeds": len(table), "unit": MEASURES[claim.measure][1],
                }  # fmt: skip
                for name, rivals in [*((one, [one]) for one in table), (ALL, list(table))]:
                    lines: Iterable[int] = behind[behind["criterion"].isin([criterion, *rivals])].get("line", [])
                    against = {"rival": name, "source": trace.source(trace.MEASURES, lines)}
                    rows.append(row | against | _planned(table[rivals], effect, claims.alpha / 2, wanted, test))
    return _table(rows, COLUMNS)


def pairs(measures: pd.DataFrame, measure: str, alpha: float, effect: float, wanted: float = WANTED) -> pd.DataFrame:
    """Seeds with which Wilcoxon's test finds a difference of a pair of criteria after Holm's correction.

    Args:
        measures: from `measures.measure_all`; measure: the one to compare by; the others as in `plan`.

    Returns:
        `PAIR_COLUMNS`, one row a study, branch and sample count: its number of `pairs`, the `fewest_seeds` with which
        any corrected test can reach alpha, and the pair with the largest spread.
    """
    rows = []
    chosen = measures[measures["measure"] == measure]
    for (study, branch, samples), group in chosen.groupby(["study", "branch", "samples_per_class"], sort=True):
        table = group.pivot(index="seed", columns="criterion", values="value").dropna()
        names = list(table.columns)
        every = [(one, two) for index, one in enumerate(names) for two in names[index + 1 :]]
        if len(table) < FEWEST or not every:
            continue
        one, two = max(every, key=lambda pair: float((table[pair[0]] - table[pair[1]]).std()))
        widest = (table[one] - table[two]).to_frame(ALL)
        rows.append(
            {"study": study, "branch": branch, "samples_per_class": samples, "measure": measure, "pairs": len(every),
             "fewest_seeds": blocks_needed(alpha, comparisons=len(every)), "seeds": len(table), "criterion": one,
             "other": two, "unit": MEASURES[measure][1]}
            | _planned(widest, effect, alpha / 2 / len(every), wanted, "wilcoxon")
        )  # fmt: skip
    return _table(rows, PAIR_COLUMNS)


def differences(claim: Claim, criterion: str, behind: pd.DataFrame) -> pd.DataFrame:
    """Seeds × rivals of a study: criterion minus rival, turned so that more is better; a seed's mean over samples."""
    values = behind.groupby(["seed", "criterion"])["value"].mean().unstack("criterion")
    if criterion not in values:
        return pd.DataFrame()
    sign = 1.0 if MEASURES[claim.measure][0] == "higher" else -1.0
    rivals = [name for name in claim.rivals if name in values and name != criterion]
    return sign * (-values[rivals].sub(values[criterion], axis=0)).dropna()


def checked(
    planned: pd.DataFrame, measures: pd.DataFrame, claims: Claims, effect: float, repetitions: int
) -> list[Proportion]:
    """How often the verdict itself is "supported" with the planned number of seeds: new draws of the pilot's spread.

    Args:
        planned: rows of `plan` for `ALL` rivals, with `seeds_needed`; measures, claims, effect: what they were made of.

    Returns:
        The share of `repetitions` simulated runs, for every row.
    """
    by_id = {claim.id: claim for claim in claims.claims}
    shares = []
    for row in records(planned):
        claim = by_id[row["claim"]]
        table = differences(claim, row["criterion"], evidence(claim, row["criterion"], measures, row["study"]))
        generator = np.random.default_rng(1)
        mean = np.full(table.shape[1], bounds(claim).upper + effect)
        count = 0
        for _ in range(repetitions):
            drawn = generator.multivariate_normal(
                mean, _covariance(table), size=int(row["seeds_needed"]), method="eigh"
            )
            by_rival = dict(zip(table.columns, drawn.T, strict=True))
            count += judge(claim, by_rival, claims.alpha).verdict == SUPPORTED
        shares.append(Proportion(count, repetitions))
    return shares


def _planned(table: pd.DataFrame, effect: float, level: float, wanted: float, test: Test) -> dict[str, Any]:
    from scipy import stats

    freedom = len(table) - 1
    covariance = _covariance(table)
    widening = float(freedom / stats.chi2.ppf(1 - UPPER, freedom)) ** 0.5
    spread = float(np.sqrt(np.diag(covariance).max()))
    one = table.shape[1] == 1
    return {
        "spread": spread, "spread_upper": spread * widening,
        "detectable": detectable(len(table), spread if one else covariance, level, wanted, test),
        "seeds_needed": seeds_needed(effect, spread if one else covariance, level, wanted, test),
        "seeds_needed_upper": seeds_needed(
            effect, spread * widening if one else covariance * widening**2, level, wanted, test
        ),
    }  # fmt: skip


def _covariance(table: pd.DataFrame) -> np.ndarray:
    return np.cov(table.to_numpy().T, ddof=1).reshape(table.shape[1], -1)


def _table(rows: list[dict[str, Any]], columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=columns).astype({"seeds_needed": "Int64", "seeds_needed_upper": "Int64"})
