"""A warm process that jobs are forked from: importing PyTorch and timm takes seconds, a fork takes milliseconds.

The workflow starts one beside its local jobs (`dag/warm.py`) and names its socket in SECATEUR_SERVER. A `secateur`
command that finds it hands over its arguments, folder, environment and standard streams, and ends with the job's exit
code; one that finds none, or one that does not answer or has loaded other sources than the workflow planned with, does
the work itself. A job ends when its command does, its command when the shell that started it does, and all of them when
the workflow does, however it ends: a job that outlived its workflow would write beside the job that the next run
starts.
"""

import contextlib
import importlib
import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

from secateur import loaded
from secateur.processes import INTERRUPTED, STOPPED, end_with_parent

VARIABLE = "SECATEUR_SERVER"
OFF = "off"
"""In place of a socket: every command works by itself."""
PRELOADED = [
    f"secateur.branches.{path.stem}" for path in sorted((Path(__file__).parents[1] / "branches").glob("[a-z]*.py"))
]
PRELOADED += ["secateur.branches.toy.run", "secateur.data.preparation", "timm.data", "secateur.models.transfer"]
PRELOADED += ["secateur.cli.commands", "pandas", "scipy.stats", "sklearn"]
PRELOADED += ["jsonschema", "pydantic", "pyarrow.parquet"]  # what reading a config, a command line, a table brings in
SECONDS_TO_ASK = 10.0
"""In which a command must have handed over what it wants; it does so at once."""
SECONDS_TO_BEGIN = 120.0
"""In which a server must have answered; it may be importing."""
LONGEST_REQUEST = 1 << 24
READY, BEGUN = b"R", b"B"
AGAIN = 75
"""Exit code of a job that the warm process cannot do: its command does it."""


def ask(arguments: list[str]) -> int | None:
    """Let the server run `secateur` with `arguments`; its exit code, or None where there is no server that can.

    What else became of the job is told in a line on standard error.
    """
    path = os.environ.get(VARIABLE)
    if not path:
        return None
    end_with_parent()
    if path == OFF:
        return None
    request = {"arguments": arguments, "folder": os.getcwd(), "environment": dict(os.environ)}  # noqa: PTH109
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(SECONDS_TO_BEGIN)
            connection.connect(path)
            # Not before somebody is there: one that hangs would keep the streams open after this command has ended.
            if connection.recv(1) != READY:
                raise ConnectionError("it ended before it was asked")
            message = json.dumps(request).encode()
            socket.send_fds(connection, [len(message).to_bytes(8, "big")], [0, 1, 2])
            connection.sendall(message)
            if connection.recv(1) != BEGUN:
                raise ConnectionError("it ended before the job began")
            connection.settimeout(None)
            answer = connection.recv(4)
    except OSError as error:
        _said(f"the warm process does not answer ({error}): this command imports for itself, which takes seconds")
        return None
    code = int.from_bytes(answer, "big", signed=True) if len(answer) == 4 else -signal.SIGKILL
    if code == AGAIN:
        _said("the warm process has loaded other sources than this run was planned with: this command imports its own")
        return None
    if code < 0:
        why = ", as the system does when memory runs out" if code == -signal.SIGKILL else ""
        _said(f"error: the job was killed ({signal.Signals(-code).name}{why}).")
    return code if code >= 0 else 128 - code


def serve(path: Path) -> None:
    """Accept jobs at the socket `path` until the workflow is gone (standard input closes) or it is told to end."""
    loaded.watch()
    with socket.socket(socket.AF_UNIX) as listener:
        unheard = path.with_suffix(".0")
        unheard.unlink(missing_ok=True)
        listener.bind(str(unheard))
        listener.listen(1024)
        unheard.rename(path)  # whoever sees it can connect to it
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: sys.exit(0))
        try:
            _preload()
            while True:
                _reap()
                ready = select.select([listener, sys.stdin], [], [], 0.5)[0]
                if sys.stdin in ready:
                    break
                if ready:
                    _accept(listener)
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_IGN)
            path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                path.parent.rmdir()


