"""The start and the end of a run: on this machine jobs start without Snakemake's limit on submissions."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.tiers import rows

from secateur import clock
from secateur.dag import Session, session, warm

SNAKEFILE = """
from secateur.dag.session import lift_limit

rule all:
    input: expand("{n}", n=range(3))

rule one:
    output: "{n}"
    shell: "touch {output}"

onstart:
    assert workflow.scheduler.job_rate_limiter is not None, "there is no limit to lift"
    if config["lift"]:
        lift_limit(workflow)

onsuccess:
    assert (workflow.scheduler.job_rate_limiter is None) == config["lift"]
"""
WAITS = "Job rate limit reached"


@pytest.mark.parametrize("lift", rows([True, False], [True]))
def test_without_the_limit_no_job_waits_for_another_second(tmp_path: Path, lift: bool) -> None:
    """Snakemake's own attribute: where a version renames it, setting it would do nothing, without a word."""
    (tmp_path / "Snakefile").write_text(SNAKEFILE, encoding="utf-8")
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--max-jobs-per-timespan", "1/1s"]
    done = subprocess.run([*command, "--config", f"lift={lift}"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.isdigit()) == ["0", "1", "2"]
    assert (WAITS in done.stderr) == (not lift)


class Graph:
    """Snakemake's graph of a run without jobs."""

    jobs = ()

    def needrun_jobs(self) -> tuple[()]:
        return ()


@pytest.mark.parametrize("local", [True, False])
def test_on_a_cluster_the_limit_stays_and_no_warm_process_starts(plan, monkeypatch, local):
    started = []
    monkeypatch.setattr(warm, "start", lambda: started.append(True))
    monkeypatch.setattr(session.loaded, "VARIABLE", "SECATEUR_TEST_CODE")
    for name in ("SECATEUR_TEST_CODE", clock.VARIABLE):
        monkeypatch.setenv(name, "")
    workflow = SimpleNamespace(
        is_main_process=True, local_exec=local, dag=Graph(), scheduler=SimpleNamespace(job_rate_limiter=object()),
        modifier=SimpleNamespace(is_main_snakefile=lambda: True),
    )  # fmt: skip
    planned = plan()
    opened = Session(planned, workflow)
    assert not Path(planned.config_file).exists()
    written = []
    opened.begin(lambda: written.append(True))
    assert Path(planned.config_file).exists() and written == [True]
    assert started == [True] * local and (workflow.scheduler.job_rate_limiter is None) == local
    opened.succeed()
    assert clock.VARIABLE not in os.environ


@pytest.mark.parametrize("apart", [{"is_main_process": False}, {"is_main_process": True}])
def test_a_job_of_its_own_and_a_module_write_the_config_at_once(plan, monkeypatch, apart):
    monkeypatch.setattr(session.loaded, "VARIABLE", "SECATEUR_TEST_CODE")
    monkeypatch.setenv("SECATEUR_TEST_CODE", "")
    planned = plan()
    Session(planned, SimpleNamespace(modifier=SimpleNamespace(is_main_snakefile=lambda: False), **apart))
    assert Path(planned.config_file).exists() and os.environ["SECATEUR_TEST_CODE"] == planned.code_file


def test_where_bytes_come_from_is_told_to_jobs_and_is_no_part_of_the_run(plan, monkeypatch, tmp_path):
    for name in ("SECATEUR_TEST_CODE", "SECATEUR_MIRROR"):
        monkeypatch.setenv(name, "")
    monkeypatch.setattr(session.loaded, "VARIABLE", "SECATEUR_TEST_CODE")
    planned = plan(mirror=str(tmp_path))
    apart = SimpleNamespace(is_main_process=False, modifier=None)
    Session(planned, apart)
    assert os.environ["SECATEUR_MIRROR"] == str(tmp_path)
    assert "mirror" not in Path(planned.config_file).read_text() and planned.config == plan().config
