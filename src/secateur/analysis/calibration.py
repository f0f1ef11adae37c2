"""Tests of the tests: simulated benchmarks with a known truth, and how often the analysis is wrong about them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from secateur.analysis import shifts, simulation
from secateur.analysis.decisions import Bounds, directions
from secateur.analysis.overall import Studies, crossed_p
from secateur.analysis.paired import (
    bootstrapped,
    exact_interval,
    holm,
    median_interval,
    permutation_p,
    sign_p,
    wilcoxon_p,
)
from secateur.analysis.power import detected
from secateur.analysis.ranks import rank
from secateur.analysis.simulation import Draw, Grid
from secateur.seeds import derive

MARGIN = 0.01
"""Margin of the simulated claims, in accuracy."""
BEYOND = 0.03
"""By how much more than needed a claim is true, where its power is measured: three percentage points."""
ALPHA = 0.05


@dataclass(frozen=True)
class Proportion:
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

        exact = stats.binomtest(self.count, self.total).proportion_ci(0.95, method="exact")
        return float(exact.low), float(exact.high)


def counted(happened: np.ndarray) -> Proportion:
    """The share of simulations in which something happened: booleans of shape (simulations,)."""
    return Proportion(int(happened.sum()), happened.size)


def share(happens: Callable[[np.random.Generator], bool], simulations: int, seed: int) -> Proportion:
    """Run `happens` with `simulations` independent streams and count."""
    streams = np.random.default_rng(seed).spawn(simulations)
    return Proportion(sum(map(happens, streams)), simulations)


@dataclass(frozen=True)
class Situation:
    """A claim whose verdict can only be wrong: the true advantage is `gain`, so that neither "supported" (it does not
    exceed `limits.upper`) nor "contradicted" (it is not below `limits.lower`) is true."""

    limits: Bounds
    gain: float
    draw: Draw
    exists: bool = False
    beyond: float = BEYOND


def situations(curves: pd.DataFrame) -> dict[str, Situation]:
    """Words → the situations whose false verdicts are counted; `curves` from `simulation.read`."""
    residuals: dict[str, Draw] = {
        "skewed noise": simulation.skewed, "one seed in four collapses": simulation.collapsing,
        "measured curves": simulation.measured(curves), "measured curves, at 100 %": simulation.near_ceiling(curves),
    }  # fmt: skip
    better, as_good = Bounds(MARGIN, 0.0), Bounds(-MARGIN, -MARGIN)
    made: dict[str, Situation] = {}
    for name, draw in residuals.items():
        made[f"“better” claimed, all criteria equal; {name}"] = Situation(better, 0.0, draw)
        made[f"“better” claimed, better by exactly the margin; {name}"] = Situation(better, MARGIN, draw)
        made[f"“not worse” claimed, worse by exactly the margin; {name}"] = Situation(as_good, -MARGIN, draw)
        made[f"the same, against one rival; {name}"] = Situation(as_good, -MARGIN, first_of(draw))
    lost: list[tuple[str, Draw]] = [
        ("skewed noise", simulation.losses), ("measured curves", simulation.measured_losses(curves)),
    ]  # fmt: skip
    for name, draw in lost:
        words = f"“keeps” claimed, below by exactly the margin at four rates; {name}"
        made[words] = Situation(as_good, -MARGIN, draw, exists=True)
    made["“at most” claimed, exactly at the limit; skewed times"] = Situation(
        Bounds(0.0, 0.0), 0.0, simulation.ratios, beyond=0.2
    )
    return made


def first_of(draw: Draw) -> Draw:
    """The first comparison alone."""
    return lambda generator, simulations, seeds: draw(generator, simulations, seeds)[:, :, :1]


def judged(
    differences: np.ndarray, limits: Bounds, *, exists: bool = False, alpha: float = ALPHA, p_of: Callable = sign_p
) -> np.ndarray:
    """What `decisions.decide` says of many simulations at once: 1 supported, -1 contradicted, 0 undecided.

    Args:
        differences: shape (..., seeds, comparisons); the others as for `decide`; p_of: the test's p-value.

    Returns:
        Shape (...).
    """
    by_comparison = np.moveaxis(differences, -1, 0)
    above, below = p_of(by_comparison - limits.upper, "greater"), p_of(by_comparison - limits.lower, "less")
    return directions(above, below, alpha, exists)


def false_verdicts(seeds: int, words: str, situation: Situation, simulations: int, alpha: float = ALPHA) -> Proportion:
    """How often a verdict other than undecided is given where neither is true; `words` name the random stream."""
    generator = np.random.default_rng(derive(0, "false verdicts", words, seeds))
    drawn = situation.gain + situation.draw(generator, simulations, seeds)
    return counted(judged(drawn, situation.limits, exists=situation.exists, alpha=alpha) != 0)


def true_verdicts(seeds: int, words: str, situation: Situation, simulations: int, alpha: float = ALPHA) -> Proportion:
    """How often the same claim is supported where it is true by `situation.beyond` more than it needs."""
    generator = np.random.default_rng(derive(0, "true verdicts", words, seeds))
    drawn = situation.limits.upper + situation.beyond + situation.draw(generator, simulations, seeds)
    return counted(judged(drawn, situation.limits, exists=situation.exists, alpha=alpha) == 1)


def other_tests(seeds: int, test: str, draw: Draw, simulations: int, alpha: float = ALPHA) -> Proportion:
    """How often another test supports "better" where the mean (of the sign test: the median) is not above the bound.

    `test`: "sign", "wilcoxon" (signed ranks) or "t". One rival; at most alpha / 2 is allowed.
    """
    from scipy import stats

    generator = np.random.default_rng(derive(0, "other tests", seeds))
    centred = draw if test == "sign" else simulation.about_mean(draw)
    drawn = centred(generator, simulations, seeds)[:, :, 0]
    if test == "sign":
        return counted(np.asarray(sign_p(drawn, "greater")) <= alpha / 2)
    if test == "wilcoxon":
        return counted(detected(drawn, alpha / 2, "wilcoxon"))
    return counted(stats.ttest_1samp(drawn, 0.0, axis=1, alternative="greater").pvalue <= alpha / 2)


@dataclass(frozen=True)
class OverStudies:
    """What was said of many simulated grids of studies: each study's own direction (simulations, studies) and whether
    it was true, and the direction over them all."""

    each: np.ndarray
    truth: np.ndarray
    over: np.ndarray

    @property
    def false(self) -> Proportion:
        """How often there is a verdict over all, where the true difference is at its bound."""
        return counted(self.over != 0)

    @property
    def true(self) -> Proportion:
        """How often the claim is supported over all."""
        return counted(self.over == 1)

    @property
    def false_alike(self) -> Proportion:
        """How often all studies say alike what is not so in at least one of them."""
        supported, contradicted = (self.each == 1).all(axis=1), (self.each == -1).all(axis=1)
        return counted((supported & (self.truth <= 0).any(axis=1)) | (contradicted & (self.truth >= 0).any(axis=1)))

    @property
    def alike(self) -> Proportion:
        """How often all studies support the claim."""
        return counted((self.each == 1).all(axis=1))


def over_studies(
    grid: Grid, seeds: int, draw: Draw, simulations: int, *, gain: float = 0.0, beside: str = "", alpha: float = ALPHA
) -> OverStudies:
    """Judge simulated studies each by itself and all together, against the bound 0 and one rival.

    Args:
        grid, seeds, draw: the benchmark; gain: the true difference on average over studies.
        beside: "dataset" for the verdict of one dataset, which is about networks alone.
    """
    generator = np.random.default_rng(derive(0, "over studies", *map(str, (grid, seeds, gain))))
    effects = gain + grid.effects(generator, simulations)
    values = grid.differences(generator, effects, seeds, draw)
    each = judged(values[..., None], Bounds(0.0, 0.0), alpha=alpha)
    studies = Studies(grid.places, beside)
    if studies.alone:
        return OverStudies(each, effects, np.zeros(simulations, dtype=int))
    codes, centres = studies.codes(studies.levels), np.median(values, axis=-1)
    above, below = crossed_p(centres, codes, "greater"), crossed_p(centres, codes, "less")
    return OverStudies(each, effects, directions(above[None], below[None], alpha))


def as_blocks(grid: Grid, seeds: int, draw: Draw, simulations: int, alpha: float = ALPHA) -> Proportion:
    """How often studies taken for independent blocks give a false verdict over all, by the signed-rank test: why they
    are not."""
    generator = np.random.default_rng(derive(0, "over studies", *map(str, (grid, seeds, 0.0))))
    means = grid.differences(generator, grid.effects(generator, simulations), seeds, draw).mean(axis=-1)
    return counted(detected(means, alpha / 2, "wilcoxon") | detected(-means, alpha / 2, "wilcoxon"))


def false_pairs(
    seeds: int, criteria: int, simulations: int, alpha: float = ALPHA, test: str = "wilcoxon"
) -> Proportion:
    """How often any pair of equal criteria is called different by the `test` (or "permutation") after Holm."""
    p_of = wilcoxon_p if test == "wilcoxon" else permutation_p

    def any_pair(generator: np.random.Generator) -> bool:
        values = simulation.simulated(generator, seeds, 0.0, criteria)
        pairs = [(one, two) for one in range(criteria) for two in range(one)]
        return min(holm([p_of(values[:, one] - values[:, two]) for one, two in pairs])) <= alpha

    return share(any_pair, simulations, derive(0, "pairs", seeds, criteria))


def false_friedman(blocks: int, criteria: int, simulations: int, alpha: float = ALPHA) -> Proportion:
    """How often Iman and Davenport's test finds a difference among equal criteria."""

    def differs(generator: np.random.Generator) -> bool:
        return (
            rank(
                pd.DataFrame(simulation.simulated(generator, blocks, 0.0, criteria)),
                alpha,
                int(generator.integers(2**31)),
            ).p
            <= alpha
        )

    return share(differs, simulations, derive(0, "friedman", blocks, criteria))


