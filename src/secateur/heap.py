"""Memory that a pass frees is kept for the next pass, instead of being given back to the system and asked for again.

A pass through a network makes and frees hundreds of tensors of some hundred kilobytes to some megabytes. The C library
(glibc) returns such pieces to the system at once, and the system hands them out anew page by page, each cleared: up to
a third of a small network's evaluation. What is computed does not change; the peak of memory grew by 1 % where it was
measured.
"""

import ctypes
import os
import sys

_TRIM, _MAPPED = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of <malloc.h>
KEPT = 2**31 - 1
"""Free bytes at the heap's end above which they are given back: as many as mallopt can be told."""
MAPPED = (2**28, 2**25)
"""Bytes from which a piece is asked for from the system by itself; older libraries allow the second at most."""
OWN = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")
"""Variables by which a user sets this for himself."""


def keep_freed() -> bool:
    """Keep freed memory in this process from now on; whether that was done.

    It is not where the user has set the C library's variables, and where the library is another one.
    """
    if not sys.platform.startswith("linux") or any(name in os.environ for name in OWN):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return any(mallopt(_MAPPED, size) for size in MAPPED) and bool(mallopt(_TRIM, KEPT))
