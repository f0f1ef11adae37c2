"""Units of one and the same score, among which a criterion does not choose: which of them go, their order decides."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from secateur.analysis.agreement import read_scores

MANY = 0.1
"""Share of the units with one score from which on the report says so."""
COLUMNS = ["study", "samples_per_class", "criterion", "seed", "units", "tied", "score", "below", "source"]


def ties(rankings: Sequence[Path]) -> pd.DataFrame:
    """The largest set of units of one score, in every ranking of a run.

    Args:
        rankings: score files `…/<study>/<criterion>/<part>.safetensors`.

    Returns:
        One row a ranking, columns `COLUMNS`: of `units` units `tied` have the same `score` (the commonest; of equally
        common ones the lowest), and `below` have less. So from a share of below ÷ units on to one of
        (below + tied) ÷ units, in the order over all layers, the criterion does not say which units go.
    """
    rows: list[dict[str, Any]] = []
    for study in sorted({path.parts[-3] for path in rankings}):
        by_seed = read_scores([path for path in sorted(rankings) if path.parts[-3] == study], 2)
        for seed, named in sorted(by_seed.items()):
            for (criterion, samples, _), (scores, source) in named.items():
                values, counts = np.unique(np.concatenate(list(scores.values())), return_counts=True)
                place = int(counts.argmax())
                rows.append({
                    "study": study, "samples_per_class": samples, "criterion": criterion, "seed": seed,
                    "units": int(counts.sum()), "tied": int(counts[place]), "score": float(values[place]),
                    "below": int(counts[:place].sum()), "source": source,
                })  # fmt: skip
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table.sort_values(["study", "samples_per_class", "criterion", "seed"], ignore_index=True)


def many(rows: pd.DataFrame) -> pd.DataFrame:
    """The rankings in which more than `MANY` of the units have one score, and what rates these reach over.

    Args:
        rows: of `ties`.

    Returns:
        One row a study, sample count and criterion, the most tied first: `rankings` (how many of the seeds'), `seeds`,
        `units`, means over those rankings of the shares `tied`, `start` and `end` (of the rates that the tie decides).
    """
    shares = rows.assign(
        share=rows["tied"] / rows["units"], start=rows["below"] / rows["units"],
        end=(rows["below"] + rows["tied"]) / rows["units"],
    )  # fmt: skip
    keys = ["study", "samples_per_class", "criterion"]
    seeds = shares.groupby(keys)["seed"].nunique().rename("seeds")
    tied = shares[(shares["share"] > MANY) & (shares["tied"] > 1)].groupby(keys)
    table = tied.agg(
        rankings=("seed", "nunique"), units=("units", "first"), tied=("share", "mean"), start=("start", "mean"),
        end=("end", "mean"),
    ).join(seeds)  # fmt: skip
    return table.reset_index().sort_values(["tied", *keys], ascending=[False, True, True, True], ignore_index=True)
