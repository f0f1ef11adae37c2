"""The workflow's hold on its warm process (`cli/server.py`): started, started anew when it dies, and ended."""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import IO

from secateur.cli.server import OFF, VARIABLE

COMMAND = (sys.executable, "-m", "secateur.cli.server")
WITHOUT = "each job imports for itself now, which takes it some seconds"
SECONDS_TO_OPEN = 20.0
SECONDS_TO_END = 10.0
LONGEST_PATH = 100
"""Bytes of a socket's path that every system allows (macOS 103, Linux 107)."""
DEATHS = 3
"""After so many a run goes on without: what kills the process would do so again."""


class Warm:
    """A warm process as a child of this one, at the socket that this process's environment names for its jobs."""

    def __init__(self) -> None:
        """
        Raises:
            OSError: no folder for the socket.
        """
        self.path = _folder() / "socket"
        self._ending = False
        self._inputs: list[IO[bytes]] = []
        self._process = self._begun()
        os.environ[VARIABLE] = str(self.path)
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        self._keeper.start()

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    @property
    def keeps(self) -> bool:
        """Whether another one would be started if it died."""
        return self._keeper.is_alive()

    def end(self) -> None:
        """End the process; what runs in it ends too."""
        self._ending = True
        os.environ.pop(VARIABLE, None)
        while self._keeper.is_alive():  # it may just be starting another
            process = self._process
            process.terminate()
            try:
                process.wait(SECONDS_TO_END)
            except subprocess.TimeoutExpired:
                process.kill()
            self._keeper.join(1)
        for opened in self._inputs:
            opened.close()
        shutil.rmtree(self.path.parent, ignore_errors=True)  # of one that was killed, the socket is still there

    def _begun(self) -> subprocess.Popen[bytes]:
        """A new process, which listens, or has ended already."""
        self.path.parent.mkdir(exist_ok=True)
        self.path.unlink(missing_ok=True)
        # Thread counts are set in each job; a pool of threads that exists before a fork would be lost in it.
        single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        # Nothing is ever written to its standard input: this process holds the other end, which closes when it ends.
        process = subprocess.Popen([*COMMAND, str(self.path)], env=os.environ | single, stdin=subprocess.PIPE)
        assert process.stdin is not None
        self._inputs.append(process.stdin)  # kept open when it dies: the jobs that it began go on
        began = time.monotonic()
        while not self.path.exists() and process.poll() is None and time.monotonic() - began < SECONDS_TO_OPEN:
            time.sleep(0.02)
        return process

    def _keep(self) -> None:
        """Wait for the process to end, and start another one unless it was to end or dies again and again."""
        for death in range(1, DEATHS + 1):
            code = self._process.wait()
            if self._ending:
                return
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            _said(f"the warm process has died ({how}): {'another one is started' if death < DEATHS else WITHOUT}")
            if death < DEATHS:
                self._process = self._begun()


def start() -> Warm | None:
    """A warm process for the jobs of this one; None where it was switched off, or there is no place for its socket."""
    if os.environ.get(VARIABLE) == OFF:
        return None
    try:
        return Warm()
    except OSError as error:
        _said(f"no warm process ({error}): {WITHOUT}")
        return None


def _folder() -> Path:
    """A new folder that only its owner may enter, whose name is short enough for a socket."""
    for place in (None, "/tmp", "/var/tmp"):
        try:
            folder = Path(tempfile.mkdtemp(prefix="secateur-", dir=place))
        except OSError:
            continue
        if len(os.fsencode(folder / "socket.0")) <= LONGEST_PATH:
            return folder
        folder.rmdir()
    raise OSError("no folder that may be written to and has a short name; set TMPDIR to one")


def _said(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
