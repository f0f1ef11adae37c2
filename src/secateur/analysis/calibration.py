"""Tests of the tests: simulated benchmarks with a known truth, and how often the analysis is wrong about them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from secateur.analysis import shifts
from secateur.analysis.paired import exact_interval, holm, interval, wilcoxon_p
from secateur.analysis.ranks import rank
from secateur.analysis.verdicts import SUPPORTED, UNDECIDED, Bounds, decide
from secateur.seeds import derive

RIVALS = ("weight", "gradient", "taylor")
MARGIN, SPREAD = 0.01, 0.01
"""Margin of the simulated claims and standard deviation of a criterion's noise, in accuracy."""


@dataclass(frozen=True)
class Share:
    """How often something happened in `total` simulations, with its 95 % Clopper–Pearson interval."""

    count: int
    total: int

    @property
    def value(self) -> float:
        """The share, in [0, 1]."""
        return self.count / self.total

    @property
    def interval(self) -> tuple[float, float]:
        """Its exact interval."""
        from scipy import stats

        found = stats.binomtest(self.count, self.total).proportion_ci(0.95, method="exact")
        return float(found.low), float(found.high)


def share(happens: Callable[[np.random.Generator], bool], simulations: int, seed: int) -> Share:
    """Run `happens` with `simulations` independent streams and count."""
    streams = np.random.default_rng(seed).spawn(simulations)
    return Share(sum(map(happens, streams)), simulations)


def simulated(generator: np.random.Generator, seeds: int, gain: float, criteria: int = 4) -> np.ndarray:
    """A measure of `criteria` criteria on `seeds` seeds, shape (seeds, criteria): the first is better by `gain`.

    A seed shifts all criteria alike; each criterion adds skewed noise of its own (a shifted exponential, standard
    deviation `SPREAD`), so that nothing rests on normal data.
    """
    common = generator.normal(0.0, 3 * SPREAD, size=(seeds, 1))
    noise = generator.exponential(SPREAD, size=(seeds, criteria)) - SPREAD
    return common + noise + gain * (np.arange(criteria) == 0)


def verdict_of(generator: np.random.Generator, seeds: int, gain: float, limits: Bounds, alpha: float) -> str:
    """The verdict on a simulated benchmark: criterion against three rivals."""
    values = simulated(generator, seeds, gain, 1 + len(RIVALS))
    differences = {rival: values[:, 0] - values[:, 1 + index] for index, rival in enumerate(RIVALS)}
    return decide(differences, limits, alpha=alpha, test="wilcoxon").verdict


BETTER, NOT_WORSE = Bounds(MARGIN, 0.0), Bounds(-MARGIN, -MARGIN)
SITUATIONS: dict[str, tuple[Bounds, float]] = {
    "“better” claimed, all criteria equal": (BETTER, 0.0),
    "“better” claimed, better by exactly the margin": (BETTER, MARGIN),
    "“not worse” claimed, worse by exactly the margin": (NOT_WORSE, -MARGIN),
}
"""Words → (bounds of the claim, true advantage): each a truth for which supported and contradicted are both false."""


def false_verdicts(seeds: int, situation: str, simulations: int, alpha: float = 0.05) -> Share:
    """How often a verdict other than undecided is given where neither is true (see `SITUATIONS`)."""
    limits, gain = SITUATIONS[situation]
    stream = derive(0, "false verdicts", situation, seeds)
    return share(lambda g: verdict_of(g, seeds, gain, limits, alpha) != UNDECIDED, simulations, stream)


def true_verdicts(seeds: int, beyond: float, simulations: int, alpha: float = 0.05) -> Share:
    """How often "better" is supported where the criterion is better than all by the margin and `beyond` more."""
    stream = derive(0, "true verdicts", seeds, round(1e6 * beyond))
    return share(lambda g: verdict_of(g, seeds, MARGIN + beyond, BETTER, alpha) == SUPPORTED, simulations, stream)


def false_pairs(seeds: int, criteria: int, simulations: int, alpha: float = 0.05) -> Share:
    """How often any pair of equal criteria is called different by the signed-rank test after Holm's correction."""

    def any_pair(generator: np.random.Generator) -> bool:
        values = simulated(generator, seeds, 0.0, criteria)
        pairs = [(one, two) for one in range(criteria) for two in range(one)]
        return min(holm([wilcoxon_p(values[:, one] - values[:, two]) for one, two in pairs])) <= alpha

    return share(any_pair, simulations, derive(0, "pairs", seeds, criteria))


def false_friedman(blocks: int, criteria: int, simulations: int, alpha: float = 0.05) -> Share:
    """How often Iman and Davenport's test finds a difference among equal criteria."""

    def differs(generator: np.random.Generator) -> bool:
        return (
            rank(pd.DataFrame(simulated(generator, blocks, 0.0, criteria)), alpha, int(generator.integers(2**31))).p
            <= alpha
        )

    return share(differs, simulations, derive(0, "friedman", blocks, criteria))


def covered(seeds: int, kind: str, simulations: int, alpha: float = 0.05) -> Share:
    """How often an interval of a mean difference contains the true one; kind: "exact" (signed-rank) or "bca"."""

    def contains(generator: np.random.Generator) -> bool:
        values = simulated(generator, seeds, 0.0, 2)
        differences = values[:, 0] - values[:, 1]
        if kind == "exact":
            low, high = exact_interval(differences, 1 - alpha)
        else:
            low, high = interval(differences, 1 - alpha, int(generator.integers(2**31)))
        return low <= 0.0 <= high

    return share(contains, simulations, derive(0, "covered", seeds))


def two_runs(generator: np.random.Generator, seeds: int, shift: float) -> tuple[np.ndarray, np.ndarray]:
    """Accuracies of two runs, each (seeds, 4 criteria × 9 rates): those of the last criterion differ by `shift`.

    As in a real run a seed moves all numbers alike, each curve has noise of its own, the spread differs between rates
    and is skewed, and accuracies come in steps of one of 448 images. `shift` is in standard deviations of a number.
    """
    rates, criteria = 9, 4
    spread = np.linspace(0.2, 2.0, rates) * SPREAD
    runs = []
    for moved in (0.0, shift):
        common = generator.normal(size=(seeds, 1, 1))
        curve = generator.exponential(size=(seeds, criteria, 1)) - 1
        own = generator.exponential(size=(seeds, criteria, rates)) - 1
        values = 0.7 + spread * ((common + curve + own) / np.sqrt(3) + moved * (np.arange(criteria) == 3)[:, None])
        runs.append(np.round(448 * values.reshape(seeds, -1)) / 448)
    return runs[0], runs[1]


def _called_moved(generator: np.random.Generator, seeds: int, shift: float, alpha: float) -> bool:
    first, second = two_runs(generator, seeds, shift)
    found = shifts.find(first, second, np.full(first.shape[1], 1 / 448), alpha)
    return bool((found.p <= alpha).any())


def false_shifts(seeds: int, simulations: int, alpha: float = 0.05) -> Share:
    """How often `secateur compare` calls any number moved between two runs that differ in nothing but seeds."""
    return share(lambda g: _called_moved(g, seeds, 0.0, alpha), simulations, derive(0, "false shifts", seeds))


def true_shifts(seeds: int, shift: float, simulations: int, alpha: float = 0.05) -> Share:
    """How often it calls a number moved where one criterion really moved by `shift` standard deviations."""
    stream = derive(0, "true shifts", seeds, round(1e6 * shift))
    return share(lambda g: _called_moved(g, seeds, shift, alpha), simulations, stream)
