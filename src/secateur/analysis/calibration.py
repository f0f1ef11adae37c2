"""Tests of the tests: simulated benchmarks with a known truth, and how often the analysis is wrong about them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from secateur.analysis import shifts
from secateur.analysis.claims import Claim
from secateur.analysis.decisions import SUPPORTED, UNDECIDED, judge
from secateur.analysis.overall import over
from secateur.analysis.paired import exact_interval, holm, interval, permutation_p, wilcoxon_p
from secateur.analysis.ranks import rank
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


def _claim(comparison: str, test: str = "wilcoxon") -> Claim:
    margin = 0.0 if comparison == "at_most" else MARGIN
    return Claim("simulated", "", "", comparison, "mean_accuracy_over_rate", margin=margin, limit=3.0, test=test)


def rivals(generator: np.random.Generator, seeds: int, gain: float) -> dict[str, np.ndarray]:
    """Differences of a criterion from its rivals, which share the criterion's own noise."""
    values = simulated(generator, seeds, gain, 1 + len(RIVALS))
    return {rival: values[:, 0] - values[:, 1 + index] for index, rival in enumerate(RIVALS)}


def losses(generator: np.random.Generator, seeds: int, gain: float) -> dict[str, np.ndarray]:
    """Accuracy minus the unpruned network's at four rates of one curve, each `gain` on average."""
    of_curve = generator.exponential(SPREAD, size=(seeds, 1)) - SPREAD
    values = (of_curve + generator.normal(0.0, SPREAD / 2, size=(seeds, 4))) + gain
    return {f"{rate:g}": values[:, index] for index, rate in enumerate((0.1, 0.2, 0.3, 0.4))}


def ratios(generator: np.random.Generator, seeds: int, gain: float) -> dict[str, np.ndarray]:
    """Logarithms of the limit divided by a cost, their median `gain`; costs are skewed, as running times are."""
    return {"3": gain - 0.1 * (generator.exponential(size=seeds) - np.log(2))}


Truth = tuple[Claim, float, Callable[[np.random.Generator, int, float], dict[str, np.ndarray]]]
SITUATIONS: dict[str, Truth] = {
    "“better” claimed, all criteria equal": (_claim("better_than"), 0.0, rivals),
    "“better” claimed, better by exactly the margin": (_claim("better_than"), MARGIN, rivals),
    "“better” claimed, all criteria equal, permutation test": (_claim("better_than", "permutation"), 0.0, rivals),
    "“not worse” claimed, worse by exactly the margin": (_claim("not_worse_than"), -MARGIN, rivals),
    "“keeps” claimed, below by exactly the margin at four rates": (_claim("keeps"), -MARGIN, losses),
    "“at most” claimed, exactly at the limit": (_claim("at_most", "sign"), 0.0, ratios),
}
"""Words → (claim, true advantage, how to draw): truths for which supported and contradicted are both false."""


def false_verdicts(seeds: int, situation: str, simulations: int, alpha: float = 0.05) -> Share:
    """How often a verdict other than undecided is given where neither is true (see `SITUATIONS`)."""
    claim, gain, draw = SITUATIONS[situation]
    stream = derive(0, "false verdicts", situation, seeds)
    return share(lambda g: judge(claim, draw(g, seeds, gain), alpha).verdict != UNDECIDED, simulations, stream)


def false_over_studies(studies: int, simulations: int, seeds: int = 6, alpha: float = 0.05) -> Share:
    """How often equal criteria get a verdict over studies: a criterion's advantage differs by study, 0 on average."""
    claim = _claim("better_than")

    def decided(generator: np.random.Generator) -> bool:
        found = {}
        for study in range(studies):
            of_study = generator.normal(0.0, 2 * SPREAD, size=1 + len(RIVALS))
            found[study] = {
                rival: values + of_study[0] - of_study[1 + index]
                for index, (rival, values) in enumerate(rivals(generator, seeds, 0.0).items())
            }
        each = {str(study): judge(claim, differences, alpha) for study, differences in found.items()}
        return over(claim, list(found.values()), each, alpha)[0].verdict != UNDECIDED

    return share(decided, simulations, derive(0, "false over studies", studies))


def true_verdicts(seeds: int, beyond: float, simulations: int, alpha: float = 0.05) -> Share:
    """How often "better" is supported where the criterion is better than all by the margin and `beyond` more."""
    stream = derive(0, "true verdicts", seeds, round(1e6 * beyond))
    claim = _claim("better_than")
    return share(
        lambda g: judge(claim, rivals(g, seeds, MARGIN + beyond), alpha).verdict == SUPPORTED, simulations, stream
    )


def false_pairs(seeds: int, criteria: int, simulations: int, alpha: float = 0.05, test: str = "wilcoxon") -> Share:
    """How often any pair of equal criteria is called different by the `test` (or "permutation") after Holm."""
    p_of = wilcoxon_p if test == "wilcoxon" else permutation_p

    def any_pair(generator: np.random.Generator) -> bool:
        values = simulated(generator, seeds, 0.0, criteria)
        pairs = [(one, two) for one in range(criteria) for two in range(one)]
        return min(holm([p_of(values[:, one] - values[:, two]) for one, two in pairs])) <= alpha

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
