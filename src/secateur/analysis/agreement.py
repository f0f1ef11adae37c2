"""Rank agreement: do two criteria put the same units last, and does a criterion agree with itself on other images?

Correlations are taken on ranks (ties get mid-ranks), over all units of a network and layer by layer.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from secateur import tensorfile
from secateur.analysis.tables import in_order
from secateur.errors import SecateurError

KEYS = [
    "study", "kind", "criterion", "other", "samples_per_class", "other_samples_per_class", "seed", "draw", "other_draw",
]  # fmt: skip
COLUMNS = [*KEYS, "units", "spearman", "kendall", "spearman_in_layer", "overlap_half", "source"]
LAYER_COLUMNS = [*KEYS, "group", "units", "spearman", "kendall", "overlap_half"]
FEWEST = 3
"""Units that a group needs: two units agree or disagree fully by chance."""

Scores = dict[str, np.ndarray]
"""Group → scores of its units."""
Named = dict[tuple[str, str, int], tuple[Scores, str]]
"""(criterion, samples per class, draw) → scores, and the file and tensors that hold them; all of one network."""


def agreement(rankings: Sequence[Path], redraws: Sequence[Path] = ()) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Agreement of rankings of the same network, from the score files of a run.

    Args:
        rankings: score files `…/<study>/<criterion>/<part>.safetensors`, tensors
            `"<seed>/<samples_per_class>/<group>"` of one number a unit, higher = more important.
        redraws: score files `…/<study>/<criterion>.safetensors` of seed 0's network on other draws of reference
            samples, tensors `"<draw>/<samples_per_class>/<group>"`.

    Returns:
        Two tables: of whole networks, and of every group of at least `FEWEST` units. A row compares, on the network
        of `seed`, (kind "criteria") two criteria at the same sample count, (kind "samples") a criterion at its
        smallest and largest sample count, or (kind "draws") a criterion with itself on two draws of as many reference
        samples, `draw` and `other_draw` (missing for the other kinds, which use the seed's own). `spearman` and
        `kendall` (tau-b) lie in [-1, 1]; `spearman_in_layer` is the mean of Spearman's over the groups; `overlap_half`
        is the share in [0, 1] that the lower halves of both rankings have in common (0.5 by chance). NaN where a
        ranking is constant. `source` names the score files and the tensors' common beginnings.

    Raises:
        SecateurError: an unreadable score file, or rankings of one network with different units.
    """
    whole: list[dict[str, Any]] = []
    layers: list[dict[str, Any]] = []
    for study in sorted({path.parts[-3] for path in rankings}):
        by_seed = read_scores([path for path in sorted(rankings) if path.parts[-3] == study], 2)
        for seed in sorted(by_seed):
            _compare(by_seed[seed], _planned(by_seed[seed]), {"study": study, "seed": seed}, whole, layers)
    for study in sorted({path.parts[-2] for path in redraws}):
        drawn = read_scores([path for path in sorted(redraws) if path.parts[-2] == study], 1)
        together = {key: value for of_draw in drawn.values() for key, value in of_draw.items()}
        _compare(together, _redrawn(together), {"study": study, "seed": 0}, whole, layers)
    return tuple(
        pd.DataFrame(rows, columns=columns)
        .astype({"draw": "Int64", "other_draw": "Int64"})
        .sort_values(columns[: len(KEYS) + 1], ignore_index=True)
        for rows, columns in ((whole, COLUMNS), (layers, LAYER_COLUMNS))
    )  # type: ignore[return-value]


Pair = tuple[str, tuple[str, str, int], tuple[str, str, int]]
"""Kind of comparison and the two rankings."""


def _planned(named: Named) -> Iterator[Pair]:
    """Comparisons among the rankings of one seed: criteria at equal sample counts, and few with many samples."""
    criteria = sorted({criterion for criterion, _, _ in named})
    counts = in_order(samples for _, samples, _ in named)
    draw = next(iter(named))[2]
    for one, two in combinations(criteria, 2):
        for samples in counts:
            if (one, samples, draw) in named and (two, samples, draw) in named:
                yield "criteria", (one, samples, draw), (two, samples, draw)
    for criterion in criteria:
        own = in_order(samples for name, samples, _ in named if name == criterion)
        if len(own) > 1:
            yield "samples", (criterion, own[0], draw), (criterion, own[-1], draw)


def _redrawn(named: Named) -> Iterator[Pair]:
    """Comparisons of each criterion with itself on every two draws of as many samples."""
    for one, two in combinations(sorted(named), 2):
        if one[:2] == two[:2]:
            yield "draws", one, two


