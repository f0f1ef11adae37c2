"""The numbers of a run: what its tables hold, seed by seed, and those of two runs side by side.

A *number* is a measured quantity in one setting, e.g. the accuracy of study s, branch b, criterion c at rate r: as many
values as there are seeds. Times and memory (the tables cost and latency) are no numbers here: they are the machine's.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from secateur import tablefile
from secateur.analysis.tables import with_defaults
from secateur.errors import SecateurError
from secateur.review.surroundings import Difference

IDENTICAL, ROUNDING, SPREAD = "identical", "within rounding", "within the seeds' spread"
MOVED, UNJUDGED, ONLY_FIRST, ONLY_SECOND = "moved", "not judged", "only in A", "only in B"
STATES = (IDENTICAL, ROUNDING, SPREAD, MOVED, UNJUDGED, ONLY_FIRST, ONLY_SECOND)
TOLERANCE = 1e-5
"""Relative difference that counts as rounding: what another processor's order of summation does to a float32 loss."""
TIMINGS = ("cost", "latency")
"""Tables that hold times and memory of a machine: never compared."""
ALL = "all"
"""In place of a rate: the mean of a curve over all its rates."""


@dataclass(frozen=True)
class Layout:
    """What the columns of a table are: `keys` name a number, `block` its seeds, `repeats` draws within a seed (they are
    averaged), `values` what was measured, `facts` what must simply be equal; `curve`: numbers over rates."""

    keys: list[str]
    block: str
    values: list[str]
    facts: list[str] = field(default_factory=list)
    repeats: list[str] = field(default_factory=list)
    curve: bool = False


_QUALITY = ["accuracy", "loss", "worst_class_accuracy", "params_share", "macs_share"]
LAYOUTS = {
    "curves": Layout(["study", "branch", "control", "remedy", "choice", "varied", "samples_per_class", "criterion",
                      "rate"], "seed", _QUALITY, ["dataset", "backbone", "units_total", "test_samples"], ["shuffle"],
                     curve=True),
    "grid": Layout(["study", "samples_per_class", "criterion", "filter_rate", "head_rate", "neuron_rate"], "seed",
                   _QUALITY, ["dataset", "backbone", "filters_total", "heads_total", "neurons_total", "test_samples"]),
    "profiles": Layout(["study", "samples_per_class", "criterion", "rate", "group"], "seed", ["removed"], ["units"]),
    "toy": Layout(["dataset", "variant", "references", "steps", "samples_per_class", "criterion", "rate",
                   "evaluated_on", "noise_sigma"], "model_seed", ["accuracy", "accuracy_unpruned"], ["removed"],
                  ["repetition"]),
    "toy_stability": Layout(["dataset", "variant", "references", "steps", "samples_per_class", "criterion", "other",
                             "measure", "k"], "model_seed", ["mean", "std"]),
}  # fmt: skip
"""Table → layout. Every other table but the timings holds no seeds (`units`) and must be the same in both runs."""


def read(run: Path) -> dict[str, pd.DataFrame]:
    """The tables of `LAYOUTS` that lie in `run`/tables; at least one, each with the columns that its layout needs.

    Raises:
        SecateurError: no table is there, or one cannot be read or lacks a column.
    """
    frames = {}
    for name, layout in LAYOUTS.items():
        path = run / "tables" / f"{name}.parquet"
        if not path.exists():
            continue
        frames[name] = with_defaults(tablefile.read(path, "Get or make it again."), name)
        needed = [*layout.keys, layout.block, *layout.repeats, *layout.values, *layout.facts]
        missing = [column for column in needed if column not in frames[name].columns]
        if missing:
            raise SecateurError(
                f"{path}: without the column(s) {', '.join(missing)}. It was made by another version of Secateur; "
                "compare runs with the version that made them."
            )
    if not frames:
        raise SecateurError(
            f"{run}: there is no run here: none of {', '.join(f'tables/{name}.parquet' for name in LAYOUTS)} is there. "
            "Name the folder of a run, e.g. results/demo, or of a published one, e.g. published/demo."
        )
    return frames


def seeds_of(run: dict[str, pd.DataFrame], names: list[str], block: str) -> np.ndarray:
    """All seeds of a run in the tables `names`, in order."""
    return np.unique(np.concatenate([run[name][block].to_numpy() for name in names if name in run] or [np.empty(0)]))


@dataclass(frozen=True)
class Side:
    """The numbers of one table in one run: `where` and `step` (resolution) of each, whether it is there for every seed
    (`whole`), and by measure its `raw` values (numbers × measurements, NaN for those that are not `there`) and their
    `means` by seed (numbers × seeds)."""

    where: pd.Index
    whole: np.ndarray
    there: np.ndarray
    raw: dict[str, np.ndarray]
    means: dict[str, np.ndarray]
    step: dict[str, np.ndarray]


