"""A clock that was set back: files from the future are named, and brought back in their order."""

import os
import re
import sys
import time
from pathlib import Path

import pytest

from secateur import clock
from secateur.cli import commands
from secateur.errors import SecateurError

DAY = 86_400


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A run's folder to stand in: data made two hours ago, results in three steps of a clock two days ahead."""
    monkeypatch.chdir(tmp_path)
    now = time.time()
    made = {
        "data/moons/.snakemake_timestamp": now - 7200,
        "data/prepared/digits/vgg-16px/.snakemake_timestamp": now + 2 * DAY - 3600,
        "results/a/models.safetensors": now + 2 * DAY - 900,
        "results/a/rankings/x.safetensors": now + 2 * DAY - 5,
        "results/a/rankings/y.safetensors": now + 2 * DAY - 5,
        "results/a/tables/.snakemake_timestamp": now + 2 * DAY,
    }
    for name, at in made.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.utime(path, (at, at))
    return list(made)


def test_files_from_the_future_stop_a_run_and_come_back_in_their_order(place, capsys):
    with pytest.raises(SecateurError, match=r"5 files .* from the future, by up to (2 days|1 day, 23:59)"):
        clock.check("results/a")
    command("clock")
    assert "the times of 5 files" in capsys.readouterr().err
    clock.check("results/a")
    times = [Path(name).stat().st_mtime for name in place]
    assert times == sorted(times) and times[-1] <= time.time()
    assert times[3] == times[4] and len(set(times)) == 5, "what was made at one time is told apart, or the other way"
    command("clock")
    assert "no file" in capsys.readouterr().err


def test_where_there_is_no_room_between_the_others_and_now_the_order_is_kept(place):
    Path("results/a/config.json").touch()
    clock.set_back("results")
    times = [Path(name).stat().st_mtime for name in place]
    assert times == sorted(times) and len(set(times)) == 5


def test_machines_that_differ_by_seconds_stop_no_run(tmp_path):
    (tmp_path / "table").touch()
    later = time.time() + clock.SLACK / 2
    os.utime(tmp_path / "table", (later, later))
    clock.check(tmp_path)


def test_a_job_under_a_clock_that_went_back_fails(tmp_path, monkeypatch, capsys):
    clock.watch()
    try:
        clock.check_watched()
        monkeypatch.setenv(clock.VARIABLE, str(float(os.environ[clock.VARIABLE]) + 3600))
        code = command("--usage", str(tmp_path / "usage.json"), "criteria")
    finally:
        clock.unwatch()
    assert code == 2
    assert re.search("the clock was set back by (0:59:59|1:00:00)", capsys.readouterr().err)
    clock.check_watched()


def command(*arguments: str) -> int:
    """Run the command line in this process; its exit code."""
    before, sys.argv = sys.argv, ["secateur", *arguments]
    try:
        commands.main()
    except SystemExit as ended:
        return int(ended.code or 0)
    finally:
        sys.argv = before
    return 0
