"""How much of the demo's processor time is experiment: python benchmarks/overhead.py [--config config/demo.yaml]

Runs the whole DAG in a clean copy of this repository and adds up processor seconds: all of Snakemake's and its jobs' by
the operating system's account, and those that the jobs spent in their stage's work rather than in starting the
interpreter, imports and scheduling (each job writes its own, see src/secateur/usage.py).
"""

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

REPOSITORY = Path(__file__).resolve().parents[1]


class Found(NamedTuple):
    """Processor seconds of everything, those of experiments, all jobs (stage and seconds each), and the wall time."""

    total: float
    work: float
    jobs: list[dict[str, Any]]
    wall: float


def measure(config: str, cores: str, keep: Path | None = None) -> Found:
    """Run the DAG of `config` in a clean copy of this repository; its results are copied to `keep`."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "secateur"
        files = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=REPOSITORY, check=True, capture_output=True, text=True,
        ).stdout.split("\0")  # fmt: skip
        for name in filter(None, files):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, copy / name)
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "snakemake", "--cores", cores, "--configfile", config],
            cwd=copy, check=True, env=os.environ | {"PYTHONPATH": str(copy / "src")},
        )  # fmt: skip
        wall = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        total = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        jobs = [
            json.loads(path.read_text()) | {"stage": path.parent.name} for path in copy.glob("results/*/usage/*/*.json")
        ]
        if keep is not None:
            shutil.copytree(copy / "results", keep / "results", dirs_exist_ok=True)
            shutil.copytree(copy / "data", keep / "data", dirs_exist_ok=True)
    return Found(total, sum(job["work_cpu_seconds"] for job in jobs), jobs, wall)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="config/demo.yaml", help="the run to measure")
    parser.add_argument("--cores", default="all", help="cores for Snakemake")
    chosen = parser.parse_args()
    found = measure(chosen.config, chosen.cores)
    print(f"\n{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {chosen.config}\n")
    print("| stage | jobs | processor seconds | of which experiment |")
    print("|---|---:|---:|---:|")
    for stage in dict.fromkeys(job["stage"] for job in found.jobs):
        ours = [job for job in found.jobs if job["stage"] == stage]
        spent, worked = (sum(job[key] for job in ours) for key in ("cpu_seconds", "work_cpu_seconds"))
        print(f"| {stage} | {len(ours)} | {spent:.1f} | {worked / spent:.0%} |")
    print(
        f"| everything, Snakemake included | {len(found.jobs)} | {found.total:.1f} | {found.work / found.total:.0%} |"
    )
    print(f"\nwall time {found.wall:.0f} s")


if __name__ == "__main__":
    main()
