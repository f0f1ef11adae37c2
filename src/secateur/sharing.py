"""A folder of data that runs of several clones share: one run at a time plans and makes, none makes while others read.

Snakemake locks the folder that it runs in, and knows nothing of other clones whose data/ is the same folder, by a link
say. Two that start together would both plan to make a dataset, and the later one remove what the earlier has made and
reads. Where the file system has no locks, or the folder cannot be written to, nothing is locked.
"""

import contextlib
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

FOLDER = ".locks"
SECONDS_BETWEEN = 0.5


class SharedData:
    """The locks of one run on a folder of data, from its planning to its end; those of a killed run are freed."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._planned = False
        self._planning: IO[str] | None = None
        self._reading: IO[str] | None = None

    def plan(self) -> bool:
        """Before it is looked at what there is and what is to be made; whether another run was waited for."""
        if self._planned:
            return False
        self._planned = True
        self._planning, self._reading = self._opened("planning"), self._opened("reading")
        return self._locked(self._planning, True, f"another run plans or makes data in {self.folder}: waiting for it")

    def begin(self, pending: Callable[[], bool]) -> None:
        """Before the first job. `pending` tells whether data are still to be made: only until then nobody may read."""
        if not pending():
            self._made()
            return
        self._locked(self._reading, True, f"other runs read the data in {self.folder}, of which this one makes some: "
                     "waiting for their end")  # fmt: skip

        def watch() -> None:
            while pending():
                time.sleep(SECONDS_BETWEEN)
            self._made()

        threading.Thread(target=watch, daemon=True).start()

    def end(self) -> None:
        """After the last job."""
        for opened in (self._planning, self._reading):
            if opened is not None:
                opened.close()
        self._planning = self._reading = None

    def _made(self) -> None:
        """Read from now on, and let others plan."""
        self._locked(self._reading, False, f"another run makes data in {self.folder}: waiting for it")
        planning, self._planning = self._planning, None
        if planning is not None:
            planning.close()

    def _opened(self, name: str) -> IO[str] | None:
        with contextlib.suppress(OSError):
            (self.folder / FOLDER).mkdir(parents=True, exist_ok=True)
            return (self.folder / FOLDER / name).open("a")
        return None

    def _locked(self, opened: IO[str] | None, alone: bool, why: str) -> bool:
        """Lock a file, for this run alone or for all that read; whether it had to wait, of which the user is told."""
        if opened is None or fcntl is None:
            return False
        waited = False
        while True:
            try:
                fcntl.flock(opened, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
                return waited
            except BlockingIOError:
                if not waited:
                    print(why, file=sys.stderr, flush=True)
                waited = True
                time.sleep(SECONDS_BETWEEN)
            except (OSError, ValueError):  # a file system without locks; closed meanwhile
                return waited
