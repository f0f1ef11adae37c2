"""The warm server: a job in it is the same command, and neither outlives the other."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from secateur.cli import server
from secateur.dag import warm as warm_process

COMMAND = [str(Path(sys.executable).with_name("secateur"))]


@pytest.fixture(scope="module")
def warm():
    process = warm_process.start()
    path = os.environ.pop(server.VARIABLE)
    yield path
    process.end()
    assert not alive(process.pid) and not Path(path).exists() and not Path(path).parent.exists()


@pytest.fixture
def light(monkeypatch):
    """A server that loads little beforehand, and waits for no more than three seconds for a request."""
    code = "import sys; from secateur.cli import server; server.PRELOADED = ['secateur.cli.commands']; "
    code += "server.SECONDS_TO_ASK = 3.0; server.serve(server.Path(sys.argv[1]))"
    monkeypatch.setattr(warm_process, "COMMAND", (sys.executable, "-c", code))
    process = warm_process.start()
    os.environ.pop(server.VARIABLE)
    yield process
    process.end()


def run(path: str | None, *arguments: str, **options) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != server.VARIABLE}
    environment |= {server.VARIABLE: path} if path else {}
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, env=environment, **options)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition, seconds: float = 300.0) -> bool:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if condition():
            return True
        time.sleep(0.05)
    return False


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["criteria"], ["data", "make", "nothing", "--output", "x"], ["collect"]])
def test_a_job_in_the_server_says_and_returns_what_the_command_does(warm, tmp_path, arguments):
    alone, forked = (run(path, *arguments, cwd=tmp_path) for path in (None, warm))
    assert (forked.returncode, forked.stdout, forked.stderr) == (alone.returncode, alone.stdout, alone.stderr)


def test_a_job_writes_where_its_command_stands(warm, tmp_path):
    assert run(warm, "data", "make", "moons", "--output", "made", cwd=tmp_path).returncode == 0
    assert (tmp_path / "made" / "train_inputs.npy").exists()


def test_without_an_answer_the_command_works_by_itself_and_says_so(tmp_path):
    done = run(str(tmp_path / "no-socket"), "data", "make", "moons", "--output", str(tmp_path / "made"))
    assert done.returncode == 0 and (tmp_path / "made").is_dir()
    assert done.stderr.count("\n") == 2 and "the warm process does not answer (" in done.stderr


def test_it_can_be_switched_off(monkeypatch):
    monkeypatch.setenv(server.VARIABLE, server.OFF)
    assert warm_process.start() is None
    assert run(server.OFF, "data", "make", "nothing").stderr.startswith("error: secateur data make: ")


def asked(path: str, *pieces: bytes, streams: tuple[int, ...] = (0, 1, 2)) -> bytes:
    """What the server answers to these pieces of a request before it closes."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60)
        connection.connect(path)
        with contextlib.suppress(BrokenPipeError):
            for piece in pieces:
                socket.send_fds(connection, [piece], streams)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := connection.recv(5):
            answer += piece
        return answer


def children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(number) for number in found if alive(int(number))]


@pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")
@pytest.mark.parametrize(
    "pieces",
    [
        (),
        (b"\0\0",),
        ((100).to_bytes(8, "big"),),
        ((100).to_bytes(8, "big"), b"{"),
        ((4).to_bytes(8, "big"), b"nojs"),
        ((2).to_bytes(8, "big"), b"{}"),
        ((1 << 60).to_bytes(8, "big"),),
    ],
    ids=["nothing", "half a length", "no message", "half a message", "no JSON", "no request", "too much"],
)
def test_a_command_that_is_gone_before_it_has_asked_leaves_nothing_behind(light, pieces):
    assert asked(str(light.path), *pieces) == server.READY
    assert wait_until(lambda: not children(light.pid)), "a process of that command is left"
    done = run(str(light.path), "data", "make", "nothing")
    assert light.path.exists() and "does not answer" not in done.stderr, "the server is there for others"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")
def test_a_command_that_stops_in_the_middle_is_waited_for_no_longer_than_it_may_take(light):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(light.path))
        socket.send_fds(connection, [(100).to_bytes(8, "big")], [0, 1, 2])
        connection.sendall(b"{")
        assert wait_until(lambda: len(children(light.pid)) == 1, 60)
        connection.settimeout(30)
        assert connection.recv(1) == server.READY and connection.recv(1) == b""
    assert wait_until(lambda: not children(light.pid))


@pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")
def test_its_end_ends_what_waits_for_the_rest_of_a_request(light):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(light.path))
        socket.send_fds(connection, [(100).to_bytes(8, "big")], [0, 1, 2])
        assert wait_until(lambda: len(children(light.pid)) == 1, 60)
        waiting, began = children(light.pid)[0], time.monotonic()
        light.end()
        assert wait_until(lambda: not alive(waiting)) and time.monotonic() - began < 2.5


@pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")
def test_one_that_died_is_told_of_and_started_anew_and_no_more_than_so_often(light, capfd):
    path = str(light.path)
    for death in range(1, warm_process.DEATHS + 1):
        assert "does not answer" not in run(path, "data", "make", "nothing").stderr
        former = light.pid
        os.kill(former, signal.SIGKILL)
        if death < warm_process.DEATHS:
            assert wait_until(lambda former=former: light.pid != former and light.path.exists(), 60)
    assert wait_until(lambda: not light.keeps)
    said = capfd.readouterr().err.splitlines()
    assert said[:2] == ["the warm process has died (signal 9): another one is started"] * 2
    assert said[2:] == [f"the warm process has died (signal 9): {warm_process.WITHOUT}"]
    done = run(path, "data", "make", "nothing")
    assert done.returncode == 2 and "does not answer" in done.stderr
    light.end()
    assert not light.path.parent.exists()


