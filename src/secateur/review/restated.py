"""The statistics of a published run computed anew from its tables: a number changed in one is not in the other."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from secateur.analysis import datasets, statistics
from secateur.files import read_json
from secateur.layout import rankings, redraws
from secateur.provenance import CLAIMS
from secateur.review.finding import UNCHECKED, Finding, refused
from secateur.review.manifest import elsewhere
from secateur.review.surroundings import differences, flat, statistics_files

METRICS, DATASETS = "metrics.json", "datasets.csv"
WORDS = {
    "moved": "other values than the tables give",
    "only in A": "the tables give no such file",
}


def check(folder: Path, config: dict[str, Any], tolerance: float) -> list[Finding]:
    """Compute statistics/ of a published run again, with the claims that it brings, and hold both side by side.

    Args:
        folder: the published run, with its tables, score files and claims.
        config: its config.
        tolerance: largest relative difference that counts as rounding.

    Raises:
        SecateurError: the statistics cannot be computed from these tables.
    """
    with TemporaryDirectory(prefix="secateur-") as made:
        anew = Path(made)
        drawn = [folder / path for path in redraws(config)]
        statistics.run(
            folder / "tables",
            anew,
            config,
            folder / CLAIMS.name,
            rankings=[folder / path for path in rankings(config)],
            redraws=[path for path in drawn if path.exists()],
        )
        states = statistics_files(folder / "statistics", anew, same_numbers=True, tolerance=tolerance)
        if len(datasets.known(config)) < len(config["studies"]):  # the one file that rests on data, which are not here
            states.pop(f"statistics/{DATASETS}", None)
        problems = [f"{name}: {WORDS[state]}" for name, state in states.items() if state in WORDS]
        problems += _metrics(folder / "statistics" / METRICS, anew / METRICS)
    absent, away = [name for name, state in states.items() if state == "only in B"], elsewhere(folder)
    newer = sorted(Path(name).name for name in absent if name not in away)
    said = f"{len(states) - len(absent) + 1} files of statistics, as computed anew from the tables"
    findings = refused("statistics", problems, said)
    if newer:  # a file that is not there says nothing wrong
        findings.append(
            Finding("statistics", UNCHECKED, f"not published, though this version computes: {', '.join(newer)}")
        )
    return findings


def _metrics(said: Path, computed: Path) -> list[str]:
    """What metrics.json says otherwise than the tables give: as much of a number as `%g` shows is compared."""
    if not said.exists():
        return [f"statistics/{METRICS}: not there"]
    differ = differences(flat(read_json(said)), flat(read_json(computed)), ignored=())
    return [f"statistics/{METRICS}: {one.what} is {one.first}, the tables give {one.second}" for one in differ]