def _preload() -> None:
    for name in PRELOADED:
        try:
            importlib.import_module(name)
        except Exception as error:  # a source that is being edited, say: the job that needs it will tell
            _said(f"the warm process cannot import {name} ({type(error).__name__}: {error})")


def _accept(listener: socket.socket) -> None:
    """Begin what a command asks for, in a process of its own; without one, the command is told nothing and goes on."""
    with listener.accept()[0] as connection:
        try:
            child = os.fork()
        except OSError as error:
            _said(f"the warm process cannot begin a job ({error})")
            return
        if child == 0:
            try:  # nothing that goes wrong here may reach the caller, whose socket this process must not remove
                listener.close()
                _supervise(connection)
            finally:
                os._exit(1)


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _supervise(connection: socket.socket) -> None:
    """Run one job in a child of its own; kill it when its command or the workflow goes away. Never returns."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the command is interrupted too, and its end is seen here
    try:
        connection.sendall(READY)
        request, streams = _request(connection)
        connection.sendall(BEGUN)  # a command that is gone, or has given up waiting, is found out here
    except (OSError, ValueError):
        os._exit(1)
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
        connection.sendall(code.to_bytes(4, "big", signed=True))  # negative: the signal that ended it
    os._exit(0)


def _request(connection: socket.socket) -> tuple[dict, list[int]]:
    """What a command asks for, and its standard streams.

    Raises:
        OSError: it is gone, or takes longer than it may.
        ValueError: it is no request.
    """
    ends = time.monotonic() + SECONDS_TO_ASK
    header, streams = _received(connection, 8, ends, 3)
    length = int.from_bytes(header, "big")
    if length > LONGEST_REQUEST or len(streams) != 3:
        raise ValueError("no request of a command")
    request = json.loads(_received(connection, length, ends)[0])
    if not isinstance(request, dict) or set(request) != {"arguments", "folder", "environment"}:
        raise ValueError("no request of a command")
    return request, streams


def _received(connection: socket.socket, length: int, ends: float, streams: int = 0) -> tuple[bytes, list[int]]:
    """So many bytes, and the file descriptors that came with them, before a moment; OSError where that cannot be."""
    received, descriptors = b"", list[int]()
    while len(received) < length:
        ready = select.select([connection, sys.stdin], [], [], max(0.0, ends - time.monotonic()))[0]
        if connection not in ready:  # time is up, or the workflow is gone
            raise TimeoutError
        piece, passed, _, _ = socket.recv_fds(connection, min(length - len(received), 1 << 20), streams)
        if not piece:
            raise ConnectionError
        received, descriptors = received + piece, descriptors + passed
    return received, descriptors


def _work(request: dict, streams: list[int]) -> None:
    """Become the command that asked: its folder, environment, streams and arguments. Never returns."""
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for target, stream in enumerate(streams):
            os.dup2(stream, target)
        os.chdir(request["folder"])
        os.environ.clear()
        os.environ.update(request["environment"])
        os.environ.pop(VARIABLE, None)
        sys.argv = ["secateur", *request["arguments"]]
        if not _as_planned(request["arguments"]):
            os._exit(AGAIN)
        from secateur.cli.commands import main

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


def _as_planned(arguments: list[str]) -> bool:
    """Whether what is loaded here is what the job was planned with."""
    from secateur.errors import SecateurError

    if "--code" in arguments[:-1]:
        try:
            loaded.expect(arguments[arguments.index("--code") + 1])
        except SecateurError:
            return False
    return True


def _said(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _command() -> Callable[[], None]:
    """The command line, where its packages are; the library does without them."""
    try:
        from secateur.cli.commands import main as run
    except ModuleNotFoundError as error:
        print(f"error: the command line needs {error.name}, which is not here: pip install secateur", file=sys.stderr)
        sys.exit(2)
    return run


def main() -> None:
    """The `secateur` command: let a warm server do the work where there is one."""
    loaded.watch()
    try:
        code = ask(sys.argv[1:])
        if code is None:
            _command()()
        else:
            sys.exit(code)
    except KeyboardInterrupt:  # while it waits, or imports; a job in the server ends with its connection
        print(f"error: {STOPPED}", file=sys.stderr)
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
