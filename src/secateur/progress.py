"""Progress of long work: a bar with the time left on a terminal, a line every ten seconds in a log."""

import importlib.util
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")
SECONDS_BETWEEN_LINES = 10.0


def track(items: Iterable[Item], total: int | None, what: str) -> Iterator[Item]:
    """Yield `items`, showing how many of `total` are done and when the rest will be: in a notebook, else on stderr.

    `total` may be unknown (None).
    """
    if "ipykernel" in sys.modules and importlib.util.find_spec("tqdm"):
        from tqdm.auto import tqdm

        yield from tqdm(items, desc=what, total=total, leave=False)
        return
    if sys.stderr.isatty() and importlib.util.find_spec("rich"):
        from rich.console import Console
        from rich.progress import track as bar

        yield from bar(items, description=what, total=total, console=Console(stderr=True))
        return
    began = said = time.monotonic()
    for done, item in enumerate(items):
        now = time.monotonic()
        if done and now - said >= SECONDS_BETWEEN_LINES:
            said = now
            left = "" if total is None else f" of {total}, about {(now - began) / done * (total - done):.0f} s left"
            print(f"{what}: {done}{left}", file=sys.stderr, flush=True)
        yield item


class Meter:
    """Progress in bytes: a line every ten seconds on standard error, with the time left where the total is known."""

    def __init__(self, what: str, total: int | None, done: int = 0) -> None:
        self.done = done
        self._what, self._total, self._start = what, total, done
        self._began = self._said = time.monotonic()

    def add(self, count: int) -> None:
        """Tell that `count` bytes more are there."""
        self.done += count
        now = time.monotonic()
        if now - self._said < SECONDS_BETWEEN_LINES:
            return
        self._said = now
        line = f"{self._what}: {self.done / 1e6:.0f} MB"
        if self._total is not None:
            left = (now - self._began) / (self.done - self._start) * (self._total - self.done)
            line += f" of {self._total / 1e6:.0f} MB, about {left:.0f} s left"
        print(line, file=sys.stderr, flush=True)
