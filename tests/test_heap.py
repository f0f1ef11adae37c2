"""Freed memory is kept: counted in pages that the system hands out, in processes of their own."""

import ctypes
import os
import subprocess
import sys

import pytest

from secateur import heap

WORK = """
import ctypes, resource, sys
from secateur import heap
done = heap.keep_freed() if sys.argv[1] == "kept" else None
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
def work():
    for _ in range(5):
        pieces = [ctypes.c_void_p(libc.malloc(2**20)) for _ in range(20)]
        for piece in pieces:
            libc.memset(piece, 1, 2**20)
        for piece in pieces:
            libc.free(piece)
work()  # from the first pieces that are freed glibc learns to keep single ones
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(done, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
GLIBC = sys.platform.startswith("linux") and hasattr(ctypes.CDLL(None), "mallopt")


def pages(how, **variables):
    environment = {name: value for name, value in os.environ.items() if name not in heap.OWN}
    command = [sys.executable, "-c", WORK, how]
    done = subprocess.run(command, env=environment | variables, capture_output=True, text=True, check=True)
    said, count = done.stdout.split()
    return said, int(count)


@pytest.mark.skipif(not GLIBC, reason="mallopt is glibc's")
def test_what_is_freed_is_not_asked_for_again():
    said, kept = pages("kept")
    assert said == "True" and kept < 100
    assert pages("as it is")[1] > 100 * max(kept, 1)


def test_what_the_user_has_set_stands():
    assert pages("kept", MALLOC_MMAP_THRESHOLD_="4096")[0] == "False"
