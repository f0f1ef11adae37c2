"""Power: the share of repetitions in which a test of this analysis finds a difference that is there.

All of it is about one of two exact one-sided tests at a `level`: the sign test, by which verdicts are made (alpha / 2
for each comparison), and the signed-rank test of the pairs of criteria (alpha / 2 / m for one of m pairs after Holm's
correction: its first, hardest step). By simulation of normal differences.
"""

import functools
from typing import Literal

import numpy as np

from secateur.analysis.paired import rank_sum_tail
from secateur.errors import SecateurError

SIMULATIONS = 2_000
MOST_SEEDS = 100
"""More seeds are not looked for."""
WANTED = 0.8
"""The power that is usually asked for."""

Test = Literal["sign", "wilcoxon"]


@functools.cache
def critical(blocks: int, level: float, test: Test) -> int | None:
    """Smallest value of the test's statistic that is significant: the number of positive differences for "sign", the
    sum of their ranks for "wilcoxon".

    None where even the largest has a p-value of 2^-blocks above `level`.
    """
    from scipy import stats

    tail = rank_sum_tail(blocks) if test == "wilcoxon" else stats.binom.sf(np.arange(-1, blocks), blocks, 0.5)
    rejected = np.flatnonzero(tail <= level * (1 + 1e-12))
    return int(rejected[0]) if rejected.size else None


def detected(differences: np.ndarray, level: float, test: Test) -> np.ndarray:
    """Whether the test finds that differences are positive; none is 0, and no two are of one size.

    Args:
        differences: shape (repetitions, blocks); level: in (0, 1); test: see `critical`.

    Returns:
        Booleans, shape (repetitions,).
    """
    repetitions, blocks = differences.shape
    needed = critical(blocks, level, test)
    if needed is None:
        return np.zeros(repetitions, dtype=bool)
    if test == "sign":
        return (differences > 0).sum(axis=1) >= needed
    order = np.argsort(np.abs(differences), axis=1)
    positive = np.take_along_axis(differences > 0, order, axis=1)
    return positive @ np.arange(1, blocks + 1) >= needed


def power(
    blocks: int, effect: float, spread: float | np.ndarray, level: float, test: Test = "sign", seed: int = 0
) -> float:
    """Share of repetitions in which a true difference beyond the bound is found.

    Args:
        blocks: number of paired differences, at least 1.
        effect: their true mean beyond the bound that is tested, at least 0.
        spread: their standard deviation, in the same unit; or the covariance matrix of several comparisons that must
            all find their difference.
        level: of each one-sided test; test: which one.
        seed: of the simulation.

    Returns:
        A share in [0, 1], from `SIMULATIONS` repetitions (standard error at most 0.012).
    """
    if critical(blocks, level, test) is None:
        return 0.0
    root = _root(spread)
    noise = np.random.default_rng(seed).standard_normal((SIMULATIONS, blocks, len(root))) @ root
    return float(np.all([detected(effect + noise[:, :, one], level, test) for one in range(len(root))], axis=0).mean())


def _root(spread: float | np.ndarray) -> np.ndarray:
    """A matrix R with RᵀR = covariance, also where it has no full rank."""
    if np.ndim(spread) == 0:
        return np.array([[spread]], dtype=float)
    values, vectors = np.linalg.eigh(np.asarray(spread))
    return (vectors * np.sqrt(np.maximum(values, 0.0))).T


def detectable(
    blocks: int, spread: float | np.ndarray, level: float, wanted: float = WANTED, test: Test = "sign"
) -> float:
    """The smallest true difference beyond the bound that is found with power `wanted`, to 1 %; infinite for too few
    blocks. The others as in `power`."""
    if critical(blocks, level, test) is None:
        return float("inf")
    if np.ndim(spread) == 0:
        return _quotient(blocks, level, wanted, test) * float(spread)
    largest = float(np.sqrt(np.diag(np.asarray(spread)).max()))
    return _bisected(blocks, np.asarray(spread) / largest**2, level, wanted, test) * largest if largest else 0.0


@functools.cache
def _quotient(blocks: int, level: float, wanted: float, test: Test) -> float:
    """Detectable difference divided by the spread, on which alone the power of one comparison depends."""
    return _bisected(blocks, 1.0, level, wanted, test)


def _bisected(blocks: int, spread: float | np.ndarray, level: float, wanted: float, test: Test) -> float:
    low, high = 0.0, 8.0
    while high - low > 0.01 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if power(blocks, middle, spread, level, test) >= wanted else (middle, high)
    return high


def worthwhile(level: float, test: Test) -> list[int]:
    """Numbers of blocks with more power than any smaller number: those with which one more difference may point the
    other way. The sign test has few of them: at 2.5 % one in 9, two in 12, none in 8, which finds less than 6."""
    numbers, most = [], -1
    for blocks in range(1, MOST_SEEDS + 1):
        needed = critical(blocks, level, test)
        largest = blocks if test == "sign" else blocks * (blocks + 1) // 2
        if needed is not None and largest - needed > most:
            numbers.append(blocks)
            most = largest - needed
    return numbers


def seeds_needed(
    effect: float, spread: float | np.ndarray, level: float, wanted: float = WANTED, test: Test = "sign"
) -> int | None:
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
    numbers = worthwhile(level, test)
    low, high = 0, len(numbers)
    while low < high:  # the power rises along these numbers
        middle = (low + high) // 2
        enough = power(numbers[middle], effect, spread, level, test) >= wanted
        low, high = (low, middle) if enough else (middle + 1, high)
    return numbers[low] if low < len(numbers) else None
