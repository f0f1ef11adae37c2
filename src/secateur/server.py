"""A warm process that jobs are forked from: importing PyTorch and timm takes seconds, a fork takes milliseconds.

The workflow starts one beside its local jobs and names its socket in SECATEUR_SERVER. A `secateur` command that finds
it hands over its arguments, folder, environment and standard streams, and ends with the job's exit code; one that finds
none, or one that does not answer, does the work itself. A job ends when its command does, its command when the shell
that started it does, and all of them when the workflow does, however it ends: a job that outlived its workflow would
write beside the job that the next run starts in its place.
"""

import contextlib
import importlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from secateur.processes import INTERRUPTED, STOPPED, end_with_parent

VARIABLE = "SECATEUR_SERVER"
STAGES = (
    "study", "ranking", "unpruned", "fewshot", "repairing", "grid", "retrain", "controls", "scratch", "cost", "toy",
)  # fmt: skip
PRELOADED = [f"secateur.branches.{name}" for name in STAGES]
PRELOADED += [
    "secateur.branches.gallery",
    "secateur.data.preparation",
    "timm.data",
    "secateur.models.transfer",
    "secateur.cli",
    "pandas",
    "scipy.stats",
    "sklearn",
]
SECONDS_TO_OPEN = 20.0
LONGEST_REQUEST = 1 << 20


def start() -> subprocess.Popen[bytes]:
    """Start a server as a child of this process and name its socket in this process's environment."""
    path = Path(tempfile.mkdtemp(prefix="secateur-")) / "socket"  # a folder that only its owner may enter
    # Thread counts are set in each job; a pool of threads that exists before a fork would be lost in it.
    single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    # Nothing is ever written to its standard input: this process holds the other end, which closes when it ends.
    command = [sys.executable, "-m", "secateur.server", str(path)]
    server = subprocess.Popen(command, env=os.environ | single, stdin=subprocess.PIPE)
    began = time.monotonic()
    while not path.exists() and server.poll() is None and time.monotonic() - began < SECONDS_TO_OPEN:
        time.sleep(0.02)
    os.environ[VARIABLE] = str(path)
    return server


def stop(server: subprocess.Popen[bytes]) -> None:
    """End a server; what runs in it ends too."""
    path = os.environ.pop(VARIABLE, None)
    server.terminate()
    server.wait()
    if server.stdin is not None:
        server.stdin.close()
    if path is not None:  # of a server that was killed, the socket is still there
        shutil.rmtree(Path(path).parent, ignore_errors=True)


def ask(arguments: list[str]) -> int | None:
    """Let the server run `secateur` with `arguments`; its exit code, or None where there is no server that answers."""
    path = os.environ.get(VARIABLE)
    if not path:
        return None
    end_with_parent()
    request = {"arguments": arguments, "folder": os.getcwd(), "environment": dict(os.environ)}  # noqa: PTH109
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(path)
            message = json.dumps(request).encode()
            socket.send_fds(connection, [len(message).to_bytes(8, "big")], [0, 1, 2])
            connection.sendall(message)
            answer = connection.recv(4)
    except OSError:
        return None
    return int.from_bytes(answer, "big") if len(answer) == 4 else 1  # no answer: the job was killed


def serve(path: Path) -> None:
    """Accept jobs at the socket `path` until the workflow is gone (standard input closes) or it is told to end."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(1024)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: sys.exit(0))
        try:
            for name in PRELOADED:
                importlib.import_module(name)
            while True:
                _reap()
                ready = select.select([listener, sys.stdin], [], [], 0.5)[0]
                if sys.stdin in ready:
                    break
                if ready:
                    connection, _ = listener.accept()
                    if os.fork() == 0:
                        listener.close()
                        _supervise(connection)
                    connection.close()
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_IGN)
            path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                path.parent.rmdir()


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _supervise(connection: socket.socket) -> None:
    """Run one job in a child of its own; kill it when its command or the workflow goes away. Never returns."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the command is interrupted too, and its end is seen here
    length, streams, _, _ = socket.recv_fds(connection, 8, 3)
    message = b""
    while len(message) < int.from_bytes(length, "big"):
        message += connection.recv(LONGEST_REQUEST)
    request = json.loads(message)
    alive, held = os.pipe()  # the job holds one end: when it ends, however it ends, the other end can be read
    job = os.fork()
    if job == 0:
        os.close(alive)
        connection.close()
        end_with_parent()
        _work(request, streams)
    os.close(held)
    for stream in streams:
        os.close(stream)
    workflow = sys.stdin.fileno()
    ready = select.select([connection.fileno(), alive, workflow], [], [])[0]
    if connection.fileno() in ready or workflow in ready:
        os.kill(job, signal.SIGKILL)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(job, 0)[1])
    with contextlib.suppress(OSError):
        connection.sendall((code if code >= 0 else 128 - code).to_bytes(4, "big"))
    os._exit(0)


def _work(request: dict, streams: list[int]) -> None:
    """Become the command that asked: its folder, environment, streams and arguments. Never returns."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for target, stream in enumerate(streams):
        os.dup2(stream, target)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    os.environ.pop(VARIABLE, None)
    sys.argv = ["secateur", *request["arguments"]]
    code = 1
    try:
        from secateur.cli import main

        main()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def main() -> None:
    """The `secateur` command: let a warm server do the work where there is one."""
    try:
        code = ask(sys.argv[1:])
        if code is None:
            from secateur.cli import main as run

            run()
        else:
            sys.exit(code)
    except KeyboardInterrupt:  # while it waits, or imports; a job in the server ends with its connection
        print(f"error: {STOPPED}", file=sys.stderr)
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
