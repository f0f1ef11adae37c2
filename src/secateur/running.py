"""What Snakemake plans and how far it is: a small file a run, for the report's picture and `secateur report serve`.

results/<run>/workflow.json: `state` ("running", "done" or "failed"), `pid`, `started` and `ended` (seconds since
1970), `edges` (pairs of rule names, from what makes a file to what reads it) and `jobs`, each with its `rule`,
`outputs`, `log`, `usage` (the file of its times, see usage.py) and whether it was `planned`, that is to run, when the
run started.
"""

import os
import time
from pathlib import Path
from typing import Any

from secateur.errors import SecateurError
from secateur.files import read_json, write_json

FILE = "workflow.json"
LAST_RULE = "report"
"""A run that is not to make the report leaves the file of the one that was."""


def plan(path: str | Path, dag: Any) -> None:
    """Write the plan of a run that starts, from Snakemake's graph of jobs."""
    jobs = sorted(dag.jobs, key=lambda job: (job.rule.name, [str(name) for name in job.output]))
    if Path(path).exists() and LAST_RULE not in {job.rule.name for job in jobs}:
        return
    edges = {(below.rule.name, job.rule.name) for job in jobs for below in dag.dependencies[job]}
    write_json(path, {
        "state": "running", "pid": os.getpid(), "started": time.time(), "ended": None, "edges": sorted(edges),
        "jobs": [
            {"rule": job.rule.name, "outputs": [str(name) for name in job.output], "log": str(next(iter(job.log), "")),
             "usage": str(job.params.get("usage", "")), "planned": bool(dag.needrun(job))}
            for job in jobs
        ],
    })  # fmt: skip


def end(path: str | Path, state: str) -> None:
    """Note that the run that wrote `path` has ended; another one's file is left alone."""
    try:
        found = read_json(path)
    except SecateurError:
        return
    if found["pid"] == os.getpid():
        write_json(path, found | {"state": state, "ended": time.time()})


def state(found: dict[str, Any]) -> str:
    """ "running", "done", "failed", or "stopped" where a run was killed before it could say."""
    if found["state"] == "running" and not _alive(found["pid"]):
        return "stopped"
    return found["state"]


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def times(found: dict[str, Any], folder: Path) -> dict[str, dict[str, float]]:
    """Rule → `jobs`, and of those that wrote their times `wall_seconds` and `cpu_seconds`, summed.

    Args:
        found: what `plan` wrote.
        folder: where the run's paths are relative to (the folder in which Snakemake ran).
    """
    rules: dict[str, dict[str, float]] = {}
    for job in found["jobs"]:
        row = rules.setdefault(job["rule"], {"jobs": 0, "wall_seconds": 0.0, "cpu_seconds": 0.0})
        row["jobs"] += 1
        if job["usage"] and (folder / job["usage"]).exists():
            spent = read_json(folder / job["usage"])
            row["cpu_seconds"] += spent["cpu_seconds"]
            row["wall_seconds"] += spent.get("ended", 0.0) - spent.get("started", 0.0)
    return rules


def busy_seconds(intervals: list[tuple[float, float]]) -> float:
    """Seconds in which at least one of the intervals (start, end) was open: pauses between two starts do not count."""
    total, until = 0.0, float("-inf")
    for start, stop in sorted(intervals):
        total += max(0.0, stop - max(start, until))
        until = max(until, stop)
    return total