def side(table: pd.DataFrame, layout: Layout, seeds: np.ndarray, path: Path) -> Side:
    """The numbers of one table.

    Args:
        table: as `read` gives it.
        layout: what its columns are.
        seeds: all seeds that the run has; a number that lacks one of them is not whole.
        path: where the table lies, for the error.

    Raises:
        SecateurError: a measurement is there twice.
    """
    within = [*layout.keys, layout.block, *layout.repeats]
    if table.duplicated(within).any():
        raise SecateurError(f"{path}: the same measurement is there twice. Make it again.")
    table = table[[*within, *layout.values]].assign(there=1.0).sort_values(within)  # sums depend on their order
    if layout.curve:
        whole = [key for key in (*layout.keys, layout.block) if key != "rate"]
        means = table.groupby(whole, as_index=False)[[*layout.values, "there"]].mean()
        table = pd.concat([table.astype({"rate": object}), means.assign(rate=ALL)], ignore_index=True)
    for key in layout.keys:
        table[key] = table[key].map(_shown)
    wide = table.set_index(within).unstack([layout.block, *layout.repeats])
    there = wide["there"].notna().to_numpy()
    belongs = wide["there"].columns.get_level_values(layout.block).to_numpy()[:, None] == seeds[None, :]
    counts = there.astype(float) @ belongs
    raw = {value: wide[value].to_numpy(dtype=float) for value in layout.values}
    with np.errstate(invalid="ignore"):
        means_ = {value: (np.where(there, measured, 0.0) @ belongs) / counts for value, measured in raw.items()}
    names = wide.index.to_frame(index=False)
    where = pd.Index([", ".join(f"{key} {value}" for key, value in zip(layout.keys, row, strict=True))
                      for row in names.itertuples(index=False)])  # fmt: skip
    first, averaged = names[layout.keys[0]].to_numpy(), names.get("rate", names[layout.keys[0]]).to_numpy() == ALL
    step = {}
    for value, measured in raw.items():
        step[value] = np.zeros(len(names))
        for key in np.unique(first):
            mine = (first == key) & ~averaged
            step[value][mine] = _step(measured[mine])
    return Side(where, (counts > 0).all(axis=1), there, raw, means_, step)


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _step(values: np.ndarray) -> float:
    """The finest difference between any two values that were measured: 1/448 for accuracies on 448 images."""
    gaps = np.diff(np.unique(values[np.isfinite(values)]))
    gaps = gaps[gaps > 1e-9]
    return float(gaps.min()) if gaps.size else 0.0


def matched(one: Side, two: Side, name: str, tolerance: float) -> list[pd.DataFrame]:
    """The numbers of both runs side by side, a frame a measure; `state` is that of those that need no test, else ""."""
    where = one.where.union(two.where, sort=False)
    places = [side.where.get_indexer(where) for side in (one, two)]
    here = [(place >= 0) & side.whole[place] for place, side in zip(places, (one, two), strict=True)]
    frames = []
    for measure in one.raw:
        sides = [np.where(known[:, None], side.means[measure][place], np.nan)
                 for known, side, place in zip(here, (one, two), places, strict=True)]  # fmt: skip
        raw = [side.raw[measure][place] for side, place in zip((one, two), places, strict=True)]
        there = [side.there[place] for side, place in zip((one, two), places, strict=True)]
        equal = near = np.zeros(len(where), dtype=bool)
        if raw[0].shape == raw[1].shape:
            alike = (places[0] >= 0) & (places[1] >= 0) & (there[0] == there[1]).all(axis=1)
            equal = alike & np.isclose(raw[0], raw[1], rtol=0, atol=0, equal_nan=True).all(axis=1)
            near = alike & np.isclose(raw[0], raw[1], rtol=tolerance, atol=1e-3 * tolerance, equal_nan=True).all(axis=1)
        state = np.select(
            [equal, near, ~here[0] & ~here[1], ~here[1], ~here[0]],
            [IDENTICAL, ROUNDING, UNJUDGED, ONLY_FIRST, ONLY_SECOND], "",
        )  # fmt: skip
        step = np.minimum(one.step[measure][places[0]], two.step[measure][places[1]])
        frames.append(pd.DataFrame({
            "table": name, "where": where, "measure": measure, "state": state, "step": step,
            "a": list(sides[0]), "b": list(sides[1]),
        }))  # fmt: skip
    return frames


def alone(side: Side, name: str, state: str) -> list[pd.DataFrame]:
    """The numbers of a table that only one run has."""
    nothing = [np.empty(0)] * len(side.where)
    return [
        pd.DataFrame({
            "table": name, "where": side.where, "measure": measure, "state": state, "step": 0.0,
            "a": list(means) if state == ONLY_FIRST else nothing, "b": list(means) if state == ONLY_SECOND else nothing,
        })
        for measure, means in side.means.items()
    ]  # fmt: skip


def facts_that_differ(one: pd.DataFrame, two: pd.DataFrame, name: str, layout: Layout) -> list[Difference]:
    """Facts of the table `name` that are not the same in both runs, for each study or 2-D set that both have."""
    differing = []
    for column in layout.facts:
        for key in sorted(set(one[layout.keys[0]]) & set(two[layout.keys[0]])):
            values = [sorted(map(str, set(table.loc[table[layout.keys[0]] == key, column]))) for table in (one, two)]
            if values[0] != values[1]:
                differing.append(Difference(f"{column} of {key} (table {name})", *map(", ".join, values)))
    return differing
