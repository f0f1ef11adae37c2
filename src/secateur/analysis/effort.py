"""Effort: how long the jobs of a run took, by study, and what as many studies with more seeds would take."""

from pathlib import Path
from typing import Any

import pandas as pd

from secateur.files import read_json

BY_SEED = ("transfer", "rank", "fewshot", "grid", "retrain")
"""The stages whose jobs handle seeds; their time grows with the number of seeds."""
ONCE = ("redraw", "cost", "latency")
"""The stages that run once a study."""
COLUMNS = ["study", "seeds", "criteria", "hours", "processor_hours"]


def measured(run: Path) -> pd.DataFrame:
    """What each job of a run took, from the files that `secateur --usage` wrote.

    Args:
        run: the run's folder; jobs without a file are not there.

    Returns:
        One row a job: `stage study criterion seeds seconds cpu_seconds`; `criterion` is "" where the job is about
        none, `seeds` 0 for stages that run once.
    """
    rows: list[dict[str, Any]] = []
    for stage in (*BY_SEED, *ONCE):
        for path in sorted((run / "usage" / stage).glob("*.json")):
            study, *rest = path.stem.split("-")
            seeds = 0
            if stage in BY_SEED:
                first, last = map(int, rest[-2:])
                seeds, rest = last - first + 1, rest[:-2]
            spent = read_json(path)
            rows.append({
                "stage": stage, "study": study, "criterion": rest[0] if rest else "", "seeds": seeds,
                "seconds": spent["work_wall_seconds"], "cpu_seconds": spent["cpu_seconds"],
            })  # fmt: skip
    return pd.DataFrame(rows, columns=["stage", "study", "criterion", "seeds", "seconds", "cpu_seconds"])


def estimated(jobs: pd.DataFrame, config: dict[str, Any], seeds: int) -> pd.DataFrame:
    """Hours that the config's studies would take with so many seeds, on the pilot's machine and device.

    A job's time is taken as proportional to its seeds; start-up counts as processor time only.

    Args:
        jobs: from `measured`, of a pilot run with the same branches; config: the resolved config; seeds: how many.

    Returns:
        `COLUMNS`, one row a study that the pilot has: `hours` of jobs one after the other (of a GPU, where the run
        used one) and `processor_hours`; `criteria` says how many of the config's the pilot has timed, and an
        estimate for fewer than all is too low.
    """
    names = [item["name"] for item in config["criteria"]]
    rows = []
    for study in config["studies"]:
        chosen = jobs[(jobs["study"] == study) & jobs["criterion"].isin(["", *names])]
        if chosen.empty:
            continue
        times = chosen.groupby(["stage", "criterion"])[["seconds", "cpu_seconds", "seeds"]].sum()
        factor = (seeds / times["seeds"]).where(times["seeds"] > 0, 1.0)
        rows.append({
            "study": study, "seeds": seeds, "criteria": len(set(chosen["criterion"]) - {""}),
            "hours": float((times["seconds"] * factor).sum()) / 3600,
            "processor_hours": float((times["cpu_seconds"] * factor).sum()) / 3600,
        })  # fmt: skip
    return pd.DataFrame(rows, columns=COLUMNS)