def test_a_folder_for_temporary_files_with_a_long_name_is_no_hindrance(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / ("long" * 30)))
    Path(tempfile.gettempdir()).mkdir()
    monkeypatch.setattr(warm_process, "COMMAND", (sys.executable, "-c", "import time; time.sleep(60)"))
    monkeypatch.setattr(warm_process, "SECONDS_TO_OPEN", 0.1)
    process = warm_process.start()
    os.environ.pop(server.VARIABLE)
    assert len(os.fsencode(process.path)) <= warm_process.LONGEST_PATH
    assert capfd.readouterr().err == "" and not list(Path(tempfile.gettempdir()).iterdir())
    process.end()


def test_no_place_for_a_socket_is_told_in_a_line(monkeypatch, capfd):
    monkeypatch.setattr(warm_process, "LONGEST_PATH", 3)
    assert warm_process.start() is None
    said = capfd.readouterr().err
    assert said.count("\n") == 1 and "set TMPDIR" in said and server.VARIABLE not in os.environ


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="stops a process")
def test_a_server_that_hangs_is_given_up_and_ended(light, monkeypatch):
    monkeypatch.setattr(warm_process, "SECONDS_TO_END", 1.0)
    os.kill(light.pid, signal.SIGSTOP)
    code = "from secateur.cli import server; server.SECONDS_TO_BEGIN = 1; server.main()"
    command = [sys.executable, "-c", code, "data", "make", "nothing"]
    environment = os.environ | {server.VARIABLE: str(light.path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 2 and "the warm process does not answer (timed out)" in done.stderr
    light.end()
    assert wait_until(lambda: not alive(light.pid))


@pytest.fixture
def sleeper(tmp_path):
    """A criterion file that writes its process number and then sleeps, so that a job can be caught in the act."""
    (tmp_path / "sleeper.py").write_text(
        f'import os, time\n\nopen("{tmp_path}/pid", "w").write(str(os.getpid()))\ntime.sleep(120)\n', encoding="utf-8"
    )
    return tmp_path


def started(warm: str, folder: Path) -> tuple[subprocess.Popen[str], int]:
    command = subprocess.Popen(
        [*COMMAND, "criteria", "--folder", str(folder)],
        env=os.environ | {server.VARIABLE: warm},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    pid = folder / "pid"
    assert wait_until(lambda: pid.exists() and pid.read_text() != "")
    return command, int(pid.read_text())


@pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")
def test_a_killed_command_takes_its_job_along(warm, sleeper):
    command, job = started(warm, sleeper)
    command.send_signal(signal.SIGKILL)
    command.wait()
    assert wait_until(lambda: not alive(job))


@pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")
def test_a_killed_job_fails_its_command(warm, sleeper):
    command, job = started(warm, sleeper)
    os.kill(job, signal.SIGKILL)
    assert command.wait() == 128 + signal.SIGKILL
    assert "error: the job was killed (SIGKILL, as the system does when memory runs out)." in command.stderr.read()


@pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")
def test_a_job_dies_with_its_supervisor_and_the_command_fails(warm, sleeper):
    command, job = started(warm, sleeper)
    supervisor = int(Path(f"/proc/{job}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(supervisor, signal.SIGKILL)
    assert command.wait() != 0
    assert wait_until(lambda: not alive(job))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")
def test_a_server_ends_when_the_workflow_is_killed(tmp_path):
    code = "from secateur.dag import warm; import time; print(warm.start().pid, flush=True); time.sleep(60)"
    workflow = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert workflow.stdout is not None
    pid = int(workflow.stdout.readline())
    workflow.kill()
    workflow.wait()
    assert wait_until(lambda: not alive(pid), 60)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")
def test_a_killed_shell_takes_its_command_and_job_along(warm, sleeper):
    """Else the job would write its output after the workflow has called it failed and removed what was there."""
    words = f"{COMMAND[0]} criteria --folder {sleeper} 2>&1 | tee {sleeper}/log"
    shell = subprocess.Popen(["bash", "-c", words], env=os.environ | {server.VARIABLE: warm}, stdout=subprocess.DEVNULL)
    pid = sleeper / "pid"
    assert wait_until(lambda: pid.exists() and pid.read_text() != "")
    shell.kill()
    shell.wait()
    assert wait_until(lambda: not alive(int(pid.read_text())))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")
@pytest.mark.parametrize("server_first", [False, True])
def test_a_killed_workflow_takes_its_jobs_along(sleeper, server_first):
    code = (
        "import subprocess; from secateur.dag import warm; print(warm.start().pid, flush=True)\n"
        f"subprocess.run('{COMMAND[0]} criteria --folder {sleeper} | cat', shell=True)"
    )
    workflow = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    pid = sleeper / "pid"
    assert wait_until(lambda: pid.exists() and pid.read_text() != "", 60)
    if server_first:
        os.kill(int(workflow.stdout.readline()), signal.SIGKILL)
        time.sleep(0.2)
        assert alive(int(pid.read_text())), "a job goes on without the server that it was forked from"
    workflow.kill()
    workflow.wait()
    assert wait_until(lambda: not alive(int(pid.read_text())))
