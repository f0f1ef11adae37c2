"""A published run's tables held against its config and against themselves: nothing left out, nothing that cannot be.

What is measured obeys rules that a changed number breaks: an accuracy is a whole number of test images, a share is that
of the unpruned network of its own seed, all curves of a seed start from one network, the units removed by group add up.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from secateur import tablefile
from secateur.analysis.tables import with_defaults
from secateur.choosing import OWN
from secateur.errors import SecateurError
from secateur.repair import NONE
from secateur.review.finding import Finding, refused
from secateur.review.manifest import elsewhere
from secateur.review.numbers import LAYOUTS

ADVICE = "Publish the run again."
_CURVE = [
    "study", "branch", "criterion", "control", "remedy", "choice", "shuffle", "varied", "seed", "samples_per_class",
]  # fmt: skip
_TINY = 1e-9


def tables(folder: Path) -> dict[str, pd.DataFrame]:
    """Every table of a published run, name → rows with the columns of today.

    Raises:
        SecateurError: no curves, or a table that cannot be read.
    """
    paths = sorted((folder / "tables").glob("*.parquet"))
    by_name = {path.stem: with_defaults(tablefile.read(path, ADVICE), path.stem) for path in paths}
    if "curves" not in by_name:
        raise SecateurError(f"{folder}: there is no table of curves: tables/curves.parquet is not there. {ADVICE}")
    return by_name


def seeds(read: dict[str, pd.DataFrame], config: dict[str, Any]) -> list[Finding]:
    """Every measurement is there for every seed of the config, and every one that the config asks for is there."""
    every, problems = set(range(config["seeds"])), []
    for name, layout in LAYOUTS.items():
        if name not in read or layout.block != "seed":
            continue
        table = read[name]
        own = table[table["varied"] == ""] if "varied" in table else table
        if "control" in own:  # a control's rows have no sample counts of their own
            own = own.assign(samples_per_class=own["samples_per_class"].fillna(""))
        for key, group in own.groupby(layout.keys, dropna=False, sort=False):
            if set(group["seed"]) != every:
                lacking, surplus = sorted(every - set(group["seed"])), sorted(set(group["seed"]) - every)
                where = ", ".join(f"{k} {v}" for k, v in zip(layout.keys, key, strict=True) if v != "")
                said = f"without seed {', '.join(map(str, lacking))}" if lacking else f"with a seed {surplus[0]}"
                problems.append(f"{name}: {said}; the config has {config['seeds']} ({where})")
    there = read["curves"]
    own = there[(there["control"] == "") & (there["remedy"] == NONE) & (there["choice"] == OWN)]
    measured = set(
        own[["study", "branch", "criterion", "samples_per_class", "rate"]].itertuples(index=False, name=None)
    )
    absent = sorted(asked(config) - {(*key[:3], str(key[3]), float(key[4])) for key in measured})
    problems += [f"curves: no row of {', '.join(map(str, key))}, which the config asks for" for key in absent]
    return refused("seeds", problems, f"all {config['seeds']} seeds of every measurement that the config asks for")


def asked(config: dict[str, Any]) -> set[tuple[str, str, str, str, float]]:
    """Study, branch, criterion, samples per class and rate of every point of a curve that a config asks for."""
    return {
        (study, branch, item["name"], str(samples), float(rate))
        for study in config["studies"]
        for item in config["criteria"]
        for branch in (("fewshot", "retrain") if config["retrain"]["run"] else ("fewshot",))
        for samples in config[branch]["samples_per_class"]
        for rate in (0.0, *config[branch]["rates"])
    }


def numbers(read: dict[str, pd.DataFrame], config: dict[str, Any]) -> list[Finding]:
    """Rules that every curve obeys; a problem names the first row that breaks one, and how many do."""
    curves = read["curves"].reset_index(drop=True)
    images = curves["accuracy"] * curves["test_samples"]
    start = curves[curves["rate"] == 0].drop_duplicates(_CURVE).set_index(_CURVE)[["params", "macs"]]
    whole = curves[_CURVE].join(start, on=_CURVE)
    measured = ["accuracy", "loss", "worst_class_accuracy", "params", "macs"]
    unpruned = curves[curves["rate"] == 0].groupby(["study", "varied", "seed"])[measured]
    alike = unpruned.transform("nunique", dropna=False).reindex(curves.index, fill_value=1)
    by_units = (curves["units_removed"] / curves["units_total"] - curves["rate_achieved"]).abs()
    broken = {
        "an accuracy that is no whole number of test images": (images - images.round()).abs() > 1e-6,
        "a worst class above the mean of all": curves["worst_class_accuracy"] > curves["accuracy"] + _TINY,
        "a loss that is no number": ~np.isfinite(curves["loss"].astype(float)) | (curves["loss"] < 0),
        "more units removed than there are": ~curves["units_removed"].between(0, curves["units_total"]),
        "an unpruned network that is another in other curves of its seed": (alike > 1).any(axis=1),
        "the row of another run": curves["run"] != config["run"],
    }
    for share in ("params", "macs"):
        own_share = curves[share] / whole[share]
        broken[f"a share of {share} that is not theirs"] = (own_share - curves[f"{share}_share"]).abs() > _TINY
    if config["budget"] == "units":
        broken["a rate achieved that is not that of its units"] = by_units > _TINY
    problems = [
        f"curves: {int(wrong.sum())} row(s) with {what}, the first: {_named(curves.loc[wrong.idxmax()])}"
        for what, wrong in broken.items()
        if wrong.any()
    ]
    fine = f"{len(curves):,} rows of curves obey the rules of what is measured"
    return refused("numbers", problems + _profiles(read), fine)


def texts(folder: Path, read: dict[str, pd.DataFrame]) -> list[Finding]:
    """Every table was written by Secateur (it has a checksum), and the CSV beside it holds the same rows."""
    from pyarrow import parquet

    problems, away = [], elsewhere(folder)
    for name in read:
        path, table = (folder / "tables" / f"{name}.{kind}" for kind in ("csv", "parquet"))
        stored = tablefile.read(table, ADVICE).to_csv(index=False)
        if tablefile.KEY not in (parquet.read_schema(table).metadata or {}):
            problems.append(f"tables/{name}.parquet: without the checksum that Secateur writes; another program's file")
        if f"tables/{name}.csv" in away:
            continue
        if not path.exists():
            problems.append(f"tables/{name}.csv: not there")
        elif path.read_text(encoding="utf-8") != stored:
            problems.append(f"tables/{name}.csv: other rows than tables/{name}.parquet")
    return refused("tables", problems, f"{len(read)} tables, the same as parquet and as CSV")


def _profiles(read: dict[str, pd.DataFrame]) -> list[str]:
    """The units that profiles say were removed of each group add up to those of the curve."""
    if "profiles" not in read:
        return []
    keys = ["study", "criterion", "seed", "samples_per_class", "rate"]
    curves, profiles = (read[name].astype({"samples_per_class": str}) for name in ("curves", "profiles"))
    own = curves[(curves["branch"] == "fewshot") & (curves["control"] == "") & (curves["remedy"] == NONE)
                 & (curves["choice"] == OWN) & (curves["varied"] == "") & (curves["rate"] > 0)]  # fmt: skip
    added = profiles[profiles["seed"].isin(own["seed"])].groupby(keys)["removed"].sum()
    joined = own.set_index(keys)["units_removed"].to_frame().join(added, how="left")
    wrong = joined["units_removed"] != joined["removed"]
    if not wrong.any():
        return []
    first = zip(keys, joined.index[int(wrong.to_numpy().argmax())], strict=True)
    where = ", ".join(f"{key} {value}" for key, value in first)
    return [
        f"profiles: {int(wrong.sum())} network(s) whose groups do not add up to the curve's units, the first: {where}"
    ]


def _named(row: pd.Series) -> str:
    keys = ["study", "branch", "criterion", "control", "remedy", "choice", "seed", "samples_per_class", "rate"]
    defaults = {"control": "", "remedy": NONE, "choice": OWN}
    return ", ".join(f"{key} {row[key]}" for key in keys if defaults.get(key) != row[key])
