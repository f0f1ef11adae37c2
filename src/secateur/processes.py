"""How processes end: with those that started them, and by Ctrl-C."""

import ctypes
import signal
import sys

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""
STOPPED = "interrupted. What was written before is whole."


def end_with_parent() -> None:
    """On Linux, let the kernel end this process when its parent ends; elsewhere it would run to its end."""
    if sys.platform == "linux":
        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
