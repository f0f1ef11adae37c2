"""Is a published run whole, made by what it says, consistent with itself, and what comes out when it is run again?"""

import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from secateur import schema, shipped
from secateur.config import SCHEMA, Config, resolve
from secateur.data.fetching import MIRROR
from secateur.errors import SecateurError
from secateur.files import read_json
from secateur.provenance import hardware, versions
from secateur.review import cells, consistency, manifest, origins, restated
from secateur.review.cells import Allowed, Curve
from secateur.review.finding import REFUSED, UNCHECKED, Finding
from secateur.review.publishing import PAGE, PICTURES, PUBLISHED

ROUNDING = 1e-5
"""Largest relative difference that counts as rounding where nobody says otherwise."""
Measure = Callable[[Config, Curve], pd.DataFrame]
"""The resolved config and a curve → the table that its job writes (`branches.again`)."""
NUMERICAL = ("torch", "torchvision", "timm", "numpy", "torch-pruning", "secateur")
"""Packages whose version must be the run's for its numbers to come out the same."""


def kept(folder: Path, tolerance: float) -> list[Finding]:
    """All that can be said of a published run without running anything: files, origin, tables, statistics.

    Args:
        folder: published/<run>.
        tolerance: largest relative difference between statistics that counts as rounding.

    Raises:
        SecateurError: this is no published run, or one of its files cannot be read.
    """
    findings = manifest.check(folder)
    spared = {PAGE, PICTURES} & set(manifest.large(folder))
    if absent := [name for name in PUBLISHED if name not in spared and not (folder / name).exists()]:
        raise SecateurError(f"{folder}: not a whole run, without {', '.join(absent)}. Publish the run again.")
    config = _config(folder / "config.json")
    findings += origins.check(folder, config)
    tables = consistency.tables(folder)
    findings += consistency.texts(folder, tables) + consistency.seeds(tables, config)
    findings += consistency.numbers(tables, config)
    if any(one.state == REFUSED and one.what in ("hashes", "seeds", "tables") for one in findings):
        return [*findings, Finding("statistics", UNCHECKED, "what they are computed from is refused")]
    return findings + restated.check(folder, config, tolerance)


def _config(path: Path) -> Config:
    """A run's config as it was published, with the defaults of keys that it is older than.

    Unlike `config.read` it needs none of what the config names: its criteria and data may not be here.
    """
    rules = shipped.parsed(SCHEMA)
    config = read_json(path)
    try:
        schema.plain(config)
        config = schema.filled(config, rules, rules)
        schema.check(config, rules)
    except SecateurError as error:
        raise SecateurError(f"{path}: not the config of a run: {error} Publish the run again.") from None
    if not all(isinstance(item, dict) for item in config["criteria"]):
        raise SecateurError(f"{path}: not the config that a run writes, which has every criterion as a mapping.")
    return config


def runnable(folder: Path) -> Config:
    """A published run's config, resolved as one that is to run here.

    Weights of a file that is not where the config says are taken from the mirror folder, where that has one of the same
    name: their hash is the network's to check.

    Raises:
        SecateurError: what the config names is not here.
    """
    config, mirror = read_json(folder / "config.json"), os.environ.get(MIRROR)
    for entry in config["backbones"].values():
        said = entry["weights"].get("file")
        if said and mirror and not Path(said).exists() and (mirrored := Path(mirror, Path(said).name)).is_file():
            entry["weights"] = {"file": str(mirrored)}
    return resolve(config)


def measured_again(folder: Path, many: int, seed: int, tolerance: float, measure: Measure) -> list[Finding]:
    """Measure the curves of a random sample of cells again and hold them against what was published.

    Args:
        folder: published/<run>.
        many: cells to draw.
        seed: of the draw.
        tolerance: as of `cells.judge`.
        measure: the resolved config and a curve → the table that its job writes (`branches.again`).

    Returns:
        One finding a curve; UNCHECKED with the reason where the config, a criterion or the data are not here.

    Raises:
        SecateurError: the table of curves cannot be read.
    """
    try:
        config = runnable(folder)
    except SecateurError as error:
        return [Finding("cells", UNCHECKED, f"its config does not run here: {error}")]
    rows = cells.measurable(consistency.tables(folder)["curves"], config)
    exact, why = _alike(folder, config)
    classes = _classes(folder)
    findings = []
    for curve in cells.curves_of(cells.drawn(rows, many, seed)):
        allowed = Allowed(exact, cells.trained(config, curve), classes.get(curve.study, 1), tolerance)
        try:
            findings += cells.judge(rows, measure(config, curve), curve, allowed)
        except SecateurError as error:
            findings.append(Finding("cells", UNCHECKED, f"{curve}: {error}"))
    return [*findings, Finding("machine", UNCHECKED, why)] if findings and not exact else findings


@dataclass(frozen=True)
class SpotCheck:
    """What came of a few cells: whether they are refused, and a sentence that says which they were."""

    refused: bool
    said: str


def spot_checked(
    folder: Path, many: int, seed: int, measuring: Callable[[Path], AbstractContextManager[Measure]]
) -> SpotCheck:
    """Measure a few random cells again, of a folder whose files are those of its list.

    Args:
        folder: published/<run>.
        many, seed: cells to draw, and the seed of the draw.
        measuring: folder → what measures a curve, while the context is open.

    Raises:
        SecateurError: no published run, or nothing of it can be measured here, with the reason.
    """
    began = time.monotonic()
    findings = manifest.check(folder)
    if not any(one.state == REFUSED for one in findings):
        with measuring(folder) as measure:
            findings = measured_again(folder, many, seed, ROUNDING, measure)
    for one in findings:
        if one.state == REFUSED:
            return SpotCheck(True, f"REFUSED (--seed {seed}): {one.said}.")
        if one.what == "cells" and one.state == UNCHECKED:
            raise SecateurError(f"{folder}: nothing can be said, as it cannot be measured here: {one.said}")
    rows = cells.measurable(consistency.tables(folder)["curves"], _config(folder / "config.json"))
    picked = [cells.named(row) for _, row in cells.drawn(rows, many, seed).iterrows()]
    exact = all("to the digit" in one.said for one in findings if one.what == "cells")
    seconds = f"{time.monotonic() - began:.0f} s, from data and weights on"
    how = "to the digit" if exact else "within tolerance"
    said = f"{len(picked)} random cells (--seed {seed}) measured again in {seconds}, hold {how}: {'; '.join(picked)}."
    return SpotCheck(False, said)


def _classes(folder: Path) -> dict[str, int]:
    """Study → how many classes its dataset has, of those for which the run says it."""
    path = folder / "statistics" / restated.DATASETS
    if not path.exists():
        return {}
    said = pd.read_csv(path)
    return dict(zip(said["study"], said["classes"].astype(int), strict=True)) if "classes" in said else {}


def _alike(folder: Path, config: Config) -> tuple[bool, str]:
    """Whether this machine gives the run's numbers to the digit, and if not, why not."""
    known = read_json(folder / "provenance.json")
    here = {name: versions()[name] for name in NUMERICAL}
    there = {name: known["versions"].get(name, "unknown") for name in NUMERICAL}
    differ = [f"{name} {there[name]}, here {here[name]}" for name in NUMERICAL if here[name] != there[name]]
    if known.get("hardware") != hardware(config):
        differ.insert(0, f"{known.get('hardware', 'an unknown machine')}, here {hardware(config)}")
    said = f"cells were held to what another machine may give, not to the digit: made on {'; '.join(differ)}"
    return not differ, said
