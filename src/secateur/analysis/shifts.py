"""Did any of many means move between two runs? One exact test for all of them, by relabelling seeds.

If both runs draw their seeds from the same experiment, it does not matter which run a seed belongs to. So the labels
are exchanged in every way, for all means at once, and the largest standardised difference is noted each time: what is
exceeded by at most a share alpha of the relabellings is a shift. Means that belong together (the same seed's network
behind a thousand numbers) need no further correction, however they depend on each other: the maximum knows (Westfall
and Young 1993, single-step maxT).
"""

from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np

RELABELLINGS = 15_000
"""Up to so many ways to share out the seeds all are gone through (8 and 8 have 12,870); above, that many draws."""
CHUNK = 500


@dataclass(frozen=True)
class Shifts:
    """What the test says about every mean; arrays of shape (means,).

    `difference` is second minus first run, `error` its standard error (the resolution included), `p` corrected for all
    means, and `unseen` the smallest difference of that mean that would have been called a shift; both are NaN where
    there are too few seeds.
    """

    difference: np.ndarray
    error: np.ndarray
    p: np.ndarray
    unseen: np.ndarray


def smallest_p(first: int, second: int) -> float:
    """The smallest p-value that relabelling so many seeds of two runs can give; 1 where one has none."""
    return (2 if first == second else 1) / comb(first + second, first)


def find(first: np.ndarray, second: np.ndarray, resolution: np.ndarray, alpha: float, seed: int = 0) -> Shifts:
    """Test whether any mean over seeds differs between two runs; the chance of any false shift is at most alpha.

    Args:
        first: shape (seeds of one run, means), finite; second: shape (seeds of the other run, means).
        resolution: shape (means,), at least 0: the step in which one value can be measured (of an accuracy, one test
            image's share). It counts as spread, so that values that are constant by coarseness do not count as
            infinitely sure. It must not depend on which seed belongs to which run.
        alpha: level in (0, 1).
        seed: of the draw of relabellings, where there are too many to go through.

    Returns:
        See `Shifts`.
    """
    one, two = len(first), len(second)
    values = np.concatenate([first, second])
    values = values - values.mean(axis=0)
    total = (values**2).sum(axis=0)
    # A spread below 1e-4 of all there is counts as that much: beyond, the subtraction below is rounding.
    floor = np.maximum(np.maximum(resolution**2, 1e-8 * total), 1e-300)

    def standardised(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Differences of means and their standard errors for rows of weights, shape (rows, means)."""
        difference = weights @ values
        within = np.maximum(total - difference**2 * (one * two / (one + two)), 0.0) / max(one + two - 2, 1)
        return difference, np.sqrt((within + floor) * (1 / one + 1 / two))

    labels = _labels(one, one + two, seed)
    observed, error = (standard[0] for standard in standardised(labels[:1]))
    statistic = np.abs(observed) / error
    if smallest_p(one, two) > alpha:
        nothing = np.full(values.shape[1], np.nan)
        return Shifts(observed, error, nothing, nothing)
    largest = []
    for start in range(0, len(labels), CHUNK):
        difference, errors = standardised(labels[start : start + CHUNK])
        largest.append((np.abs(difference) / errors).max(axis=1, initial=0.0))
    maxima = np.sort(np.concatenate(largest))
    reached = maxima.size - np.searchsorted(maxima, statistic * (1 - 1e-6))
    critical = maxima[maxima.size - 1 - int(alpha * maxima.size * (1 - 1e-12))]
    return Shifts(observed, error, reached / maxima.size, critical * error)


def _labels(one: int, total: int, seed: int) -> np.ndarray:
    """Weights of the seeds in each relabelling, shape (relabellings, total); the first row is how they really are."""
    if comb(total, one) <= RELABELLINGS:
        chosen = np.array(list(combinations(range(total), one)))  # the first combination is 0 … one - 1
    else:
        generator = np.random.default_rng(seed)
        chosen = np.argsort(generator.random((RELABELLINGS, total)), axis=1)[:, :one]
        chosen[0] = np.arange(one)
    weights = np.full((len(chosen), total), 1 / (total - one))
    np.put_along_axis(weights, chosen, -1 / one, axis=1)
    return weights
