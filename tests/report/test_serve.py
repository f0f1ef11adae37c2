"""The server of runs: for this machine alone, what it lists, how far a run is, and nothing else of the disk."""

import http.client
import os
import threading
import time
from pathlib import Path

import pytest

from secateur.errors import SecateurError
from secateur.files import read_json, write_json
from secateur.report import serve

NAMES = ("done", "busy", "<b>&", "new")


@pytest.fixture
def results(tmp_path) -> Path:
    """Four runs: a finished one, one that runs, one with a hostile name, and one without a plan."""
    folder = tmp_path / "results"
    (tmp_path / "secret.txt").write_text("secret")
    for name in NAMES:
        (folder / name).mkdir(parents=True)
        (folder / name / "config.json").write_text("{}")
    (folder / "no run").mkdir()
    jobs = [
        {"rule": "rank", "outputs": [f"results/busy/{number}"], "log": f"results/busy/{number}.log", "usage": "",
         "planned": number > 0}
        for number in range(4)
    ]  # fmt: skip
    started = time.time() - 60
    for number in range(2):  # 0 was there before, 1 is made by this start; 2 runs, and 3 has not begun
        (folder / "busy" / str(number)).touch()
    os.utime(folder / "busy/0", (started - 100, started - 100))
    (folder / "busy/2.log").write_text("first line\nrank: 3 of 8, about <5> s left\n\n")
    plan = {"state": "running", "pid": os.getpid(), "started": started, "ended": None, "edges": [], "jobs": jobs}
    write_json(folder / "busy/workflow.json", plan)
    for name in ("done", "<b>&"):
        write_json(folder / name / "workflow.json", plan | {"state": "done", "ended": started + 5, "jobs": []})
        (folder / name / "report.html").write_text("the report")
    return folder


@pytest.fixture
def server(results):
    opened = serve.open_server(results, 0)
    thread = threading.Thread(target=opened.serve_forever, daemon=True)
    thread.start()
    yield opened
    opened.shutdown()
    opened.server_close()


def get(server, path: str, method: str = "GET", host: str | None = None) -> tuple[int, str, http.client.HTTPMessage]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    connection.request(method, path, headers={"Host": host} if host else {})
    answer = connection.getresponse()
    return answer.status, answer.read().decode(), answer.headers


def test_the_list_has_every_run_and_escapes_its_name(server):
    status, html, headers = get(server, "/")
    assert status == 200 and "default-src 'none'" in headers["Content-Security-Policy"]
    for name in ("done", "busy", "new", "&lt;b&gt;&amp;"):
        assert f">{name}</a>" in html
    assert "no run" not in html and "<b>&" not in html and "2 of 4 jobs" in html
    assert 'href="/done/report.html"' in html and 'http-equiv="refresh"' in html


def test_a_running_run_shows_what_is_done_what_runs_and_its_last_line(server):
    _, html, _ = get(server, "/busy/")
    assert "2 of 4 jobs done" in html and "results/busy/2.log" in html and "results/busy/3.log" not in html
    assert "rank: 3 of 8, about &lt;5&gt; s left" in html and 'http-equiv="refresh"' in html


def test_a_finished_run_is_not_loaded_again_and_gives_its_report(server):
    _, html, _ = get(server, "/done/")
    assert "http-equiv" not in html and "done · started" in html
    assert get(server, "/done/report.html")[1] == "the report"
    assert get(server, "/%3Cb%3E%26/report.html")[0] == 200


def test_a_killed_run_is_called_stopped(results):
    plan = read_json(results / "busy/workflow.json")
    write_json(results / "busy/workflow.json", plan | {"pid": 2**22 + 1})
    assert serve.progress(results / "busy")["state"] == "stopped" and serve.progress(results / "busy")["jobs"] == []


@pytest.mark.parametrize("path", [
    "/../secret.txt", "/%2e%2e/secret.txt", "/done/../../secret.txt", "/done/..%2f..%2fsecret.txt", "/done/%2e%2e",
    "//secret.txt", "/done/workflow.json", "/busy/2.log", "/busy/report.html", "/nobody/", "/no%20run/", "/done",
])  # fmt: skip
def test_nothing_but_the_runs_own_pages_is_sent(server, path):
    status, text, _ = get(server, path)
    assert status == 404 and "secret" not in text.replace(path, "")


def test_a_link_out_of_the_folder_is_no_run(results, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/config.json").write_text("{}")
    (results / "link").symlink_to(tmp_path / "elsewhere")
    assert {path.name for path in serve.run_folders(results)} == set(NAMES)


def test_only_this_machine_by_its_own_name_is_answered(server):
    assert server.server_address[0] == "127.0.0.1"
    assert get(server, "/", host="example.org:80")[0] == 403 and get(server, "/", host="localhost:1")[0] == 200
    assert get(server, "/", method="POST")[0] == 501


def test_a_taken_port_and_a_missing_folder_are_errors(server, tmp_path):
    with pytest.raises(SecateurError, match="--port"):
        serve.open_server(tmp_path, server.server_port)
    with pytest.raises(SecateurError, match="no such folder"):
        serve.open_server(tmp_path / "nobody")
