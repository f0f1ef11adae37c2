"""The rows of the variance table that say how much each component of a seed explains (see `variance.drawn_anew`)."""

from typing import Any

import pandas as pd

from secateur.analysis import trace
from secateur.analysis.measures import MEASURES, measure_all
from secateur.analysis.variance import drawn_anew
from secateur.varying import COMPONENTS, named, number

KEYS = ["study", "branch", "samples_per_class", "measure"]


def parts(curves: pd.DataFrame, whole: pd.DataFrame) -> pd.DataFrame:
    """What each component explains of what a study's seeds vary by, for every measure of `whole`.

    Args:
        curves: the table `curves` with the rows of networks that have a component drawn anew (see `tables.read`).
        whole: the table of `comparisons.variances`.

    Returns:
        Rows with the columns of `whole`: for each study, branch, sample count, measure and component of a seed its
        "criterion × seed" and its "seed within study"; `varied` names the component, `seeds` counts the pairs of
        networks. None where nothing was drawn anew.
    """
    drawn = [component for component in COMPONENTS if component in set(curves["varied"])]
    if not drawn:
        return whole.iloc[:0]
    numbers = [number(seed, varied) for seed, varied in zip(curves["seed"], curves["varied"], strict=True)]
    measures = measure_all(curves.assign(seed=numbers))
    rows: list[dict[str, Any]] = []
    for key, group in whole[whole["scope"] == "study"].groupby(KEYS, sort=True):
        group_of = dict(zip(KEYS, map(str, key), strict=True))
        chosen = measures[(measures[KEYS] == list(key)).all(axis=1)]
        values, sources = (
            chosen.pivot(index="seed", columns="criterion", values=column).dropna() for column in ("value", "source")
        )
        sign = 1.0 if MEASURES[group_of["measure"]][0] == "higher" else -1.0
        of_all = dict(zip(group["component"], group["variance"], strict=True))
        for component in drawn:
            own = [(seed, number(seed, component)) for seed in values.index if named(seed)[1] == ""]
            pairs = [pair for pair in own if pair[1] in values.index]
            if not pairs or values.shape[1] < 2:
                continue
            index = [seed for pair in pairs for seed in pair]
            made = sign * values.loc[index].to_numpy(dtype=float).reshape(len(pairs), 2, -1)
            lines = [line for text in sources.loc[index].to_numpy().ravel() for line in _lines(text)]
            about = {"scope": "study", **group_of, "source": trace.source(trace.CURVES, lines)}
            rows += [about | one for one in drawn_anew(made, component, of_all)]
    return pd.DataFrame(rows, columns=whole.columns)


def _lines(text: str) -> list[int]:
    return trace.lines_of(text).get(trace.CURVES, [])
