"""Simulated benchmarks whose truth is known: differences between criteria, over seeds and over studies.

Residuals are drawn from skewed distributions, or resampled from measured curves with the skew and the ceiling at 100 %
that they have. All are differences with median 0 in every comparison, in accuracy, of shape (simulations, seeds,
comparisons); a simulated advantage is added to them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

RIVALS = ("weight", "gradient", "taylor")
SPREAD = 0.01
"""Standard deviation of a criterion's simulated noise, in accuracy."""
COLLAPSING, COLLAPSE = 0.25, 0.2
"""Share of seeds in which a criterion collapses, and by how much accuracy."""
CEILING = 0.985
"""Median accuracy of criteria that are simulated near 100 %."""
RATES = (0.1, 0.2, 0.3, 0.4)
POINT = 0.01
"""A percentage point; also the standard deviation of what neither dataset nor network explains of a study."""

Draw = Callable[[np.random.Generator, int, int], np.ndarray]
"""(generator, simulations, seeds) → differences."""


def skewed(generator: np.random.Generator, simulations: int, seeds: int) -> np.ndarray:
    """A criterion minus each rival; the noise of each is exponential, and its own."""
    noise = generator.exponential(SPREAD, size=(simulations, seeds, 1 + len(RIVALS)))
    return noise[:, :, :1] - noise[:, :, 1:]


def collapsing(generator: np.random.Generator, simulations: int, seeds: int) -> np.ndarray:
    """The criterion collapses in some seeds, its rivals never do: differences with a long lower tail."""
    fallen = generator.random((simulations, seeds, 1)) < COLLAPSING
    noise = generator.normal(0.0, SPREAD, size=(simulations, seeds, 1 + len(RIVALS)))
    return noise[:, :, :1] - noise[:, :, 1:] - COLLAPSE * fallen - _median_of_collapsing()


def _median_of_collapsing() -> float:
    """Median of normal differences of which a share `COLLAPSING` lies `COLLAPSE` lower."""
    from scipy import optimize, stats

    spread = SPREAD * 2**0.5

    def above_half(at: float) -> float:
        kept, fallen = stats.norm.cdf(at / spread), stats.norm.cdf((at + COLLAPSE) / spread)
        return float((1 - COLLAPSING) * kept + COLLAPSING * fallen - 0.5)

    return float(optimize.brentq(above_half, -5 * spread, 5 * spread))


def losses(generator: np.random.Generator, simulations: int, seeds: int) -> np.ndarray:
    """Accuracy minus the unpruned network's at the rates of one curve, each with the same long lower tail."""
    curve = generator.exponential(SPREAD, size=(simulations, seeds, 1))
    return SPREAD * np.log(2) - curve * np.linspace(0.99, 1.01, len(RATES))


def ratios(generator: np.random.Generator, simulations: int, seeds: int) -> np.ndarray:
    """Logarithms of a limit divided by a cost; costs are skewed, as running times are."""
    return 0.1 * (np.log(2) - generator.exponential(size=(simulations, seeds, 1)))


@dataclass(frozen=True)
class Measured:
    """Differences of measured curves, shape (settings, seeds, comparisons), with median 0 in every setting: a setting
    is a study in a branch. Drawing takes a setting at random, and of it seeds with replacement."""

    differences: np.ndarray

    def __call__(self, generator: np.random.Generator, simulations: int, seeds: int) -> np.ndarray:
        settings, atoms, _ = self.differences.shape
        setting = generator.integers(settings, size=(simulations, 1))
        return self.differences[setting, generator.integers(atoms, size=(simulations, seeds))]


def about_mean(draw: Draw) -> Draw:
    """The same residuals with mean 0, of every setting, in place of median 0."""
    if isinstance(draw, Measured):
        return Measured(draw.differences - draw.differences.mean(axis=1, keepdims=True))
    mean = draw(np.random.default_rng(0), 1, 1_000_000).mean(axis=(0, 1))
    return lambda generator, simulations, seeds: draw(generator, simulations, seeds) - mean


def read(path: str | Path) -> pd.DataFrame:
    """The table of measured curves (benchmarks/measured_curves.csv): one row a study, branch, seed, measure and rate
    `at`, one column a criterion."""
    return pd.read_csv(path).sort_values(["study", "branch", "measure", "at", "seed"], ignore_index=True)


