"""Which curves of a published run are measured again, and whether what comes out is what was published.

On a machine like the run's (the same processor, system, device, threads and versions) the same config gives the same
numbers, and a cell must be the same but for rounding. On another machine sums are rounded otherwise. Where networks
were trained, training amplifies that: at worst the network is like that of another seed, and a cell must lie as near to
the published one as the seeds of its setting lie to each other: nearer than `LIMIT` times the deviation of their
difference, or two images. Where nothing was trained (a classifier of others, kept as it is), nothing amplifies it:
sizes are the same, the loss is within `UNTRAINED` of it, and accuracies within two images. And wherever the loss itself
comes out within rounding it is the same network, which is right for the same images.
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
UNTRAINED = 1e-3
"""Largest relative difference of the loss of one network between machines; a card rounds products to 11 bits."""


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


def drawn(rows: pd.DataFrame, cells: int, seed: int) -> pd.DataFrame:
    """`cells` rows of `measurable` drawn at random. Every kind has the same chance, however many rows it writes, and
    every row of a kind.

    Whoever publishes must not know which: `seed` is fresh in every check, and printed so that a check can be repeated.
    """
    generator = np.random.default_rng(derive(seed, "published", "cells"))
    chance = 1.0 / rows.groupby("kind")["kind"].transform("size").to_numpy(dtype=float)
    return rows.iloc[generator.choice(len(rows), min(cells, len(rows)), replace=False, p=chance / chance.sum())]


def curves_of(picked: pd.DataFrame) -> list[Curve]:
    """The curves that drawn cells lie on, each once."""
    keys = picked[["kind", "study", "criterion", "seed"]].itertuples(index=False, name=None)
    return list(dict.fromkeys(Curve(kind, study, criterion, int(seed)) for kind, study, criterion, seed in keys))


def named(cell: pd.Series) -> str:
    """A drawn cell in words."""
    parts = [cell["criterion"], f"on {cell['study']}"]
    parts += [f"repaired by {cell['remedy']}"] if cell["remedy"] != NONE else []
    parts += [f"units chosen {cell['choice']} ({cell['shuffle']})"] if cell["choice"] != OWN else []
    at = f"{cell['branch']}, seed {cell['seed']}, {cell['samples_per_class']} images per class, rate {cell['rate']:g}"
    return f"{' '.join(parts)} ({at})"


def trained(config: dict[str, Any], curve: Curve) -> bool:
    """Whether training has made the networks of a curve: their weights, their heads, or themselves round by round."""
    study = config["studies"][curve.study]
    own = "pretrain" in config["backbones"][study["backbone"]]["weights"]
    return curve.kind == "retrain" or study["head"] != "keep" or own


def judge(published: pd.DataFrame, again: pd.DataFrame, curve: Curve, allowed: "Allowed") -> list[Finding]:
    """Hold a curve measured again against the published rows.

    Args:
        published: all rows of `measurable`.
        again: the table that the job wrote, of the curve's seed.
        curve: which curve.
        allowed: how far apart they may be.

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
    tolerance = allowed.tolerance
    near = np.isclose(mine.to_numpy(float), theirs.to_numpy(float), rtol=tolerance, atol=1e-3 * tolerance)
    if near.all():
        identical = bool((mine.to_numpy(float) == theirs.to_numpy(float)).all())
        word = "to the digit" if identical else "within rounding"
        return [Finding("cells", HOLDS, f"{curve}: {len(mine)} cells measured again, as published {word}")]
    apart = (mine - theirs).abs().to_numpy(float)
    same = near[:, [MEASURED.index("loss")]]  # the loss of the same network
    room = np.where(same, 0.0, allowed.room(rows, theirs))
    off = np.where(near, 0.0, apart - room)
    if (off <= 0).all():
        points = 100 * apart[:, MEASURED.index("accuracy")].max()
        within = "the seeds' spread" if allowed.trained else "what rounding does to a network that was given"
        said = f"{len(mine)} cells measured again, within {within} (accuracy up to {points:.2f} points apart)"
        return [Finding("cells", HOLDS, f"{curve}: {said}")]
    row, column = divmod(int(np.where(off > 0, apart / (room + 1e-12), 0).argmax()), len(MEASURED))
    measure, where = MEASURED[column], _where(mine.index[row])
    one, other = float(theirs.to_numpy(float)[row, column]), float(mine.to_numpy(float)[row, column])
    said = f"{measure} is {one:.6g} where it was measured again as {other:.6g}"
    limit = f"allowed are {room[row, column]:.2g} either way"
    if allowed.exact:
        limit = "on this machine it must be the same"
    elif not room[row].any():
        limit = "it must be the same, as the loss is: this is the same network"
    return [Finding("cells", REFUSED, f"{curve}: {int((off > 0).any(axis=1).sum())} of {len(mine)} cells are others; "
                    f"{where}: {said}; {limit}")]  # fmt: skip


@dataclass(frozen=True)
class Allowed:
    """How far apart a cell measured here and the published one may be.

    `exact`: only rounding (the machine is the run's). `trained`: training has made the networks. `classes`: of the
    study's dataset. `tolerance`: largest relative difference that counts as rounding.
    """

    exact: bool
    trained: bool
    classes: int
    tolerance: float

    def room(self, rows: pd.DataFrame, published: pd.DataFrame) -> np.ndarray:
        """Cells × measures: differences that say nothing against the published cells.

        Args:
            rows: the curve's rows of all seeds.
            published: those of its own seed, indexed by setting.
        """
        room = pd.DataFrame(0.0, index=published.index, columns=list(MEASURED))
        if self.exact:
            return room.to_numpy()
        images = 2 / rows.groupby(SETTING)["test_samples"].first().loc[published.index]
        room["accuracy"], room["worst_class_accuracy"] = images, self.classes * images
        if not self.trained:
            room["loss"] = UNTRAINED * published["loss"]
            return room.to_numpy()
        spread = rows.groupby(SETTING)[list(MEASURED)].std(ddof=1).fillna(0.0).loc[published.index]
        return np.maximum(LIMIT * np.sqrt(2) * spread.to_numpy(), room.to_numpy())


def _where(setting: Any) -> str:
    named = dict(zip(SETTING, setting, strict=True))
    return f"{named['samples_per_class']} images per class, rate {named['rate']:g}"
