"""Holding two runs against each other, number by number: what is identical, what moved, what other seeds explain."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from secateur import tablefile
from secateur.analysis import shifts
from secateur.files import md5
from secateur.review import numbers, surroundings
from secateur.review.manifest import elsewhere
from secateur.review.numbers import (
    IDENTICAL,
    LAYOUTS,
    MOVED,
    ONLY_FIRST,
    ONLY_SECOND,
    SPREAD,
    TIMINGS,
    TOLERANCE,
    UNJUDGED,
)
from secateur.review.surroundings import Difference

DIFFERENT = "other values, as its numbers"


@dataclass(frozen=True)
class Comparison:
    """What comparing run A with run B gave.

    `numbers`: one row a number, columns `table where measure seeds_a seeds_b mean_a mean_b difference standard_error p
    unseen state` (`p` and `unseen` where the test was needed, see `shifts.Shifts`). `files`: table or statistics file →
    "same bytes", "same values", "within rounding", "other values, as its numbers", "moved", "only in A" or "only in B".
    `verdicts`, `facts`, `config`, `environment`: what differs there. `notes`: what a reader must know, in sentences.
    """

    numbers: pd.DataFrame
    files: dict[str, str]
    verdicts: list[surroundings.Verdict]
    facts: list[Difference]
    config: list[Difference]
    environment: list[Difference]
    notes: list[str]

    def count(self, state: str) -> int:
        """How many numbers are in `state`."""
        return int((self.numbers["state"] == state).sum())

    @property
    def outcome(self) -> str:
        """ "identical", "reproduced", "not judged" (nothing moved, but something has too few seeds to say so), or
        "not reproduced"."""
        lost = self.count(MOVED) + self.count(ONLY_FIRST) + self.count(ONLY_SECOND)
        files = any(state in (MOVED, ONLY_FIRST, ONLY_SECOND) for state in self.files.values())
        opposite = any(verdict.opposite and not verdict.timing for verdict in self.verdicts)
        if lost or files or opposite or self.facts:
            return "not reproduced"
        if self.count(UNJUDGED):
            return "not judged"
        changed = self.count(IDENTICAL) < len(self.numbers) or any(not verdict.timing for verdict in self.verdicts)
        return "reproduced" if changed else "identical"


def compare(first: str | Path, second: str | Path, alpha: float = 0.05, tolerance: float = TOLERANCE) -> Comparison:
    """Compare two runs.

    Args:
        first, second: folders of runs A and B with `tables/` (and, where there, `statistics/`, `config.json` and
            `provenance.json`): results/<run> or what was published of it.
        alpha: the chance, in (0, 1), that two honest runs which differ in nothing but seeds are said to have moved.
        tolerance: largest relative difference that counts as rounding.

    Raises:
        SecateurError: a folder without tables, or a table that cannot be read.
    """
    first, second = Path(first), Path(second)
    families, facts = _side_by_side(first, second, tolerance)
    judgeable = sum(shifts.smallest_p(*_seeds(family)) <= alpha for family in families)
    judged = pd.concat([_judged(family, alpha / max(judgeable, 1)) for family in families], ignore_index=True)
    files = {
        f"tables/{name}.parquet": _bytes(first, second, str(name), set(of_table["state"]))
        for name, of_table in judged.groupby("table", sort=False)
    }
    files |= _tables_without_seeds(first / "tables", second / "tables")
    same = bool((judged["state"] == IDENTICAL).all())
    away = elsewhere(first) | elsewhere(second)
    said = surroundings.statistics_files(first / "statistics", second / "statistics", same, tolerance)
    files |= {name: state for name, state in said.items() if name not in away}
    config, notes = surroundings.configs(first, second)
    if left_out := sorted(away & set(said)):
        notes.append(f"Not compared, as a published folder here is without them: {', '.join(left_out)}.")
    environment, unknown = surroundings.environments(first, second)
    verdicts = surroundings.verdicts(first / "statistics", second / "statistics")
    return Comparison(judged, files, verdicts, facts, config, environment, notes + unknown)


def _side_by_side(first: Path, second: Path, tolerance: float) -> tuple[list[pd.DataFrame], list[Difference]]:
    """The numbers of both runs, a frame for those that share their seeds, and the facts that differ."""
    tables = [numbers.read(run) for run in (first, second)]
    families: list[pd.DataFrame] = []
    facts: list[Difference] = []
    for block in dict.fromkeys(layout.block for layout in LAYOUTS.values()):
        names = [name for name, layout in LAYOUTS.items() if layout.block == block]
        seeds = [numbers.seeds_of(of_run, names, block) for of_run in tables]
        frames: list[pd.DataFrame] = []
        for name in names:
            one, two = (
                numbers.side(of_run[name], LAYOUTS[name], blocks, run / "tables" / f"{name}.parquet")
                if name in of_run else None
                for run, of_run, blocks in zip((first, second), tables, seeds, strict=True)
            )  # fmt: skip
            if one and two:
                frames += numbers.matched(one, two, name, tolerance)
                facts += numbers.facts_that_differ(tables[0][name], tables[1][name], name, LAYOUTS[name])
            elif one:
                frames += numbers.alone(one, name, ONLY_FIRST)
            elif two:
                frames += numbers.alone(two, name, ONLY_SECOND)
        if frames:
            families.append(pd.concat(frames, ignore_index=True))
    return families, facts


def _seeds(family: pd.DataFrame) -> tuple[int, int]:
    """How many seeds both runs have."""
    return int(family["a"].map(len).max()), int(family["b"].map(len).max())


def _judged(rows: pd.DataFrame, alpha: float) -> pd.DataFrame:
    """`found` with the test of all numbers that both runs have (equal ones too: which are left out must not depend on
    the outcome) and the state of those that differ by more than rounding."""
    both = ~rows["state"].isin([ONLY_FIRST, ONLY_SECOND])
    inside = both & np.array([bool(np.isfinite(a).all() and np.isfinite(b).all()) for a, b in
                              zip(rows["a"], rows["b"], strict=True)])  # fmt: skip
    unsaid = rows["state"] == ""
    for column in ("difference", "standard_error", "p", "unseen"):
        rows[column] = np.nan
    if unsaid.any() and inside.any():
        first, second = (np.stack(rows.loc[inside, run].to_list(), axis=1) for run in ("a", "b"))
        result = shifts.find(first, second, rows.loc[inside, "step"].to_numpy(dtype=float), alpha)
        rows.loc[inside, ["difference", "standard_error", "p", "unseen"]] = np.column_stack(
            [result.difference, result.error, result.p, result.unseen]
        )
    # Untested are too few seeds, and what is no finite number in one run alone: that is no matter of spread.
    judged = np.select([~inside, rows["p"].isna(), rows["p"] <= alpha], [MOVED, UNJUDGED, MOVED], SPREAD)
    rows["state"] = np.where(unsaid, judged, rows["state"])
    for run in ("a", "b"):
        rows[f"seeds_{run}"] = rows[run].map(len)
        rows[f"mean_{run}"] = rows[run].map(lambda values: float(values.mean()) if len(values) else np.nan)
    columns = ["table", "where", "measure", "seeds_a", "seeds_b", "mean_a", "mean_b", "difference", "standard_error",
               "p", "unseen", "state"]  # fmt: skip
    return rows[columns]


def _tables_without_seeds(first: Path, second: Path) -> dict[str, str]:
    """File → state of the tables that are neither numbers nor timings: they are the same, or have moved."""
    names = {path.stem for folder in (first, second) for path in folder.glob("*.parquet")} - {*LAYOUTS, *TIMINGS}
    states = {}
    for name in sorted(names):
        state = _bytes(first.parent, second.parent, name, set())
        if state == DIFFERENT:
            one, two = (tablefile.read(folder / f"{name}.parquet") for folder in (first, second))
            columns = sorted(one.columns)
            same = columns == sorted(two.columns) and _sorted(one, columns).equals(_sorted(two, columns))
            state = "same values" if same else MOVED
        states[f"tables/{name}.parquet"] = state
    return states


def _sorted(table: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    return table[columns].sort_values(columns).reset_index(drop=True)


def _bytes(first: Path, second: Path, name: str, states: set[str]) -> str:
    paths = [run / "tables" / f"{name}.parquet" for run in (first, second)]
    if not all(path.exists() for path in paths):
        return ONLY_FIRST if paths[0].exists() else ONLY_SECOND
    if md5(paths[0]) == md5(paths[1]):
        return "same bytes"
    return "same values" if states == {IDENTICAL} else DIFFERENT
