"""Rank agreement: do two criteria put the same units last, and does a criterion agree with itself on fewer images?"""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from secateur.analysis.tables import in_order
from secateur.errors import SecateurError

COLUMNS = [
    "study", "kind", "criterion", "other", "samples_per_class", "other_samples_per_class", "seed", "units", "spearman",
    "kendall", "spearman_in_layer", "overlap_half",
]  # fmt: skip

Scores = dict[str, np.ndarray]
"""Group → scores of its units."""


def agreement(rankings: Sequence[Path]) -> pd.DataFrame:
    """Agreement of rankings of the same network, from the score files of a run.

    Args:
        rankings: score files `…/<study>/<criterion>/<part>.safetensors`, tensors
            `"<seed>/<samples_per_class>/<group>"` of one number a unit, higher = more important.

    Returns:
        One row for each seed and (kind "criteria") each two criteria at the same sample count, or (kind "samples") each
        criterion at its smallest and largest sample count. `spearman` and `kendall` (tau-b) are taken over the ranks
        of all units of the network; `spearman_in_layer` is the mean over groups of at least three units;
        `overlap_half` is the share that the lower halves of both rankings have in common (0.5 by chance). All lie
        in [-1, 1]; NaN where a ranking is constant.

    Raises:
        SecateurError: an unreadable score file, or rankings of one network with different units.
    """
    rows = []
    for study in sorted({path.parts[-3] for path in rankings}):
        of_study = [path for path in sorted(rankings) if path.parts[-3] == study]
        criteria = sorted({path.parts[-2] for path in of_study})
        found = {name: _read([path for path in of_study if path.parts[-2] == name]) for name in criteria}
        for one, two in combinations(sorted(found), 2):
            rows += [
                _row(study, "criteria", (one, samples), (two, samples), seed, scores, found[two][seed, samples])
                for (seed, samples), scores in found[one].items()
                if (seed, samples) in found[two]
            ]
        for criterion, scores in found.items():
            counts = in_order({samples for _, samples in scores})
            few, many = counts[:1], counts[-1:]
            if few != many:
                rows += [
                    _row(study, "samples", (criterion, few[0]), (criterion, many[0]), seed, scores[seed, few[0]],
                         scores[seed, many[0]])
                    for seed in sorted({seed for seed, _ in scores})
                    if (seed, few[0]) in scores and (seed, many[0]) in scores
                ]  # fmt: skip
    return pd.DataFrame(rows, columns=COLUMNS).sort_values(COLUMNS[:7], ignore_index=True)


def _read(paths: Sequence[Path]) -> dict[tuple[int, str], Scores]:
    """(seed, samples per class) → scores, of all parts of one criterion."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    found: dict[tuple[int, str], Scores] = {}
    for path in paths:
        try:
            for name, values in load_file(path).items():
                seed, samples, group = name.split("/", 2)
                found.setdefault((int(seed), samples), {})[group] = values
        except (SafetensorError, OSError, ValueError) as error:
            raise SecateurError(f"{path}: not a readable score file ({error}). Remove it and run again.") from None
    return found


def _row(
    study: str, kind: str, one: tuple[str, str], two: tuple[str, str], seed: int, first: Scores, second: Scores
) -> dict[str, object]:
    from scipy import stats

    groups = sorted(first)
    if groups != sorted(second) or any(first[name].shape != second[name].shape for name in groups):
        raise SecateurError(
            f"rankings of {study}, seed {seed}: {one[0]} and {two[0]} score different units. Rank again."
        )
    a, b = (np.concatenate([scores[name] for name in groups]) for scores in (first, second))
    layers = [stats.spearmanr(first[name], second[name]).statistic for name in groups
              if first[name].size > 2 and np.ptp(first[name]) > 0 and np.ptp(second[name]) > 0]  # fmt: skip
    half = a.size // 2
    lower = [set(np.argsort(values, kind="stable")[:half].tolist()) for values in (a, b)]
    constant = np.ptp(a) == 0 or np.ptp(b) == 0
    return dict(zip(COLUMNS, [
        study, kind, one[0], two[0], one[1], two[1], seed, a.size,
        np.nan if constant else float(stats.spearmanr(a, b).statistic),
        np.nan if constant else float(stats.kendalltau(a, b).statistic),
        float(np.mean(layers)) if layers else np.nan,
        len(lower[0] & lower[1]) / half if half else np.nan,
    ], strict=True))  # fmt: skip
