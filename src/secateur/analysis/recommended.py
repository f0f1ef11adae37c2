"""Which criterion to use on each network, and how much can go with it: without training, repaired, retrained.

Statements for someone who has to choose: the criterion with the highest mean accuracy over the rates, those that
cannot be told from it, and the share of filters, multiply-adds and parameters that goes before accuracy falls below
95 % of the unpruned network's.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from secateur.analysis import tables
from secateur.analysis.measures import KEPT, averaged, first_below
from secateur.analysis.paired import exact_interval, sign_p
from secateur.repair import NONE

TREATMENTS = ("none", "repaired", "retrained")
"""What is done with the pruned network: nothing, a remedy without training, or training."""
SHARE = KEPT[0]
COLUMNS = [
    "study", "dataset", "backbone", "treatment", "remedy", "samples_per_class", "n", "criterion", "mean", "low", "high",
    "candidates", "level", "few", "runner_up", "lead", "lead_low", "lead_high",
    "rate", "rate_low", "rate_high", "macs", "macs_low", "macs_high", "params", "params_low", "params_high", "at_limit",
]  # fmt: skip


def recommend(tables_dir: str | Path, alpha: float) -> pd.DataFrame:
    """The decision table of a run.

    Args:
        tables_dir: folder with curves.parquet.
        alpha: level; intervals have 1 − alpha.

    Returns:
        `COLUMNS`, one row per study and treatment, on the most reference images per class that the branch has.
        `criterion` has the highest `mean` (accuracy over the rates, of all seeds, with its exact interval over `n`
        seeds); `level`: all that may be the best (see `candidates`), separated by ";"; `few`: so few seeds that no
        criterion could be left out; `lead`: mean paired difference to the runner-up. `rate`, `macs`, `params`: shares
        that are gone where the accuracy first falls below 95 % of the unpruned network's, means over seeds with exact
        intervals, `at_limit` the number of seeds whose curve never falls so far (then a lower bound). `remedy` is the
        one under which the best criterion has the highest mean.
    """
    curves = tables.read(tables_dir, "curves", remedy=None)
    rows = [
        _row(setting, curve, alpha)
        for study in sorted(set(curves["study"]))
        for setting, curve in _settings(curves[curves["study"] == study])
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def candidates(values: np.ndarray, alpha: float) -> tuple[np.ndarray, bool]:
    """Which of several criteria may be the best: all but those that another one is significantly ahead of.

    A subset selection (Gupta, On some multiple decision rules, 1965) by exact sign tests of the paired differences,
    each at alpha / (criteria − 1): the best one is left out with probability at most alpha, whatever the distributions.

    Args:
        values: accuracy of each seed and criterion, shape (seeds, criteria), finite.

    Returns:
        Booleans, shape (criteria,); and whether there are so few seeds that none could be left out.
    """
    seeds, count = values.shape
    if count < 2:
        return np.ones(count, dtype=bool), False
    differences = values.T[None, :, :] - values.T[:, None, :]  # [i, j]: how far j is ahead of i
    behind = np.asarray(sign_p(differences, "greater")) * (count - 1) <= alpha
    return np.logical_not(behind.any(axis=1)), bool(0.5**seeds * (count - 1) > alpha)


def _settings(curves: pd.DataFrame) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Of one study: what is done with pruned networks, and their curves."""
    fewshot, retrained = curves[curves["branch"] == "fewshot"], curves[curves["branch"] == "retrain"]
    for treatment, chosen in (
        ("none", fewshot[fewshot["remedy"] == NONE]), ("repaired", _best_remedy(fewshot)), ("retrained", retrained),
    ):  # fmt: skip
        if len(chosen):
            most = tables.in_order(chosen["samples_per_class"])[-1]
            of_samples = chosen[chosen["samples_per_class"] == most]
            first = of_samples.iloc[0]
            names = {name: first[name] for name in ("study", "dataset", "backbone", "remedy")}
            yield names | {"treatment": treatment, "samples_per_class": most}, of_samples