INTERVALS = {
    "sign": "of the median, from the sign test (verdicts)",
    "exact": "of the mean, from the signed-rank test (tables and figures)",
    "bca": "of the mean, BCa bootstrap (in the files only)",
}
"""Kind of interval → what it is of."""


def covered(seeds: int, kind: str, draw: Draw, simulations: int, alpha: float = ALPHA) -> Proportion:
    """How often an interval of a difference contains its true median or mean, which is 0; `kind`: of `INTERVALS`."""
    generator = np.random.default_rng(derive(0, "covered", seeds))
    centred = draw if kind == "sign" else simulation.about_mean(draw)
    drawn = centred(generator, simulations, seeds)[:, :, 0]
    if kind == "bca":
        intervals = bootstrapped(list(drawn), 1 - alpha, derive(0, "bootstrap", seeds))
    else:
        interval_of = median_interval if kind == "sign" else exact_interval
        intervals = [interval_of(values, 1 - alpha) for values in drawn]
    low, high = np.array(intervals).T
    return counted((low <= 0) & (high >= 0))


def _called_moved(generator: np.random.Generator, seeds: int, shift: float, alpha: float) -> bool:
    first, second = simulation.two_runs(generator, seeds, shift)
    moved = shifts.find(first, second, np.full(first.shape[1], 1 / 448), alpha)
    return bool((moved.p <= alpha).any())


def false_shifts(seeds: int, simulations: int, alpha: float = ALPHA) -> Proportion:
    """How often `secateur compare` calls any number moved between two runs that differ in nothing but seeds."""
    return share(lambda g: _called_moved(g, seeds, 0.0, alpha), simulations, derive(0, "false shifts", seeds))


def true_shifts(seeds: int, shift: float, simulations: int, alpha: float = ALPHA) -> Proportion:
    """How often it calls a number moved where one criterion really moved by `shift` standard deviations."""
    stream = derive(0, "true shifts", seeds, round(1e6 * shift))
    return share(lambda g: _called_moved(g, seeds, shift, alpha), simulations, stream)
