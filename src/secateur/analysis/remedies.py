"""What each remedy is worth, whether it changes the order of criteria, and what the claims' verdicts are with it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from secateur.analysis import tables
from secateur.analysis.claims import Claims
from secateur.analysis.measures import measure_all
from secateur.analysis.paired import compare, exact_interval, holm, smallest_p
from secateur.analysis.verdicts import verdicts
from secateur.repair import NONE
from secateur.seeds import derive

MEASURE = "mean_accuracy_over_rate"
ROPE = 0.01
GROUP = ["study", "samples_per_class", "remedy"]
WORTH = [
    *GROUP, "criterion", "n", "mean", "low", "high", "gain", "gain_low", "gain_high", "wilcoxon_p", "wilcoxon_holm",
    "note",
]  # fmt: skip
ORDER = [*GROUP, "n", "criteria", "kendall", "low", "high", "best", "spread", "spread_before"]


def measured(tables_dir: str | Path) -> pd.DataFrame:
    """`measures.measure_all` of the few-shot branch under every remedy of a run but `none`, the column `remedy`."""
    curves = tables.read(tables_dir, "curves", numbered=True, remedy=None)
    curves = curves[curves["branch"] == "fewshot"]
    names = sorted(set(curves["remedy"]) - {NONE})
    by_remedy = [measure_all(curves[curves["remedy"] == name]).assign(remedy=name) for name in names]
    return pd.concat(by_remedy, ignore_index=True) if by_remedy else pd.DataFrame()


def judged(measures: pd.DataFrame, claims: Claims) -> pd.DataFrame:
    """The verdicts on the claims about the few-shot branch, judged anew in every cell of criterion × remedy.

    Args:
        measures: from `measured`, with the column `line` (see `statistics.numbered`).
        claims: from `forms.of_run`.

    Returns:
        The rows of `verdicts.verdicts` for each remedy but `none`, with the column `remedy`; their sentences say it.
    """
    ours = replace(claims, claims=tuple(claim for claim in claims.claims if claim.branch == "fewshot"))
    by_remedy = []
    for remedy, group in measures.groupby("remedy", sort=True):
        table = verdicts(group.drop(columns="remedy"), pd.DataFrame({"study": []}, dtype=object), ours)
        words = f"With every pruned network repaired by {remedy}: "
        by_remedy.append(table.assign(remedy=remedy, sentence=words + table["sentence"]))
    return pd.concat(by_remedy, ignore_index=True)


def worth(measures: pd.DataFrame, alpha: float, seed: int) -> pd.DataFrame:
    """Mean accuracy over rates of every criterion under every remedy, and what the remedy adds to it.

    Args:
        measures: of the few-shot branch with the column `remedy`: those of `measured`, and of `none`.
        alpha: level of the intervals and of the corrected tests.
        seed: of the streams of `paired.compare`.

    Returns:
        One row per study, sample count, remedy and criterion. `mean` with its exact interval over seeds; `gain`: the
        paired difference to `none` with its exact interval, tested by Wilcoxon's signed-rank test and corrected by Holm
        over the criteria of the same study, sample count and remedy (NaN and a `note` where too few seeds).
    """
    rows: list[dict[str, Any]] = []
    for (study, samples), group in _by_setting(measures):
        before = group[NONE]
        for remedy, table in group.items():
            setting: list[dict[str, Any]] = []
            for criterion in table.columns:
                values = table[criterion].dropna().to_numpy(dtype=float)
                low, high = exact_interval(values, 1 - alpha)
                row = {"study": study, "samples_per_class": samples, "remedy": remedy, "criterion": criterion,
                       "n": len(values), "mean": values.mean(), "low": low, "high": high, "note": ""}  # fmt: skip
                if remedy != NONE and criterion in before:
                    gains = (table[criterion] - before[criterion]).dropna().to_numpy(dtype=float)
                    names = (study, samples, str(remedy), str(criterion))
                    effect = compare(gains, alpha=alpha, rope=ROPE, seed=derive(seed, "remedy", *names))
                    row |= {"gain": effect["mean_difference"], "gain_low": effect["low"], "gain_high": effect["high"],
                            "wilcoxon_p": effect["wilcoxon_p"], "note": effect["note"]}  # fmt: skip
                    row["n_differ"] = effect["n_differ"]
                setting.append(row)
            tested = [row for row in setting if "wilcoxon_p" in row]
            reachable = len(tested) * smallest_p(max((row["n_differ"] for row in tested), default=0)) <= alpha
            for row, p in zip(tested, holm([row["wilcoxon_p"] for row in tested]), strict=True):
                row["wilcoxon_holm"] = p if reachable else np.nan
                if not reachable and not row["note"]:
                    row["note"] = f"too few seeds for {len(tested)} criteria to reach {alpha:g} after correction"
            rows += setting
    return pd.DataFrame(rows).reindex(columns=WORTH)


def order(measures: pd.DataFrame, alpha: float) -> pd.DataFrame:
    """How far a remedy leaves the order of criteria as it was without one.

    Returns:
        One row per study, sample count and remedy other than `none`: `kendall`, the mean over seeds of Kendall's τ
        between the criteria's accuracies with and without the remedy (1: the same order), with its exact interval;
        `best`: the criterion with the largest mean; `spread` and `spread_before`: largest minus smallest mean over
        criteria with and without the remedy. Seeds that lack a criterion are left out.
    """
    from scipy import stats

    rows: list[dict[str, Any]] = []
    for (study, samples), group in _by_setting(measures):
        before = group[NONE]
        for remedy, table in group.items():
            names = [name for name in table.columns if name in before]
            if remedy == NONE or len(names) < 2:
                continue
            with_it, without = table[names].dropna(), before[names].dropna()
            seeds = with_it.index.intersection(without.index)
            taus = np.array([stats.kendalltau(with_it.loc[each], without.loc[each]).statistic for each in seeds])
            taus = taus[np.isfinite(taus)]
            low, high = exact_interval(taus, 1 - alpha)
            mean, mean_before = with_it.mean(), without.mean()
            rows.append({
                "study": study, "samples_per_class": samples, "remedy": remedy, "n": len(taus), "criteria": len(names),
                "kendall": taus.mean() if len(taus) else np.nan, "low": low, "high": high, "best": mean.idxmax(),
                "spread": mean.max() - mean.min(), "spread_before": mean_before.max() - mean_before.min(),
            })  # fmt: skip
    return pd.DataFrame(rows, columns=ORDER)


def _by_setting(measures: pd.DataFrame) -> list[tuple[tuple[str, str], dict[str, pd.DataFrame]]]:
    """(Study, sample count) → remedy, `none` first → table of seeds × criteria."""
    chosen = measures[measures["measure"] == MEASURE]
    by_setting = []
    for (study, samples), group in chosen.groupby(["study", "samples_per_class"], sort=True):
        by_remedy = {
            str(remedy): part.pivot(index="seed", columns="criterion", values="value")
            for remedy, part in group.groupby("remedy")
        }
        if NONE in by_remedy:
            first = {NONE: by_remedy.pop(NONE)}
            by_setting.append(((str(study), str(samples)), first | dict(sorted(by_remedy.items()))))
    return by_setting