def _best_remedy(curves: pd.DataFrame) -> pd.DataFrame:
    """The rows of the remedy whose best criterion has the highest mean, of those with the most images per class."""
    repaired = curves[curves["remedy"] != NONE]
    if repaired.empty:
        return repaired
    most = tables.in_order(repaired["samples_per_class"])[-1]
    repaired = repaired[repaired["samples_per_class"] == most]
    best = {str(name): _table(rows).mean().max() for name, rows in repaired.groupby("remedy", sort=True)}
    return repaired[repaired["remedy"] == max(best, key=lambda name: best[name])]


def _pieces(curves: pd.DataFrame) -> dict[tuple[str, int], pd.DataFrame]:
    """(Criterion, seed) → its curve in rising order; those of a single point say nothing."""
    groups: Any = curves.sort_values("rate").groupby(["criterion", "seed"], sort=True)
    return {(str(name), int(seed)): piece for (name, seed), piece in groups if len(piece) > 1}


def _table(curves: pd.DataFrame) -> pd.DataFrame:
    """Mean accuracy over the rates that all curves have reached: seeds × criteria, of the seeds that all have."""
    pieces = _pieces(curves)
    until = min(float(piece["rate_achieved"].max()) for piece in pieces.values())
    averages = pd.Series({key: averaged(*_points(piece, "accuracy"), until) for key, piece in pieces.items()})
    return averages.unstack(level=0).dropna()


def _points(piece: pd.DataFrame, column: str) -> tuple[np.ndarray, np.ndarray]:
    """Shares of units that are gone, strictly rising, and another column there."""
    by_rate = piece.groupby(piece["rate_achieved"].round(12))[column].mean()
    return by_rate.index.to_numpy(dtype=float), by_rate.to_numpy(dtype=float)


def _row(setting: dict[str, Any], curves: pd.DataFrame, alpha: float) -> dict[str, Any]:
    table = _table(curves)
    order = table.mean().sort_values(ascending=False, kind="stable").index
    best = str(order[0])
    among, few = candidates(table[order].to_numpy(dtype=float), alpha)
    row = setting | {"n": len(table), "criterion": best, "candidates": int(among.sum()), "few": few,
                     "level": ";".join(map(str, order[among]))}  # fmt: skip
    row |= _over_seeds(table[best].to_numpy(dtype=float), "mean", alpha)
    if len(order) > 1:
        row["runner_up"] = str(order[1])
        row |= _over_seeds((table[best] - table[order[1]]).to_numpy(dtype=float), "lead", alpha)
    pieces = [piece for (name, seed), piece in _pieces(curves).items() if name == best and seed in table.index]
    kept = [_kept(piece) for piece in pieces]
    for name in ("rate", "macs", "params"):
        row |= _over_seeds(np.array([one[name] for one in kept]), name, alpha)
    return row | {"at_limit": sum(one["limit"] for one in kept)}


def _kept(piece: pd.DataFrame) -> dict[str, Any]:
    """Shares that are gone where the accuracy first falls below 95 % of its start, or at the end of the curve."""
    x, accuracy = _points(piece, "accuracy")
    rate = first_below(x, accuracy, SHARE * accuracy[0], float(x[-1]))
    gone = {name: float(np.interp(rate, x, 1 - _points(piece, f"{name}_share")[1])) for name in ("macs", "params")}
    return gone | {"rate": rate, "limit": rate >= float(x[-1])}


def _over_seeds(values: np.ndarray, name: str, alpha: float) -> dict[str, float]:
    """The mean with its exact interval, under the names that the table has for a quantity."""
    low, high = exact_interval(values, 1 - alpha)
    beside = ("low", "high") if name == "mean" else (f"{name}_low", f"{name}_high")
    return {name: float(values.mean()), beside[0]: low, beside[1]: high}
