"""What the jobs of a pilot took, by study, and what more seeds would take, against sums by hand."""

import json

import pytest

from secateur.analysis import effort

CONFIG = {"criteria": [{"name": "lrp"}, {"name": "weight"}], "studies": {"one": {}, "two": {}, "untimed": {}}}


@pytest.fixture
def jobs(tmp_path):
    for name, seconds, cpu in (
        ("transfer/one-0-3", 40.0, 60.0), ("rank/one-lrp-0-3", 20.0, 30.0), ("rank/one-lrp-4-7", 28.0, 30.0),
        ("rank/one-weight-0-3", 4.0, 5.0), ("rank/one-dropped-0-3", 999.0, 999.0), ("cost/one", 7.0, 8.0),
        ("transfer/two-0-3", 36.0, 72.0),
    ):  # fmt: skip
        path = tmp_path / "usage" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"work_wall_seconds": seconds, "cpu_seconds": cpu}))
    return effort.measured(tmp_path)


def test_every_job_is_known_by_its_stage_study_criterion_and_seeds(jobs):
    found = {(row.stage, row.study, row.criterion, row.seeds, row.seconds) for row in jobs.itertuples()}
    assert len(found) == 7
    assert {("rank", "one", "lrp", 4, 28.0), ("cost", "one", "", 0, 7.0), ("transfer", "two", "", 4, 36.0)} <= found


def test_jobs_with_seeds_take_longer_with_more_and_those_of_a_study_do_not(jobs):
    found = effort.estimated(jobs, CONFIG, 8).set_index("study")
    assert list(found.index) == ["one", "two"] and set(found["seeds"]) == {8}
    # Twice the pilot's seeds: transfer and weight take twice as long, lrp was timed with all eight; cost is once.
    assert found.loc["one", "hours"] * 3600 == pytest.approx(2 * 40 + (20 + 28) + 2 * 4 + 7)
    assert found.loc["one", "processor_hours"] * 3600 == pytest.approx(2 * 60 + (30 + 30) + 2 * 5 + 8)
    assert found["criteria"].tolist() == [2, 0], "the second study's criteria were not timed"
    assert found.loc["two", "hours"] * 3600 == pytest.approx(72)
