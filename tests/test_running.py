"""The plan of a run: what is in it, who may end it, and how long a run took."""

import os
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secateur import running
from secateur.errors import SecateurError
from secateur.files import read_json, write_json


class Job:
    """As Snakemake's jobs look from outside."""

    def __init__(self, rule: str, output: str, usage: str = "") -> None:
        self.rule, self.output, self.log = SimpleNamespace(name=rule), [output], [f"{output}.log"]
        self.params = {"usage": usage} if usage else {}


def graph(*jobs: Job) -> SimpleNamespace:
    """Each job reads from the one before; the first is done already."""
    dependencies = {job: {jobs[number - 1]: {}} if number else {} for number, job in enumerate(jobs)}
    return SimpleNamespace(jobs=set(jobs), dependencies=dependencies, needrun=lambda job: job is not jobs[0])


def test_the_plan_holds_every_job_and_the_graph_of_rules(tmp_path):
    dag = graph(Job("rank", "a"), Job("fewshot", "b", "usage/b.json"), Job("fewshot", "c"), Job("report", "d"))
    running.plan(tmp_path / "workflow.json", dag)
    found = read_json(tmp_path / "workflow.json")
    assert found["edges"] == [["fewshot", "fewshot"], ["fewshot", "report"], ["rank", "fewshot"]]
    assert [(job["rule"], job["outputs"], job["planned"]) for job in found["jobs"]] == [
        ("fewshot", ["b"], True), ("fewshot", ["c"], True), ("rank", ["a"], False), ("report", ["d"], True),
    ]  # fmt: skip
    write_json(tmp_path / "usage/b.json", {"cpu_seconds": 3.0, "started": 10.0, "ended": 14.0, "peak_bytes": 7})
    expected = {"jobs": 2, "wall_seconds": 4.0, "cpu_seconds": 3.0, "peak_bytes": 7}
    assert running.times(found, tmp_path)["fewshot"] == expected


def test_a_run_of_single_files_leaves_the_plan_of_the_whole(tmp_path):
    running.plan(tmp_path / "workflow.json", graph(Job("rank", "a"), Job("report", "b")))
    before = (tmp_path / "workflow.json").read_text()
    running.plan(tmp_path / "workflow.json", graph(Job("rank", "a")))
    assert (tmp_path / "workflow.json").read_text() == before


def test_only_the_run_that_wrote_a_plan_ends_it(tmp_path):
    path = tmp_path / "workflow.json"
    running.end(path, "done")  # there is none: nothing happens
    running.plan(path, graph(Job("report", "a")))
    write_json(path, read_json(path) | {"pid": os.getpid() + 1})
    running.end(path, "failed")
    assert read_json(path)["state"] == "running"
    write_json(path, read_json(path) | {"pid": os.getpid()})
    assert running.state(read_json(path)) == "running"
    running.end(path, "failed")
    assert running.state(read_json(path)) == "failed" and read_json(path)["ended"] >= read_json(path)["started"]


def test_a_run_whose_process_is_gone_has_stopped():
    assert running.state({"state": "running", "pid": 2**22 + 1}) == "stopped"


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 10)), max_size=12))
def test_busy_seconds_are_those_in_which_any_job_ran(found):
    intervals = [(float(start), float(start + length)) for start, length in found]
    expected = sum(any(start <= second < stop for start, stop in intervals) for second in range(50))
    assert running.busy_seconds(intervals) == expected


def test_what_is_no_plan_is_one_error_and_ends_nothing(tmp_path):
    path = tmp_path / "workflow.json"
    for text in ("[]", '{"pid": 3}', "[" * 100_000):
        path.write_text(text)
        with pytest.raises(SecateurError, match=r"workflow.json: .*Remove it"):
            running.read(path)
        running.end(path, "done")
        assert path.read_text() == text
    plan = graph(Job("report", "a", "usage/a.json"))
    path.unlink()
    running.plan(path, plan)
    write_json(tmp_path / "usage/a.json", ["no times"])
    with pytest.raises(SecateurError, match=r"usage/a.json: no times of a job"):
        running.times(running.read(path), tmp_path)
