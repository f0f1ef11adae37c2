"""Power: the share of repetitions in which a test of this analysis finds a difference that is there.

All of it is about the one-sided exact signed-rank test at a `level`: alpha / 2 for a comparison of a verdict, alpha /
2 / m for one of m pairs after Holm's correction (its first, hardest step). By simulation of normal differences.
"""

import functools

import numpy as np

from secateur.analysis.paired import rank_sum_tail
from secateur.errors import SecateurError

SIMULATIONS = 2_000
MOST_SEEDS = 100
"""More seeds are not looked for."""
WANTED = 0.8
"""The power that is usually asked for."""


@functools.cache
def critical_sum(blocks: int, level: float) -> int | None:
    """Smallest rank sum of the positive differences that the one-sided exact signed-rank test rejects equality for.

    None where even the largest, blocks (blocks + 1) / 2, has a p-value of 2^-blocks above `level`.
    """
    rejected = np.flatnonzero(rank_sum_tail(blocks) <= level * (1 + 1e-12))
    return int(rejected[0]) if rejected.size else None


def found(differences: np.ndarray, level: float) -> np.ndarray:
    """Whether the one-sided exact signed-rank test finds that differences are positive; no two of one size.

    Args:
        differences: shape (repetitions, blocks); level: in (0, 1).

    Returns:
        Booleans, shape (repetitions,).
    """
    repetitions, blocks = differences.shape
    needed = critical_sum(blocks, level)
    if needed is None:
        return np.zeros(repetitions, dtype=bool)
    order = np.argsort(np.abs(differences), axis=1)
    positive = np.take_along_axis(differences > 0, order, axis=1)
    return positive @ np.arange(1, blocks + 1) >= needed


def power(
    blocks: int,
    effect: float,
    spread: float | np.ndarray,
    level: float,
    seed: int = 0,
) -> float:
    """Share of repetitions in which a true difference beyond the bound is found.

    Args:
        blocks: number of paired differences, at least 1.
        effect: their true mean beyond the bound that is tested, at least 0.
        spread: their standard deviation, in the same unit; or the covariance matrix of several comparisons that must
            all find their difference.
        level: of each one-sided test.
        seed: of the simulation.

    Returns:
        A share in [0, 1], from `SIMULATIONS` repetitions (standard error at most 0.012).
    """
    if critical_sum(blocks, level) is None:
        return 0.0
    root = _root(spread)
    noise = np.random.default_rng(seed).standard_normal((SIMULATIONS, blocks, len(root))) @ root
    return float(np.all([found(effect + noise[:, :, one], level) for one in range(len(root))], axis=0).mean())


def _root(spread: float | np.ndarray) -> np.ndarray:
    """A matrix R with RᵀR = covariance, also where it has no full rank."""
    if np.ndim(spread) == 0:
        return np.array([[spread]], dtype=float)
    values, vectors = np.linalg.eigh(np.asarray(spread))
    return (vectors * np.sqrt(np.maximum(values, 0.0))).T


def detectable(blocks: int, spread: float | np.ndarray, level: float, wanted: float = WANTED) -> float:
    """The smallest true difference beyond the bound that is found with power `wanted`, to 1 %; infinite for too few
    blocks. `spread` as in `power`."""
    if critical_sum(blocks, level) is None:
        return float("inf")
    if np.ndim(spread) == 0:
        return _quotient(blocks, level, wanted) * float(spread)
    largest = float(np.sqrt(np.diag(np.asarray(spread)).max()))
    return _bisected(blocks, np.asarray(spread) / largest**2, level, wanted) * largest if largest else 0.0


@functools.cache
def _quotient(blocks: int, level: float, wanted: float) -> float:
    """Detectable difference divided by the spread, on which alone the power of one comparison depends."""
    return _bisected(blocks, 1.0, level, wanted)


def _bisected(blocks: int, spread: float | np.ndarray, level: float, wanted: float) -> float:
    low, high = 0.0, 8.0
    while high - low > 0.01 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if power(blocks, middle, spread, level) >= wanted else (middle, high)
    return high


def seeds_needed(effect: float, spread: float | np.ndarray, level: float, wanted: float = WANTED) -> int | None:
    """Fewest seeds with which a true difference of `effect` beyond the bound is found with power `wanted`.

    Args:
        effect: in the unit of the spread, > 0; wanted: in (0, 1); the others as in `power`.

    Returns:
        The number, or None when more than `MOST_SEEDS` would be needed.

    Raises:
        SecateurError: an effect that is not positive, or a power outside (0, 1).
    """
    if effect <= 0 or not 0 < wanted < 1:
        raise SecateurError(f"effect is {effect} and power {wanted}; allowed are effect > 0 and 0 < power < 1.")
    low, high = 1, 1
    while critical_sum(low, level) is None:
        low += 1
    high = low
    while power(high, effect, spread, level) < wanted:  # more seeds never find less
        if high == MOST_SEEDS:
            return None
        low, high = high + 1, min(2 * high, MOST_SEEDS)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if power(middle, effect, spread, level) >= wanted else (middle + 1, high)
    return low
