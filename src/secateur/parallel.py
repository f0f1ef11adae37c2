"""Independent pieces of one job on several cores: each in a process that is forked from the job's."""

import multiprocessing
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")

_pieces: Sequence[Callable[[], Any]] = ()


def results(pieces: Sequence[Callable[[], T]], jobs: int = 1) -> Iterator[T]:
    """What each of `pieces` returns, in their order.

    Args:
        pieces: functions without arguments; where several run at once, what they change is not seen here, and what they
            return must be something that can be pickled.
        jobs: how many run at once. One, or a system that cannot fork safely (all but Linux): here, one after the other.

    Raises the first error of a piece.
    """
    global _pieces
    if jobs <= 1 or len(pieces) <= 1 or sys.platform != "linux":
        yield from (piece() for piece in pieces)
        return
    _pieces = pieces  # forked processes have them; functions made on the spot cannot be sent to them
    with ProcessPoolExecutor(min(jobs, len(pieces)), multiprocessing.get_context("fork")) as pool:
        running = [pool.submit(_run, number) for number in range(len(pieces))]
        try:
            for one in running:
                yield one.result()
        finally:
            for one in running:
                one.cancel()
            _pieces = ()


def _run(number: int) -> Any:
    return _pieces[number]()
