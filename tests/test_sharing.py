"""Runs of several clones on one folder of data: who waits for whom, and what a killed one leaves."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from secateur import sharing
from secateur.sharing import SharedData

pytestmark = pytest.mark.skipif(sharing.fcntl is None, reason="no locks of files on this system")


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(sharing, "SECONDS_BETWEEN", 0.01)


def started(work) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_one_run_alone_waits_for_nobody(tmp_path, capsys):
    run = SharedData(tmp_path)
    assert not run.plan() and not run.plan()
    run.begin(lambda: False)
    run.end()
    assert capsys.readouterr().err == ""


def test_the_second_plans_when_the_first_has_made_its_data_and_both_read(tmp_path, capsys):
    first, second, made = SharedData(tmp_path), SharedData(tmp_path), threading.Event()
    assert not first.plan()
    first.begin(lambda: not made.is_set())
    waited: list[bool] = []
    planning = started(lambda: waited.append(second.plan()))
    planning.join(0.2)
    assert planning.is_alive(), "it must not plan on what the first is making"
    made.set()
    planning.join(10)
    assert waited == [True]
    assert capsys.readouterr().err.splitlines() == [f"another run plans or makes data in {tmp_path}: waiting for it"]
    second.begin(lambda: False)  # and does not wait, though the first goes on
    first.end()
    second.end()


def test_what_is_made_anew_waits_for_those_that_read(tmp_path, capsys):
    reader, maker = SharedData(tmp_path), SharedData(tmp_path)
    reader.plan()
    reader.begin(lambda: False)
    assert not maker.plan()
    done = threading.Event()
    making = started(lambda: maker.begin(lambda: not done.is_set()))
    making.join(0.2)
    assert making.is_alive()
    reader.end()
    making.join(10)
    assert not making.is_alive() and "other runs read the data" in capsys.readouterr().err
    done.set()
    maker.end()


def test_a_killed_run_leaves_no_lock(tmp_path):
    code = (
        "import sys, time; from secateur.sharing import SharedData; run = SharedData(sys.argv[1]); run.plan()\n"
        "run.begin(lambda: True); print(flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline()
    run = SharedData(tmp_path)
    planning = started(run.plan)
    planning.join(0.2)
    assert planning.is_alive()
    process.kill()
    process.wait()
    planning.join(10)
    assert not planning.is_alive()
    run.end()


def test_a_run_that_fails_before_its_data_are_made_frees_them(tmp_path):
    run = SharedData(tmp_path)
    run.plan()
    run.begin(lambda: True)
    run.end()
    began = time.monotonic()
    assert not SharedData(tmp_path).plan() and time.monotonic() - began < 5


def test_without_a_folder_to_write_to_there_are_no_locks(tmp_path):
    (tmp_path / "file").write_text("")
    run = SharedData(Path(tmp_path, "file", "data"))
    assert not run.plan()
    run.begin(lambda: False)
    run.end()
