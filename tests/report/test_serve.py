"""The server of runs: for this machine alone, what it lists, how far a run is, and nothing else of the disk."""

import http.client
import os
import socket
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
    thread = threading.Thread(target=opened.serve_forever, args=(0.01,), daemon=True)
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


MALFORMED = [
    "", "[]", "null", "3", '"text"', "{}", "{", "[" * 100_000, "NaN", '{"state": "running"}',
    '{"state": "lost", "pid": 1, "started": 1, "ended": null, "edges": [], "jobs": []}',
    '{"state": "running", "pid": 99999999999999999999, "started": 1, "ended": null, "edges": [], "jobs": []}',
    '{"state": "running", "pid": 1, "started": 1e300, "ended": null, "edges": [], "jobs": []}',
    '{"state": "running", "pid": 1, "started": NaN, "ended": null, "edges": [], "jobs": []}',
    '{"state": "running", "pid": 1, "started": 1, "ended": "x", "edges": [], "jobs": []}',
    '{"state": "running", "pid": 1, "started": 1, "ended": null, "edges": [], "jobs": [{"rule": 3}]}',
    '{"state": "running", "pid": 1, "started": 1, "ended": null, "edges": [["a"]], "jobs": []}',
]  # fmt: skip


@pytest.mark.parametrize("text", MALFORMED, ids=range(len(MALFORMED)))
def test_a_plan_that_is_none_hides_no_other_run(results, server, text):
    (results / "new/workflow.json").write_text(text)
    _, html, _ = get(server, "/")
    for name in ("done", "busy", "new"):
        assert f">{name}</a>" in html
    assert get(server, "/new/")[0] == 200 and serve.progress(results / "new")["state"] == "unknown"


@pytest.mark.parametrize("name", ["\0", "a" * 5000, "../../secret.txt", "results/busy/link.log"])
def test_a_plan_cannot_have_other_files_read(results, server, tmp_path, name):
    plan = read_json(results / "busy/workflow.json")
    (results / "busy/link.log").symlink_to(tmp_path / "secret.txt")
    job = plan["jobs"][2] | {"log": name, "outputs": [name]}
    write_json(results / "busy/workflow.json", plan | {"jobs": [job], "started": 0})
    _, html, _ = get(server, "/busy/")
    assert "jobs done" in html and "secret" not in html.replace("secret.txt", "")


def test_links_pipes_and_folders_in_place_of_a_file_are_not_sent(results, server, tmp_path):
    (results / "new/report.html").symlink_to(tmp_path / "secret.txt")
    os.mkfifo(results / "new/tables.tex")
    (results / "new/report.partial.html").mkdir()
    for name in ("report.html", "tables.tex", "report.partial.html"):
        assert get(server, f"/new/{name}")[0] == 404
    assert serve.progress(results / "new")["files"] == ["config.json"]


def test_a_browser_that_goes_away_in_the_middle_is_no_error(results, server, capfd):
    (results / "done/report.html").write_bytes(b"x" * (64 << 20))
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", server.server_port)) as connection:
            connection.sendall(b"GET /done/report.html HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
            connection.recv(100)
    assert get(server, "/")[0] == 200
    time.sleep(0.5)
    assert capfd.readouterr().err == ""


def test_a_connection_that_says_nothing_is_closed(results, server, monkeypatch, capfd):
    monkeypatch.setattr(server.RequestHandlerClass, "timeout", 0.3)
    with socket.create_connection(("127.0.0.1", server.server_port)) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\nHost:")
        connection.settimeout(20)
        assert connection.recv(100) == b""
    assert capfd.readouterr().err == ""


def test_what_goes_wrong_with_one_page_is_a_line_and_the_others_are_there(server, monkeypatch, capfd):
    def broken(_):
        raise OSError("the disk is gone")

    monkeypatch.setattr(serve, "progress", broken)
    with pytest.raises(http.client.RemoteDisconnected):
        get(server, "/")
    monkeypatch.undo()
    assert get(server, "/")[0] == 200
    assert capfd.readouterr().err == "error: a page could not be made: OSError: the disk is gone\n"
