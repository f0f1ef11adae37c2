"""The leaderboard: what all published runs have measured, side by side, as one table and as a page without a server."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from secateur.analysis.paired import exact_interval
from secateur.errors import SecateurError
from secateur.files import read_json
from secateur.repair import NONE
from secateur.review import checking, manifest
from secateur.review.finding import REFUSED

AXES = ["criterion", "network", "dataset", "branch", "remedy", "samples_per_class", "run"]
"""What names a row; the page has a filter for each."""
MEASURE, BESIDE = "mean_accuracy_over_rate", "rate_keeping_95"
"""What rows are ordered by, and what is shown beside it (analysis/measures.py)."""
LEVEL = 0.95


@dataclass(frozen=True)
class Board:
    """`rows`: one row per criterion × network × dataset × remedy × branch × number of images × run, with `mean low high
    n` of the accuracy averaged over rates, `keeps` (the rate up to which 95 % of the accuracy is kept; mean over
    seeds), `unpruned` (accuracy before pruning) and `chance` (that of guessing, by the classes of the samples). `runs`:
    run → `version commit config_hash data seeds manifest folder`, the hashes as provenance.json has them."""

    rows: pd.DataFrame
    runs: dict[str, dict[str, str]]


def read(folder: Path) -> Board:
    """The board of all runs that lie in `folder`, each in a folder of its own.

    Raises:
        SecateurError: a folder there is no published run, or does not hold together (see `checking.kept`); two runs
            have one name.
    """
    folders = [path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith(".")] if (
        folder.is_dir()) else []  # fmt: skip
    tables, runs = [], {}
    for path in folders:
        against = [one for one in checking.kept(path, 1e-5) if one.state == REFUSED]
        if against:
            raise SecateurError(
                f"{path}: refused, {against[0].what}: {against[0].said}. `secateur published check {path}` says all; "
                "mend it or take it out."
            )
        tables.append(_rows(path).assign(run=path.name))
        runs[path.name] = _about(path)
    columns = [*AXES, "mean", "low", "high", "n", "keeps", "unpruned", "chance"]
    rows = pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)
    order = ["dataset", "network", "branch", "remedy", "samples_per_class", "mean"]
    return Board(rows.sort_values(order, ascending=[True] * 5 + [False], kind="stable", ignore_index=True), runs)


def _rows(folder: Path) -> pd.DataFrame:
    """The rows of one run, without its name."""
    measures = pd.read_csv(folder / "statistics" / "measures.csv", dtype={"samples_per_class": str})
    own = measures[measures["control"].fillna("") == ""].assign(remedy=lambda table: table["remedy"].fillna(NONE))
    keys = ["criterion", "backbone", "dataset", "branch", "remedy", "samples_per_class"]
    seeds = own[own["measure"].isin([MEASURE, BESIDE, "unpruned_accuracy"])].pivot_table(
        index=[*keys, "study", "seed"], columns="measure", values="value"
    )
    rows: list[dict[str, Any]] = []
    for key, group in seeds.groupby([*keys, "study"], sort=True):
        low, high = exact_interval(group[MEASURE].to_numpy(dtype=float), LEVEL)
        means = {name: float(group[name].mean()) if name in group else np.nan for name in (BESIDE, "unpruned_accuracy")}
        rows.append(
            dict(zip(keys, key[:-1], strict=True))
            | {"mean": group[MEASURE].mean(), "low": low, "high": high, "n": len(group), "keeps": means[BESIDE],
               "unpruned": means["unpruned_accuracy"], "chance": _chance(folder, key[-1])}
        )  # fmt: skip
    return pd.DataFrame(rows).rename(columns={"backbone": "network"})


def _chance(folder: Path, study: object) -> float:
    """Of guessing among the classes that the reference samples have; NaN where nothing says which."""
    drawn = sorted((folder / "samples" / str(study)).glob("*.csv"))
    classes = pd.read_csv(drawn[0]).get("label", pd.Series(dtype=int)).nunique() if drawn else 0
    return 1 / classes if classes else np.nan


def _about(folder: Path) -> dict[str, str]:
    """What made a run, for its row of the second table."""
    known, config = read_json(folder / "provenance.json"), read_json(folder / "config.json")
    data = ", ".join(f"{name} {value}" for name, value in sorted(known["hashes"].get("data", {}).items()))
    return {
        "version": str(known["versions"].get("secateur", "unknown")),
        "commit": str(known.get("commit", "unknown")),
        "config_hash": str(known["config_hash"]),
        "data": data,
        "seeds": str(config["seeds"]),
        "manifest": manifest.sha256(folder / manifest.NAME)[:16],
        "folder": folder.as_posix(),
    }


def page(board: Board, template: Path, links: dict[str, str]) -> str:
    """The board as a piece of HTML with its own filters, which asks the network for nothing.

    Args:
        board: what is shown.
        template: leaderboard.html.j2 of report/.
        links: run → address of its page, relative to where the piece is shown.
    """
    from jinja2 import Environment, StrictUndefined

    look = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    rows = json.loads(board.rows.to_json(orient="records", double_precision=6))
    choices = {axis: sorted(set(board.rows[axis].astype(str))) for axis in AXES}
    return look.from_string(template.read_text(encoding="utf-8")).render(
        rows=rows, runs=board.runs, choices=choices, links=links, axes=AXES
    )
