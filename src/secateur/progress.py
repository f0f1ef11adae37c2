"""Progress of long work: a bar with the time left on a terminal, a line every ten seconds in a log."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")
SECONDS_BETWEEN_LINES = 10.0


def track(items: Iterable[Item], total: int, what: str) -> Iterator[Item]:
    """Yield `items`, showing on standard error how many of `total` are done and when the rest will be."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import track as bar

        yield from bar(items, description=what, total=total, console=Console(stderr=True))
        return
    began = said = time.monotonic()
    for done, item in enumerate(items):
        now = time.monotonic()
        if done and now - said >= SECONDS_BETWEEN_LINES:
            said = now
            left = (now - began) / done * (total - done)
            print(f"{what}: {done} of {total}, about {left:.0f} s left", file=sys.stderr, flush=True)
        yield item
