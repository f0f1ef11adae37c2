"""What Snakemake plans and how far it is: a small file a run, for the report's picture and `secateur report serve`.

results/<run>/workflow.json: `state` ("running", "done" or "failed"), `pid`, `started` and `ended` (seconds since
1970), `edges` (pairs of rule names, from what makes a file to what reads it) and `jobs`, each with its `rule`,
`outputs`, `log`, `usage` (the file of its times, see usage.py) and whether it was `planned`, that is to run, when the
run started.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from secateur.errors import SecateurError
from secateur.files import read_json, write_json

FILE = "workflow.json"
LAST_RULE = "report"
"""A run that is not to make the report leaves the file of the one that was."""
LATEST = 1e11
"""Seconds since 1970 that a plan may speak of."""
MOST_PROCESSES = 1 << 31


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


def read(path: str | Path) -> dict[str, Any]:
    """What `plan` wrote to `path`; anything else is a SecateurError."""
    written = read_json(path)
    if not _is_plan(written):
        raise SecateurError(f"{path}: not the plan of a run. Remove it; the next run writes it.")
    return written


def _is_plan(written: Any) -> bool:
    def moment(value: Any) -> bool:
        return isinstance(value, int | float) and 0 <= value < LATEST

    def job(value: Any) -> bool:
        return (
            isinstance(value, dict)
            and all(isinstance(value.get(key), str) for key in ("rule", "log", "usage"))
            and isinstance(value.get("planned"), bool)
            and _is_list(value.get("outputs"), lambda name: isinstance(name, str))
        )

    return (
        isinstance(written, dict)
        and written.get("state") in ("running", "done", "failed")
        and isinstance(written.get("pid"), int)
        and 0 < written["pid"] < MOST_PROCESSES
        and moment(written.get("started"))
        and (written.get("ended") is None or moment(written["ended"]))
        and _is_list(written.get("edges"), lambda pair: _is_list(pair, lambda name: isinstance(name, str), 2))
        and _is_list(written.get("jobs"), job)
    )


def _is_list(value: Any, is_right: Callable[[Any], bool], length: int | None = None) -> bool:
    return isinstance(value, list) and length in (None, len(value)) and all(map(is_right, value))


def end(path: str | Path, state: str) -> None:
    """Note that the run that wrote `path` has ended; another one's file is left alone."""
    try:
        written = read(path)
    except SecateurError:
        return
    if written["pid"] == os.getpid():
        write_json(path, written | {"state": state, "ended": time.time()})


def state(written: dict[str, Any]) -> str:
    """ "running", "done", "failed", or "stopped" where a run was killed before it could say."""
    if written["state"] == "running" and not _alive(written["pid"]):
        return "stopped"
    return written["state"]


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def times(written: dict[str, Any], folder: Path) -> dict[str, dict[str, float]]:
    """Rule → `jobs`, and of those that wrote their times `wall_seconds` and `cpu_seconds`, summed, and the largest
    `peak_bytes` (0 where none of them said).

    Args:
        found: what `plan` wrote.
        folder: where the run's paths are relative to (the folder in which Snakemake ran).
    """
    rules: dict[str, dict[str, float]] = {}
    for job in written["jobs"]:
        row = rules.setdefault(job["rule"], {"jobs": 0, "wall_seconds": 0.0, "cpu_seconds": 0.0, "peak_bytes": 0})
        row["jobs"] += 1
        if job["usage"] and (folder / job["usage"]).exists():
            spent = read_json(folder / job["usage"])
            try:
                row["cpu_seconds"] += float(spent["cpu_seconds"])
                row["wall_seconds"] += float(spent.get("ended", 0.0)) - float(spent.get("started", 0.0))
                row["peak_bytes"] = max(row["peak_bytes"], int(spent.get("peak_bytes", 0)))
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise SecateurError(f"{folder / job['usage']}: no times of a job ({error}). Remove it.") from None
    return rules


def busy_seconds(intervals: list[tuple[float, float]]) -> float:
    """Seconds in which at least one of the intervals (start, end) was open: pauses between two starts do not count."""
    total, until = 0.0, float("-inf")
    for start, stop in sorted(intervals):
        total += max(0.0, stop - max(start, until))
        until = max(until, stop)
    return total
