"""A published run and a criterion measured beside it, as one run: tables, statistics, figures and page."""

import copy
import shutil
from pathlib import Path
from typing import Any

import pandas as pd

from secateur import tablefile
from secateur.analysis import statistics
from secateur.config import Config, is_rule
from secateur.errors import SecateurError
from secateur.files import read_json, write_json
from secateur.layout import rankings, redraws
from secateur.provenance import CLAIMS, commit, hardware
from secateur.ranking.registry import describe, source_of
from secateur.report import figures, page
from secateur.review import checking, manifest, restated
from secateur.review.finding import REFUSED

LEFT_OUT = ("toy", "latency", "grid", "tuning")
"""Tables that the new criterion is not in: the 2-D study, the plane of two rates, and times (the machine's)."""


def config_of(published: Path, criterion: str, folders: list[Path]) -> tuple[Config, Config]:
    """The config that measures `criterion` alone as the published run did its own, and that of both together.

    Args:
        published: a published run; it must hold together (`checking.kept`).
        criterion: name of a criterion in Python.
        folders: where criteria of one's own lie.

    Raises:
        SecateurError: the run is refused, the criterion is unknown, a Snakemake rule, or in the run already.
    """
    for one in checking.kept(published, 1e-5):
        if one.state == REFUSED:
            raise SecateurError(f"{published}: refused, {one.what}: {one.said}.")
    whole = checking.runnable(published)
    if criterion in [item["name"] for item in whole["criteria"]]:
        raise SecateurError(f"criterion '{criterion}' is in {published} already. Give yours another name.")
    whole["criteria_path"] = [*whole["criteria_path"], *map(str, folders)]
    entry = {"name": criterion, "criterion": criterion, "options": {}, "ranking": "every-round"}
    source_of(criterion, whole["criteria_path"])
    if is_rule(whole, entry):
        raise SecateurError(f"criterion '{criterion}' is a Snakemake rule; only a criterion in Python can be joined.")
    whole["run"] = f"{whole['run']}_with_{criterion}".lower()
    whole.pop("toy", None)
    whole["fewshot"].pop("grid", None)
    whole["variance"] = {"draws": 0}
    alone = copy.deepcopy(whole) | {"criteria": [entry]}
    return alone, whole | {"criteria": [*whole["criteria"], entry]}


def write(published: Path, config: Config, mine: dict[str, pd.DataFrame], folder: Path) -> Path:
    """Write the joint run to `folder` (results/<run>), where the new criterion's rankings lie; returns its page.

    Args:
        published: the published run.
        config: of both together, the new criterion last (`config_of`).
        mine: the new criterion's tables.
        folder: gets config.json, tables/, statistics/, figures/, report.html and provenance.json.
    """
    name = config["criteria"][-1]["name"]
    for part in ("tables", "statistics", "figures"):
        shutil.rmtree(folder / part, ignore_errors=True)
    for path in sorted((published / "tables").glob("*.parquet")):
        if path.stem not in LEFT_OUT and not path.stem.startswith("toy"):
            _table(folder, path.stem, _both(tablefile.read(path), mine.get(path.stem), config["run"]))
    for one in (*rankings(config), *redraws(config)):
        if (published / one).exists():
            (folder / one).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(published / one, folder / one)
    write_json(folder / "config.json", config)
    scores, drawn = ([folder / one for one in paths(config)] for paths in (rankings, redraws))
    claims = published / CLAIMS.name
    drawn = [one for one in drawn if one.exists()]
    statistics.run(folder / "tables", folder / "statistics", config, claims, rankings=scores, redraws=drawn)
    if (about := published / "statistics" / restated.DATASETS).exists():  # of data that may not lie in this folder
        shutil.copyfile(about, folder / "statistics" / about.name)
    figures.run(folder / "tables", folder / "statistics", folder / "figures", claims_path=claims)
    known = provenance(published, config)
    missing = [f"of {name}: times, the 2-D study and the plane of two rates; it joined the published run {published}"]
    sources = page.Sources(folder / "tables", folder / "statistics", folder / "figures", claims=claims)
    page.run(sources, folder / "report.html", config, known, missing)
    write_json(folder / "provenance.json", known)
    return folder / "report.html"


def provenance(published: Path, config: Config) -> dict[str, Any]:
    """What made the published run, and what made the criterion beside it."""
    known, entry = read_json(published / "provenance.json"), config["criteria"][-1]
    told = known.get("criteria", {}) | {entry["name"]: describe(entry["criterion"], config["criteria_path"])}
    listed = manifest.sha256(published / manifest.NAME)[:16]
    joined = f"{entry['name']}, by commit {commit()} on {hardware(config)}, to {published} (manifest {listed})"
    return {key: value for key, value in known.items() if key != "rules"} | {"criteria": told, "joined": joined}


def _both(theirs: pd.DataFrame, mine: pd.DataFrame | None, run: str) -> pd.DataFrame:
    """The rows of both, under the name of the joint run; networks with a component drawn anew are left out."""
    if "varied" in theirs:
        theirs = theirs[theirs["varied"] == ""]
    both = theirs if mine is None else pd.concat([theirs, mine[theirs.columns]], ignore_index=True)
    return both.assign(run=run) if "run" in both else both


def _table(folder: Path, name: str, rows: pd.DataFrame) -> None:
    tablefile.write(folder / "tables" / f"{name}.parquet", rows)
    rows.to_csv(folder / "tables" / f"{name}.csv", index=False)