def _settings(curves: pd.DataFrame, measure: str) -> np.ndarray:
    """Values of one measure, shape (settings, seeds, criteria): the criterion first, then `RIVALS`."""
    chosen = curves[curves["measure"] == measure]
    return np.stack(
        [group[["lrp", *RIVALS]].to_numpy() for _, group in chosen.groupby(["study", "branch", "at"], dropna=False)]
    )


def _centred(values: np.ndarray) -> np.ndarray:
    return values - np.median(values, axis=1, keepdims=True)


def measured(curves: pd.DataFrame) -> Measured:
    """A criterion minus each rival, in the mean accuracy over rates."""
    values = _settings(curves, "mean_accuracy_over_rate")
    return Measured(_centred(values[:, :, :1] - values[:, :, 1:]))


def near_ceiling(curves: pd.DataFrame) -> Measured:
    """The same, with the accuracies of all criteria moved up to `CEILING`, where 100 % cuts their upper tail off."""
    values = np.minimum(1.0, CEILING + _centred(_settings(curves, "accuracy_at_rate")))
    return Measured(_centred(values[:, :, :1] - values[:, :, 1:]))


def measured_losses(curves: pd.DataFrame) -> Measured:
    """Accuracy of the criterion with retraining minus that of the unpruned network, at the rates of its curves."""
    retrained = curves[curves["branch"] == "retrain"]
    start = retrained[retrained["measure"] == "unpruned_accuracy"].set_index(["study", "seed"])["lrp"]
    after = retrained[retrained["measure"] == "accuracy_at_rate"].pivot(
        index=["study", "seed"], columns="at", values="lrp"
    )
    lost = after.sub(start, axis=0)
    return Measured(_centred(np.stack([group.to_numpy() for _, group in lost.groupby(level="study")])))


@dataclass(frozen=True)
class Grid:
    """Studies of `datasets` × `backbones`; the effects of both have these standard deviations, in accuracy."""

    datasets: int
    backbones: int
    dataset_sd: float = 0.0
    backbone_sd: float = 0.0
    skewness: float = 0.0
    """Of the effects: normal ones have 0; below it they have a long lower tail (-2: an exponential distribution)."""

    @property
    def places(self) -> dict[str, dict[str, str]]:
        """Where each study stands (see `overall.Studies`)."""
        return {
            f"{dataset}-{backbone}": {"dataset": str(dataset), "backbone": str(backbone)}
            for dataset in range(self.datasets) for backbone in range(self.backbones)
        }  # fmt: skip

    def effects(self, generator: np.random.Generator, simulations: int) -> np.ndarray:
        """True differences of the studies, 0 on average over datasets and networks: (simulations, studies)."""

        def drawn(spread: float, *shape: int) -> np.ndarray:
            size = (simulations, *shape)
            if not self.skewness:
                return spread * generator.normal(size=size)
            order = 4 / self.skewness**2
            return np.sign(self.skewness) * spread * (generator.gamma(order, size=size) - order) / order**0.5

        of_factors = drawn(self.dataset_sd, self.datasets, 1) + drawn(self.backbone_sd, 1, self.backbones)
        return (of_factors + drawn(POINT, self.datasets, self.backbones)).reshape(simulations, -1)

    def differences(self, generator: np.random.Generator, effects: np.ndarray, seeds: int, draw: Draw) -> np.ndarray:
        """Differences of one criterion from one rival, around `effects`: (simulations, studies, seeds)."""
        residuals = draw(generator, effects.size, seeds)[:, :, 0]
        return effects[:, :, None] + residuals.reshape(*effects.shape, seeds)


def simulated(generator: np.random.Generator, seeds: int, gain: float, criteria: int = 4) -> np.ndarray:
    """A measure of `criteria` criteria on `seeds` seeds, shape (seeds, criteria): the first is better by `gain`.

    A seed shifts all criteria alike; each criterion adds skewed noise of its own (a shifted exponential, standard
    deviation `SPREAD`), so that nothing rests on normal data.
    """
    common = generator.normal(0.0, 3 * SPREAD, size=(seeds, 1))
    noise = generator.exponential(SPREAD, size=(seeds, criteria)) - SPREAD
    return common + noise + gain * (np.arange(criteria) == 0)


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
