"""How stable a ranking is: overlap of the first and last k neurons, and rank correlations between rankings.

Correlations are taken between *ranks* (neuron i's place in the order). The authors' code took them between the orders
themselves, that is, between argsort lists: entry p of such a list is the number of the neuron at place p, an arbitrary
label. Renumbering the neurons changes that figure and leaves the rankings as they are, so it measures nothing; both are
given so that the published figure can be recognised.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import kendalltau, rankdata

KENDALL_PAIRS = 10
"""Kendall's tau costs a sort a pair: it is averaged over this many pairs at most, all other measures over all pairs."""


def removal_order(scores: np.ndarray) -> np.ndarray:
    """Neurons in the order of their removal, lowest score first, ties by position; `scores` rankings × neurons."""
    return np.argsort(scores, axis=-1, kind="stable")


def overlaps(first: np.ndarray, second: np.ndarray, size: int, end: str) -> np.ndarray:
    """Share of the `size` neurons at one end of the order that two rankings have in common.

    Args:
        first, second: orders, rankings × neurons.
        size: k, at least 1.
        end: "first" (removed first) or "last".

    Returns:
        Shares in [0, 1], rankings of `first` × rankings of `second`; by chance size / neurons is expected.
    """
    return _members(first, size, end) @ _members(second, size, end).T / size


def correlations(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Correlations of the rows of `first` with those of `second` (of ranks: Spearman's rho); 0 for constant rows."""
    return _standardised(first) @ _standardised(second).T


class Rankings(NamedTuple):
    """Rankings by one criterion, repetitions × neurons: the order of removal, and each neuron's rank (ties shared)."""

    orders: np.ndarray
    ranks: np.ndarray


def rankings(scores: np.ndarray) -> Rankings:
    """The rankings that `scores` (repetitions × neurons) mean."""
    return Rankings(removal_order(scores), rankdata(scores, axis=1))


def between_repetitions(repeated: Rankings, sizes: Sequence[int]) -> list[dict]:
    """Stability of one criterion over repetitions.

    Args:
        found: the rankings of one cell.
        sizes: the k of the overlaps.

    Returns:
        Rows with `measure` (overlap_first, overlap_last, spearman, kendall, spearman_argsort, kendall_argsort), `k`
        (0 for correlations), `mean` and `std` over pairs of repetitions, and `pairs`. Empty for fewer than two.
    """
    count = len(repeated.orders)
    if count < 2:
        return []
    pairs = np.triu_indices(count, 1)
    # Kendall's pairs are neighbours in the list of draws: each repetition is in two of them at most.
    some = [(index, index + 1) for index in range(count - 1)][:KENDALL_PAIRS]
    return _compare(repeated, repeated, sizes, pairs, some)


def between_criteria(first: Rankings, second: Rankings, sizes: Sequence[int]) -> list[dict]:
    """Agreement of two criteria on the same repetitions (equal reference samples); rows as `between_repetitions`."""
    same = np.arange(len(first.orders))
    return _compare(first, second, sizes, (same, same), [(index, index) for index in same[:KENDALL_PAIRS]])


def _compare(
    first: Rankings,
    second: Rankings,
    sizes: Sequence[int],
    pairs: tuple[np.ndarray, ...],
    some: list[tuple[int, int]],
) -> list[dict]:
    orders = first.orders, second.orders
    ranks = first.ranks, second.ranks
    rows = [
        _row(f"overlap_{end}", size, overlaps(*orders, size, end)[pairs]) for size in sizes for end in ("first", "last")
    ]
    for suffix, (left, right) in (("", ranks), ("_argsort", orders)):
        rows.append(_row(f"spearman{suffix}", 0, correlations(left, right)[pairs]))
        taus = np.array([kendalltau(left[one], right[other]).statistic for one, other in some])
        rows.append(_row(f"kendall{suffix}", 0, np.nan_to_num(taus)))
    return rows


def _row(measure: str, size: int, values: np.ndarray) -> dict:
    return {
        "measure": measure,
        "k": size,
        "mean": float(values.mean()),
        "std": float(values.std(ddof=1)) if len(values) > 1 else 0.0,
        "pairs": len(values),
    }


def _members(orders: np.ndarray, size: int, end: str) -> np.ndarray:
    chosen = orders[:, :size] if end == "first" else orders[:, -size:]
    members = np.zeros(orders.shape, dtype=np.float32)
    np.put_along_axis(members, chosen, 1, axis=1)
    return members


def _standardised(values: np.ndarray) -> np.ndarray:
    centred = values - values.mean(axis=1, keepdims=True)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    return centred / np.where(length > 0, length, 1)
