"""The warm server: a job in it is the same command, and neither outlives the other."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from secateur import server

COMMAND = [str(Path(sys.executable).with_name("secateur"))]


@pytest.fixture(scope="module")
def warm():
    process = server.start()
    path = os.environ.pop(server.VARIABLE)
    yield path
    process.terminate()
    process.wait()
    assert not Path(path).exists() and not Path(path).parent.exists()


def run(path: str | None, *arguments: str, **options) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != server.VARIABLE}
    environment |= {server.VARIABLE: path} if path else {}
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, env=environment, **options)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition, seconds: float = 20.0) -> bool:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if condition():
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("arguments", [["criteria"], ["data", "make", "nothing", "--output", "x"], ["collect"]])
def test_a_job_in_the_server_says_and_returns_what_the_command_does(warm, tmp_path, arguments):
    alone, forked = (run(path, *arguments, cwd=tmp_path) for path in (None, warm))
    assert (forked.returncode, forked.stdout, forked.stderr) == (alone.returncode, alone.stdout, alone.stderr)


def test_a_job_writes_where_its_command_stands(warm, tmp_path):
    assert run(warm, "data", "make", "moons", "--output", "made", cwd=tmp_path).returncode == 0
    assert (tmp_path / "made" / "train_inputs.npy").exists()


def test_without_an_answer_the_command_works_by_itself(tmp_path):
    assert run(str(tmp_path / "no-socket"), "criteria").returncode == 0


@pytest.fixture
def sleeper(tmp_path):
    """A criterion file that writes its process number and then sleeps, so that a job can be caught in the act."""
    (tmp_path / "sleeper.py").write_text(
        f'import os, time\n\nopen("{tmp_path}/pid", "w").write(str(os.getpid()))\ntime.sleep(120)\n', encoding="utf-8"
    )
    return tmp_path


def started(warm: str, folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    command = subprocess.Popen(
        [*COMMAND, "criteria", "--folder", str(folder)],
        env=os.environ | {server.VARIABLE: warm},
        stdout=subprocess.PIPE,
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
    assert command.wait(timeout=20) == 128 + signal.SIGKILL


@pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")
def test_a_job_dies_with_its_supervisor_and_the_command_fails(warm, sleeper):
    command, job = started(warm, sleeper)
    supervisor = int(Path(f"/proc/{job}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(supervisor, signal.SIGKILL)
    assert command.wait(timeout=20) != 0
    assert wait_until(lambda: not alive(job))


@pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")
def test_a_server_ends_when_the_workflow_is_killed(tmp_path):
    code = "from secateur import server; import time; print(server.start().pid, flush=True); time.sleep(60)"
    workflow = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert workflow.stdout is not None
    pid = int(workflow.stdout.readline())
    workflow.kill()
    workflow.wait()
    assert wait_until(lambda: not alive(pid), 60)


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


@pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")
@pytest.mark.parametrize("server_first", [False, True])
def test_a_killed_workflow_takes_its_jobs_along(sleeper, server_first):
    code = (
        "import subprocess; from secateur import server; print(server.start().pid, flush=True)\n"
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
