"""Layer or filter: how much of a criterion's lead is how many units each layer loses, and how much is which of them.

With a the mean accuracy of a criterion's own choice, b of its numbers with units at random, c of its order in layers
that all lose the same fraction, and d of that fraction at random, the design is a 2 × 2 factorial one. Its effects:

    lead        = a − d
    where       = ((b − d) + (a − c)) / 2      own numbers against equal ones, averaged over both orders
    which       = ((c − d) + (a − b)) / 2      own order against a random one, averaged over both numbers
    interaction = (a − b) − (c − d)            what the order is worth more with the criterion's own numbers

They are the main effects of the two factors (Fisher 1935) and the Shapley values of the two choices (Shapley 1953), so
that where + which = lead whatever the interaction; b − d and c − d alone add up to the lead only where there is none.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from secateur.analysis import tables
from secateur.analysis.measures import averaged, points
from secateur.analysis.paired import compare, holm, smallest_p
from secateur.choosing import EQUAL, EQUAL_SHUFFLED, OWN, SHUFFLED
from secateur.seeds import derive

ROPE = 0.01
EFFECTS = ("lead", "where", "which", "interaction")
CHOICES = (OWN, SHUFFLED, EQUAL, EQUAL_SHUFFLED)
SETTING = ["study", "samples_per_class", "criterion"]
COLUMNS = [
    *SETTING, "effect", "at", "n", "mean", "low", "high", "wilcoxon_p", "wilcoxon_holm", *CHOICES, "note",
]  # fmt: skip


def measured(tables_dir: str | Path) -> pd.DataFrame:
    """Accuracy of every choice, criterion and seed of a run that was decomposed, averaged over its shuffles.

    Returns:
        One row per study, sample count, criterion, seed and `at` (a pruning rate; NaN: averaged over the rates as
        `mean_accuracy_over_rate` is), with a column for each of `CHOICES`. Only rates at which all choices were
        measured count, and all curves of a study and sample count are averaged over the same range. No row where
        nothing was decomposed.
    """
    curves = tables.read(tables_dir, "curves", choice=None)
    curves = curves[curves["branch"] == "fewshot"]
    rows: list[dict[str, Any]] = []
    for _, group in curves.groupby(["study", "samples_per_class"], sort=True):
        if set(group["choice"]) == {OWN}:
            continue
        rates = set(group.loc[group["choice"] != OWN, "rate"])
        group = group[group["rate"].isin(rates)]
        keys = [*SETTING, "seed", "choice", "shuffle"]
        pieces = [(key, points(piece, "rate", "accuracy")) for key, piece in group.groupby(keys, sort=True)]
        until = min(float(x[-1]) for _, (x, _) in pieces)
        for key, (x, accuracy) in pieces:
            about = dict(zip(keys, key, strict=True))
            rows.append(about | {"at": np.nan, "value": averaged(x, accuracy, until)})
            rows += [about | {"at": rate, "value": float(np.interp(rate, x, accuracy))} for rate in sorted(rates - {0})]
    if not rows:
        return pd.DataFrame(columns=[*SETTING, "seed", "at", *CHOICES])
    of_choice = pd.DataFrame(rows).groupby([*SETTING, "seed", "at", "choice"], dropna=False)["value"].mean()
    return of_choice.unstack("choice").reindex(columns=list(CHOICES)).dropna().reset_index()


def effects_of(values: pd.DataFrame) -> dict[str, np.ndarray]:
    """Effect → its value in each row of accuracies of `CHOICES`, see the top of this file."""
    own, shuffled, equal, both = (values[name].to_numpy(dtype=float) for name in CHOICES)
    return {
        "lead": own - both,
        "where": ((shuffled - both) + (own - equal)) / 2,
        "which": ((equal - both) + (own - shuffled)) / 2,
        "interaction": (own - shuffled) - (equal - both),
    }


def decomposition(accuracies: pd.DataFrame, alpha: float, seed: int) -> pd.DataFrame:
    """The effects of every criterion with exact intervals over seeds and signed-rank tests against 0.

    Args:
        accuracies: from `measured`.
        alpha: level of the intervals and of the corrected tests.
        seed: of the streams of `paired.compare`.

    Returns:
        `COLUMNS`: one row per study, sample count, criterion, effect and `at`; `mean` is the mean over `n` seeds of the
        effect, with the interval `low` to `high`; the columns of the choices are their mean accuracies over the same
        seeds. `wilcoxon_holm` is corrected over the criteria of the same study, sample count, effect and `at` (NaN and
        a `note` where too few seeds).
    """
    rows: list[dict[str, Any]] = []
    for (study, samples, at), group in _settings(accuracies):
        for effect in EFFECTS:
            tested: list[dict[str, Any]] = []
            for criterion, values in group.groupby("criterion", sort=True):
                stream = derive(seed, "decomposition", study, samples, str(at), str(criterion), effect)
                differences = effects_of(values)[effect].round(12)  # no sign of a difference that is rounding
                result = compare(differences, alpha=alpha, rope=ROPE, seed=stream)
                tested.append({
                    "study": study, "samples_per_class": samples, "criterion": criterion, "effect": effect, "at": at,
                    "n": result["n"], "mean": result["mean_difference"], "low": result["low"], "high": result["high"],
                    "wilcoxon_p": result["wilcoxon_p"], "n_differ": result["n_differ"], "note": result["note"],
                } | {name: values[name].mean() for name in CHOICES})  # fmt: skip
            reachable = len(tested) * smallest_p(max(row["n_differ"] for row in tested)) <= alpha
            for row, p in zip(tested, holm([row["wilcoxon_p"] for row in tested]), strict=True):
                row["wilcoxon_holm"] = p if reachable else np.nan
                if not reachable and not row["note"]:
                    row["note"] = f"too few seeds for {len(tested)} criteria to reach {alpha:g} after correction"
            rows += tested
    return pd.DataFrame(rows, columns=COLUMNS)


def _settings(accuracies: pd.DataFrame) -> Iterator[tuple[tuple[str, str, float], pd.DataFrame]]:
    for study, of_study in accuracies.groupby("study", sort=True):
        for samples in tables.in_order(of_study["samples_per_class"]):
            group = of_study[of_study["samples_per_class"] == samples]
            yield (str(study), samples, np.nan), group[group["at"].isna()]
            for at, of_rate in group[group["at"].notna()].groupby("at", sort=True):
                yield (str(study), samples, float(str(at))), of_rate
