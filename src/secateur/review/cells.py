"""Which curves of a published run are measured again, and whether what comes out is what was published.

On a machine like the run's (the same processor, system, device, threads and versions) the same config gives the same
numbers, and a cell must be the same but for rounding. On another machine sums are rounded otherwise and training
amplifies that: at worst the network is like that of another seed. There a cell must lie as near to the published one as
the seeds of its setting lie to each other: nearer than `LIMIT` times the deviation of their difference, or two images.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from secateur.choosing import OWN
from secateur.config import is_rule
from secateur.repair import NONE
from secateur.review.finding import HOLDS, REFUSED, Finding
from secateur.seeds import derive

SETTING = ["study", "branch", "criterion", "remedy", "choice", "shuffle", "samples_per_class", "rate"]
"""What names a cell, but for its seed."""
MEASURED = ("accuracy", "loss", "worst_class_accuracy", "params", "macs", "units_removed")
LIMIT = 3.0


@dataclass(frozen=True)
class Curve:
    """A curve to measure again: the kind of job that measures it (branches/again.py), and whose it is."""

    kind: str
    study: str
    criterion: str
    seed: int

    def __str__(self) -> str:
        return f"{self.kind} of {self.criterion}, {self.study}, seed {self.seed}"


def measurable(curves: pd.DataFrame, config: dict[str, Any]) -> pd.DataFrame:
    """The rows that can be measured again: of the seeds' own pruned networks, by criteria that are no Snakemake rules.

    With the column `kind`: "fewshot", "retrain", "repaired" or "decomposed". Rate 0 is left out, which is part of every
    curve; so are controls and networks with a component drawn anew.
    """
    ranked = [item["name"] for item in config["criteria"] if not is_rule(config, item)]
    own = (curves["control"] == "") & (curves["varied"] == "") & (curves["rate"] > 0)
    chosen = curves[own & curves["criterion"].isin(ranked)]
    kind = np.select(
        [chosen["remedy"] != NONE, chosen["choice"] != OWN], ["repaired", "decomposed"], chosen["branch"].astype(str)
    )
    return chosen.assign(kind=kind)


def drawn(rows: pd.DataFrame, cells: int, seed: int) -> list[Curve]:
    """The curves of `cells` rows of `measurable` drawn at random; each curve once. Every kind has the same chance,
    however many rows it writes, and every row of a kind.

    Whoever publishes must not know which: `seed` is fresh in every check, and printed so that a check can be repeated.
    """
    generator = np.random.default_rng(derive(seed, "published", "cells"))
    chance = 1.0 / rows.groupby("kind")["kind"].transform("size").to_numpy(dtype=float)
    picked = rows.iloc[generator.choice(len(rows), min(cells, len(rows)), replace=False, p=chance / chance.sum())]
    found = picked[["kind", "study", "criterion", "seed"]].itertuples(index=False, name=None)
    return list(dict.fromkeys(Curve(kind, study, criterion, int(seed)) for kind, study, criterion, seed in found))


def judge(published: pd.DataFrame, again: pd.DataFrame, curve: Curve, exact: bool, tolerance: float) -> list[Finding]:
    """Hold a curve measured again against the published rows.

    Args:
        published: all rows of `measurable`.
        again: the table that the job wrote, of the curve's seed.
        curve: which curve.
        exact: whether only rounding is allowed (the machine is the run's).
        tolerance: largest relative difference that counts as rounding.

    Returns:
        One finding: HOLDS with how near it was, or REFUSED with the cell that is furthest off.
    """
    rows = published[(published["kind"] == curve.kind) & (published["study"] == curve.study)
                     & (published["criterion"] == curve.criterion)]  # fmt: skip
    rows = rows.astype({"samples_per_class": str})
    mine = again[again["rate"] > 0].astype({"samples_per_class": str}).set_index(SETTING)[list(MEASURED)]
    theirs = rows[rows["seed"] == curve.seed].set_index(SETTING)[list(MEASURED)]
    if set(mine.index) != set(theirs.index):
        absent = [*sorted(set(mine.index) - set(theirs.index)), *sorted(set(theirs.index) - set(mine.index))][0]
        said = "published" if absent in theirs.index else "measured again"
        return [Finding("cells", REFUSED, f"{curve}: {_where(absent)} is only {said}")]
    theirs = theirs.loc[mine.index]
    near = np.isclose(mine.to_numpy(float), theirs.to_numpy(float), rtol=tolerance, atol=1e-3 * tolerance)
    if near.all():
        same = bool((mine.to_numpy(float) == theirs.to_numpy(float)).all())
        word = "to the digit" if same else "within rounding"
        return [Finding("cells", HOLDS, f"{curve}: {len(mine)} cells measured again, as published {word}")]
    apart = (mine - theirs).abs().to_numpy(float)
    allowed = np.zeros_like(apart) if exact else _allowed(rows, mine.index)
    off = np.where(near, 0.0, apart - allowed)
    if (off <= 0).all():
        points = 100 * apart[:, MEASURED.index("accuracy")].max()
        said = f"{len(mine)} cells measured again, within the seeds' spread (accuracy up to {points:.2f} points apart)"
        return [Finding("cells", HOLDS, f"{curve}: {said}")]
    row, column = divmod(int(np.where(off > 0, apart / (allowed + 1e-12), 0).argmax()), len(MEASURED))
    measure, where = MEASURED[column], _where(mine.index[row])
    one, other = float(theirs.to_numpy(float)[row, column]), float(mine.to_numpy(float)[row, column])
    said = f"{measure} is {one:.6g} where it was measured again as {other:.6g}"
    limit = "on this machine it must be the same" if exact else f"allowed are {allowed[row, column]:.2g} either way"
    return [Finding("cells", REFUSED, f"{curve}: {int((off > 0).any(axis=1).sum())} of {len(mine)} cells are others; "
                    f"{where}: {said}; {limit}")]  # fmt: skip


def _allowed(rows: pd.DataFrame, settings: pd.Index) -> np.ndarray:
    """Cells × measures: how far apart two honest networks of another machine may be, from the spread over seeds."""
    measured = list(MEASURED)
    spread = rows.groupby(SETTING)[measured].std(ddof=1).fillna(0.0).loc[settings].to_numpy(float)
    images = 2 / rows.groupby(SETTING)["test_samples"].first().loc[settings].to_numpy(float)
    least = np.zeros_like(spread)
    for column, measure in enumerate(measured):
        if measure.endswith("accuracy"):
            least[:, column] = images
    return np.maximum(LIMIT * np.sqrt(2) * spread, least)


def _where(setting: Any) -> str:
    named = dict(zip(SETTING, setting, strict=True))
    return f"{named['samples_per_class']} images per class, rate {named['rate']:g}"
