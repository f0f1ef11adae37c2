"""What lies around the numbers of two runs, and where it differs: configs, environments, statistics, verdicts."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from secateur.analysis.decisions import UNDECIDED
from secateur.errors import SecateurError
from secateur.files import md5, read_json
from secateur.repair import NONE

OVERALL = "over all studies"


@dataclass(frozen=True)
class Difference:
    """Something that is `first` in run A and `second` in run B."""

    what: str
    first: str
    second: str


@dataclass(frozen=True)
class Verdict:
    """A verdict that differs; `timing` where the claim is about times, which belong to the machine."""

    claim: str
    criterion: str
    where: str
    first: str
    second: str
    timing: bool

    @property
    def opposite(self) -> bool:
        """Supported in one run and contradicted in the other: other seeds alone do that hardly ever, while a claim near
        its bound is now decided and now not."""
        return UNDECIDED not in (self.first, self.second) and "" not in (self.first, self.second)


def configs(first: Path, second: Path) -> tuple[list[Difference], list[str]]:
    """Keys of config.json that differ (the run's name does not count), and what follows from them."""
    flattened = [flat(read_json(run / "config.json")) if (run / "config.json").exists() else None
             for run in (first, second)]  # fmt: skip
    if flattened[0] is None or flattened[1] is None:
        absent = " and ".join(str(run / "config.json") for run, one in zip((first, second), flattened, strict=True)
                              if one is None)  # fmt: skip
        return [], [f"{absent}: not there, so the configs are not compared."]
    differ = differences(flattened[0], flattened[1], ignored=("run",))
    notes = []
    if any(difference.what == "run_seed" for difference in differ):
        notes.append(
            "The runs have another run_seed: their backbones are pretrained anew. All seeds of a run share "
            "its backbone, so what a backbone does is not within the seeds' spread and can show up as moved."
        )
    return differ, notes


def environments(first: Path, second: Path) -> tuple[list[Difference], list[str]]:
    """What provenance.json says of commit, machine, versions, data and claims, where it differs.

    Hashes of what a run made are left out: its numbers are compared, and on another machine weights differ by rounding.
    """
    recorded = []
    for run in (first, second):
        path = run / "provenance.json"
        recorded.append(flat(read_json(path)) if path.exists() else None)
    if recorded[0] is None or recorded[1] is None:
        absent = " and ".join(str(run / "provenance.json") for run, one in zip((first, second), recorded, strict=True)
                              if one is None)  # fmt: skip
        return [], [f"{absent}: not there, so commit, machine and versions are not compared."]
    made = ("criteria.", "glossary.", *(f"hashes.{kind}." for kind in ("backbones", "models", "samples", "rankings")))
    beside = tuple(key for one in recorded if one for key in one if key.startswith(made))
    return differences(
        recorded[0], recorded[1], ignored=("config_hash", "processor_time", "wall_seconds", "rules", *beside)
    ), []


def statistics_files(first: Path, second: Path, same_numbers: bool, tolerance: float) -> dict[str, str]:
    """File → state of every statistics table; one that differs although all numbers are identical has "moved".

    Statistics are computed from the numbers, so they are not tested again. Verdicts on times are left out.
    """
    files: dict[str, str] = {}
    names = [{path.name for path in folder.glob("*.csv")} for folder in (first, second)]
    for name in sorted(names[0] | names[1]):
        key = f"statistics/{name}"
        if name not in names[0] or name not in names[1]:
            files[key] = "only in A" if name in names[0] else "only in B"
        elif md5(first / name) == md5(second / name):
            files[key] = "same bytes"
        else:
            one, two = (_timeless(_csv(folder / name), name) for folder in (first, second))
            if _equal(one, two, 0.0):
                files[key] = "same values"
            elif _equal(one, two, tolerance):
                files[key] = "within rounding"
            else:
                files[key] = "moved" if same_numbers else "other values, as its numbers"
    return files


def verdicts(first: Path, second: Path) -> list[Verdict]:
    """Verdicts that are not the same in both runs, those over all studies first; "" is a verdict that is not there."""
    paths = [folder / "verdicts.csv" for folder in (first, second)]
    if not all(path.exists() for path in paths):
        return []
    tables = [_csv(path) for path in paths]
    tables = [table if "where" in table else table.assign(where=table["study"]) for table in tables]  # earlier runs
    tables = [table if "remedy" in table else table.assign(remedy=NONE) for table in tables]
    keys = ["claim", "criterion", "scope", "where", "remedy"]
    by_run = [
        {tuple("" if pd.isna(value) else str(value) for value in row[:5]): row[5]
         for row in table[[*keys, "verdict"]].itertuples(index=False)} for table in tables
    ]  # fmt: skip
    timed = _timed(tables[0]) | _timed(tables[1])
    changed = [
        Verdict(key[0], key[1], _place(key[3], key[4]), by_run[0].get(key, ""), by_run[1].get(key, ""),
                key[0] in timed)
        for key in dict.fromkeys([*by_run[0], *by_run[1]]) if by_run[0].get(key) != by_run[1].get(key)
    ]  # fmt: skip
    return sorted(changed, key=lambda verdict: not verdict.where.startswith(OVERALL))


def _place(where: str, remedy: str) -> str:
    return f"{where or OVERALL}{'' if remedy == NONE else f', repaired by {remedy}'}"


def _timed(verdict_table: pd.DataFrame) -> set[str]:
    """Claims about times: their blocks are repeats of a timing, not seeds."""
    return set(verdict_table.loc[verdict_table["blocks"] == "repeats", "claim"])


def _timeless(table: pd.DataFrame, name: str) -> pd.DataFrame:
    if name != "verdicts.csv":
        return table
    kept = table[~table["claim"].isin(_timed(table))]
    return kept.drop(columns="sentence").reset_index(drop=True)


def _csv(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise SecateurError(f"{path}: not a readable CSV table ({error}). Get or make it again.") from None


def _equal(one: pd.DataFrame, two: pd.DataFrame, tolerance: float) -> bool:
    if list(one.columns) != list(two.columns) or len(one) != len(two):
        return False
    for column in one.columns:
        a, b = one[column], two[column]
        if all(pd.api.types.is_numeric_dtype(values) for values in (a, b)):
            if not np.allclose(a.astype(float), b.astype(float), rtol=tolerance, atol=1e-3 * tolerance, equal_nan=True):
                return False
        elif not a.fillna("").astype(str).equals(b.fillna("").astype(str)):
            return False
    return True


def flat(value: Any, prefix: str = "") -> dict[str, str]:
    """Nested mappings as one, "a.b.c" → text; a list of named entries (the criteria) by name."""
    if isinstance(value, list) and value and all(isinstance(item, dict) and "name" in item for item in value):
        value = {item["name"]: item for item in value}
    if isinstance(value, dict):
        leaves: dict[str, str] = {}
        for key, inner in value.items():
            leaves |= flat(inner, f"{prefix}.{key}" if prefix else str(key))
        return leaves
    return {prefix: f"{value:g}" if isinstance(value, float) and math.isfinite(value) else str(value)}


def differences(first: dict[str, str], second: dict[str, str], ignored: tuple[str, ...]) -> list[Difference]:
    return [
        Difference(key, first.get(key, "(absent)"), second.get(key, "(absent)"))
        for key in dict.fromkeys([*first, *second])
        if key not in ignored and first.get(key) != second.get(key)
    ]
