"""Is a published run whole, made by what it says, consistent with itself, and what comes out when it is run again?"""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from secateur import schema, shipped
from secateur.config import SCHEMA, Config, read
from secateur.errors import SecateurError
from secateur.files import read_json
from secateur.provenance import hardware, versions
from secateur.review import cells, consistency, manifest, origins, restated
from secateur.review.cells import Curve
from secateur.review.finding import REFUSED, UNCHECKED, Finding
from secateur.review.publishing import PAGE, PICTURES, PUBLISHED

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
    found = manifest.check(folder)
    spared = {PAGE, PICTURES} & set(manifest.large(folder))
    if absent := [name for name in PUBLISHED if name not in spared and not (folder / name).exists()]:
        raise SecateurError(f"{folder}: not a whole run, without {', '.join(absent)}. Publish the run again.")
    config = _config(folder / "config.json")
    found += origins.check(folder, config)
    tables = consistency.tables(folder)
    found += consistency.texts(folder, tables) + consistency.seeds(tables, config)
    found += consistency.numbers(tables, config)
    if any(one.state == REFUSED and one.what in ("hashes", "seeds", "tables") for one in found):
        return [*found, Finding("statistics", UNCHECKED, "what they are computed from is refused")]
    return found + restated.check(folder, config, tolerance)


def _config(path: Path) -> Config:
    """A run's config as it was published, with the defaults of keys that it is older than.

    Unlike `config.read` it needs none of what the config names: its criteria and data may not be here.
    """
    rules = shipped.parsed(SCHEMA)
    found = read_json(path)
    try:
        schema.plain(found)
        found = schema.filled(found, rules, rules)
        schema.check(found, rules)
    except SecateurError as error:
        raise SecateurError(f"{path}: not the config of a run: {error} Publish the run again.") from None
    if not all(isinstance(item, dict) for item in found["criteria"]):
        raise SecateurError(f"{path}: not the config that a run writes, which has every criterion as a mapping.")
    return found


def measured_again(
    folder: Path, many: int, seed: int, tolerance: float, measure: Callable[[Config, Curve], pd.DataFrame]
) -> list[Finding]:
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
        config = read(folder / "config.json")
    except SecateurError as error:
        return [Finding("cells", UNCHECKED, f"its config does not run here: {error}")]
    rows = cells.measurable(consistency.tables(folder)["curves"], config)
    exact, why = _alike(folder, config)
    found = []
    for curve in cells.drawn(rows, many, seed):
        try:
            found += cells.judge(rows, measure(config, curve), curve, exact, tolerance)
        except SecateurError as error:
            found.append(Finding("cells", UNCHECKED, f"{curve}: {error}"))
    return [*found, Finding("machine", UNCHECKED, why)] if found and not exact else found


def _alike(folder: Path, config: Config) -> tuple[bool, str]:
    """Whether this machine gives the run's numbers to the digit, and if not, why not."""
    known = read_json(folder / "provenance.json")
    here = {name: versions()[name] for name in NUMERICAL}
    there = {name: known["versions"].get(name, "unknown") for name in NUMERICAL}
    differ = [f"{name} {there[name]}, here {here[name]}" for name in NUMERICAL if here[name] != there[name]]
    if known.get("hardware") != hardware(config):
        differ.insert(0, f"{known.get('hardware', 'an unknown machine')}, here {hardware(config)}")
    return not differ, f"cells were held to the seeds' spread, not to the digit: made on {'; '.join(differ)}"
