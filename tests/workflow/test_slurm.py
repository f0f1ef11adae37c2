"""Jobs through a real Slurm: grouped, with what they ask for, asked for more when they fail, and the same numbers.

Debian's packages and the executor's plugin are needed: `make slurm-test` installs both. Skipped where Slurm is not.
"""

import hashlib
import os
import re

import pytest

import slurm
from house import House
from secateur.config import REPOSITORY

PLUGIN = REPOSITORY / ".venv" / "cluster"
CURVES = [f"results/tiny/curves/fewshot/digits_vgg/{name}/0-1.parquet" for name in ("weight", "lrp", "random")]
FAILS_ONCE = """
from pathlib import Path
if not Path("failed_once").exists():
    Path("failed_once").touch()
    raise RuntimeError("this node has fallen over")
"""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(slurm.why_not()), reason=slurm.why_not()),
    pytest.mark.skipif(not PLUGIN.exists(), reason="no Slurm plugin in .venv/cluster: make slurm-test installs it"),
]


def hashes(house: House) -> list[str]:
    return [hashlib.sha256((house.folder / path).read_bytes()).hexdigest() for path in CURVES]


def test_chains_are_one_submission_that_asks_for_more_when_it_fails(house):
    """Three criteria, ranked and evaluated: six jobs, one submission, whose first attempt fails on purpose."""
    expected = hashes(house)
    for path in CURVES:
        (house.folder / path).unlink()
        (house.folder / path.replace("curves/fewshot", "rankings")).with_suffix(".safetensors").unlink()
    criterion = house.folder / "src/secateur/criteria/random.py"
    original = criterion.read_text(encoding="utf-8")
    criterion.write_text(original + FAILS_ONCE, encoding="utf-8")
    with slurm.running(cores=8):
        done = house.run(
            "snakemake", *CURVES, "--profile", "profiles/slurm", "--configfile", "tests/workflow/tiny.yaml",
            "--rerun-triggers", "mtime", "--retries", "1", "--latency-wait", "10", "--set-resources", "rank_lrp:gpu=1",
            "--slurm-init-seconds-before-status-checks", "1", "--seconds-between-status-checks", "1",
            PYTHONPATH=f"{house.folder / 'src'}{os.pathsep}{PLUGIN}",
        )  # fmt: skip
        said = slurm.jobs()
    criterion.write_text(original, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr
    submissions = [dict(re.findall(r"(\w+)=(\S+)", job)) for job in said.split("\n\n") if "JobId" in job]
    assert [job["JobState"] for job in submissions] == ["FAILED", "COMPLETED"]
    first, second = submissions
    assert all(job["TresPerJob"] == "gres:gpu:1" for job in submissions)
    assert minutes(second["TimeLimit"]) == 2 * minutes(first["TimeLimit"]) > 0
    assert megabytes(second["MinMemoryNode"]) > megabytes(first["MinMemoryNode"]) >= 4000
    assert hashes(house) == expected
    assert (house.folder / "failed_once").exists()


def minutes(limit: str) -> int:
    """Of "00:42:00"."""
    hours, minute, _ = limit.rpartition("-")[2].split(":")
    return 60 * int(hours) + int(minute)


def megabytes(text: str) -> float:
    """Of "8000M" or "8G"."""
    return float(text[:-1]) * {"M": 1, "G": 1024}[text[-1]]