def read_scores(paths: Sequence[Path], above: int) -> dict[int, Named]:
    """Seed (or draw) → its rankings, from score files; the criterion's name stands `above` places from a path's end."""
    by_number: dict[int, Named] = {}
    for path in paths:
        criterion = path.parts[-2] if above == 2 else path.stem
        file = Path(*path.parts[-above - 2 :])
        try:
            for name, values in tensorfile.read(path, "score file", framework="np")[0].items():
                number, samples, group = name.split("/", 2)
                key = criterion, samples, int(number)
                scores, _ = by_number.setdefault(int(number), {}).setdefault(key, ({}, f"{file}:{number}/{samples}"))
                scores[group] = values
        except ValueError as error:
            raise SecateurError(f"{path}: not a readable score file ({error}). Remove it and run again.") from None
    return by_number


def _compare(
    named: Named,
    pairs: Iterator[Pair],
    where: dict[str, Any],
    whole: list[dict[str, Any]],
    layers: list[dict[str, Any]],
) -> None:
    """Add the rows of all `pairs` to the two tables; the rankings are prepared once and correlated all at once."""
    planned = list(pairs)
    if not planned:
        return
    names = list(named)
    place = {name: index for index, name in enumerate(names)}
    shapes = {group: values.shape for group, values in named[names[0]][0].items()}
    for name in names:
        if {group: values.shape for group, values in named[name][0].items()} != shapes:
            raise SecateurError(
                f"rankings of {where['study']}, seed {where['seed']}: {names[0][0]} and {name[0]} score different "
                "units. Rank again."
            )
    one = np.array([place[first] for _, first, _ in planned])
    two = np.array([place[second] for _, _, second in planned])
    groups = sorted(shapes)
    by_group = {
        group: _agreements(np.stack([named[name][0][group] for name in names]), one, two)
        for group in groups
        if shapes[group][0] >= FEWEST
    }
    overall = _agreements(
        np.stack([np.concatenate([named[name][0][group] for group in groups]) for name in names]), one, two
    )
    with np.errstate(invalid="ignore"):
        in_layer = (
            np.stack([values["spearman"] for values in by_group.values()]) if by_group else np.empty((0, len(one)))
        )
    units = sum(shape[0] for shape in shapes.values())
    for index, (kind, first, second) in enumerate(planned):
        redrawn = kind == "draws"
        row = where | {
            "kind": kind, "criterion": first[0], "other": second[0], "samples_per_class": first[1],
            "other_samples_per_class": second[1], "draw": first[2] if redrawn else None,
            "other_draw": second[2] if redrawn else None,
        }  # fmt: skip
        defined = in_layer[:, index][~np.isnan(in_layer[:, index])]
        whole.append(
            row
            | {name: values[index] for name, values in overall.items()}
            | {"units": units, "spearman_in_layer": defined.mean() if defined.size else np.nan,
               "source": f"{named[first][1]} {named[second][1]}"}
        )  # fmt: skip
        layers.extend(
            row | {"group": group, "units": shapes[group][0]} | {name: of[index] for name, of in values.items()}
            for group, values in by_group.items()
        )


def _agreements(scores: np.ndarray, one: np.ndarray, two: np.ndarray) -> dict[str, np.ndarray]:
    """Agreement of rows `one` with rows `two` of `scores` (rankings × units): measure → one value a pair."""
    from scipy import stats

    ranks = stats.rankdata(scores, axis=1)
    constant = np.ptp(ranks, axis=1) == 0
    undefined = constant[one] | constant[two]
    half = scores.shape[1] // 2
    lower = np.zeros(scores.shape, dtype=bool)
    np.put_along_axis(lower, np.argsort(scores, axis=1, kind="stable")[:, :half], True, axis=1)
    measured = {
        "spearman": _cosines(ranks - ranks.mean(axis=1, keepdims=True), one, two),
        "kendall": _kendall(ranks, one, two),
        "overlap_half": (lower[one] & lower[two]).sum(axis=1) / half if half else np.full(one.size, np.nan),
    }
    for name in ("spearman", "kendall"):
        measured[name][undefined] = np.nan
    return measured


def _cosines(values: np.ndarray, one: np.ndarray, two: np.ndarray) -> np.ndarray:
    lengths = np.sqrt((values**2).sum(axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return (values[one] * values[two]).sum(axis=1) / (lengths[one] * lengths[two])


MANY = 400
"""Above so many units Kendall's tau is SciPy's, in n log n; below, comparing all pairs of units at once is faster."""


def _kendall(ranks: np.ndarray, one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Kendall's tau-b: the correlation of the signs of all pairwise differences."""
    from scipy import stats

    if ranks.shape[1] > MANY:
        return np.array([stats.kendalltau(ranks[a], ranks[b]).statistic for a, b in zip(one, two, strict=True)])
    first, second = np.triu_indices(ranks.shape[1], 1)
    signs = np.sign(ranks[:, first] - ranks[:, second]).astype(np.float32)
    products = signs @ signs.T  # exact: sums of fewer than 2^24 units
    size = np.sqrt(np.diag(products).astype(float))
    with np.errstate(invalid="ignore", divide="ignore"):
        return products[one, two].astype(float) / (size[one] * size[two])
