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

REPOSITORY = Path(__file__).resolve().parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="config/demo.yaml", help="the run to measure")
    parser.add_argument("--cores", default="all", help="cores for Snakemake")
    chosen = parser.parse_args()
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
            [sys.executable, "-m", "snakemake", "--cores", chosen.cores, "--configfile", chosen.config],
            cwd=copy, check=True, env=os.environ | {"PYTHONPATH": str(copy / "src")},
        )  # fmt: skip
        wall = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        total = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        jobs = [
            json.loads(path.read_text()) | {"stage": path.parent.name} for path in copy.glob("results/*/usage/*/*.json")
        ]
    work = sum(job["work_cpu_seconds"] for job in jobs)
    print(f"\n{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {chosen.config}\n")
    print("| stage | jobs | processor seconds | of which experiment |")
    print("|---|---:|---:|---:|")
    for stage in dict.fromkeys(job["stage"] for job in jobs):
        ours = [job for job in jobs if job["stage"] == stage]
        spent, worked = (sum(job[key] for job in ours) for key in ("cpu_seconds", "work_cpu_seconds"))
        print(f"| {stage} | {len(ours)} | {spent:.1f} | {worked / spent:.0%} |")
    print(f"| everything, Snakemake included | {len(jobs)} | {total:.1f} | {work / total:.0%} |")
    print(f"\nwall time {wall:.0f} s")


if __name__ == "__main__":
    main()
