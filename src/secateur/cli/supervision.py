"""A command's work in a child process, watched: code of others can end a process without a word and with exit code 0.

A criterion that crashes in C, or leaves by the system's own exit, ends the child; its parent then says so in one line
and ends with an exit code that is not 0. Jobs of the warm process are watched by it already (`server.py`).
"""

import os
import signal
import sys
from types import FrameType

from secateur.processes import end_with_parent

_report: int | None = None
"""In the child: where it tells its parent that it came to its end."""


def watched(what: str) -> None:
    """Go on in a child process; this one waits for it, and ends as it does.

    Before PyTorch is imported, since its threads would be lost in a child; where it already is, and on systems that
    cannot fork, nothing is done.

    Args:
        what: that is done, for the message about a child that is gone.
    """
    global _report
    if _report is not None or "torch" in sys.modules or not hasattr(os, "fork"):
        return
    ended, told = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        os.close(ended)
        _report = told
        end_with_parent()
        return
    os.close(told)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the child too, which says so

    def pass_on(number: int, _: FrameType | None) -> None:
        os.kill(child, number)

    signal.signal(signal.SIGTERM, pass_on)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if os.read(ended, 1) or code == -signal.SIGTERM:  # what was to be said is said, or it was told to end
        os._exit(code if code >= 0 else 128 - code)
    print(f"error: {_gone(what, code)}", file=sys.stderr, flush=True)
    os._exit(2)


def over() -> None:
    """In a child that is watched, tell that the command has come to its end and said what it had to say."""
    global _report
    if _report is not None:
        os.write(_report, b".")
        os.close(_report)
        _report = None


def _gone(what: str, code: int) -> str:
    ended = f"by signal {-code} ({signal.strsignal(-code)})" if code < 0 else f"with exit code {code}"
    hint = " The system kills what takes too much memory: fewer or smaller images need less." if code == -9 else ""
    return (
        f"{what}: its process ended {ended} in the middle. Code that it ran, a criterion's or a library's, did that; "
        f"what it was to make is not made.{hint}"
    )
