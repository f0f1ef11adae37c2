"""All subcommands together, and how the command line ends: what was refused is one line, and an exit code."""

import errno
import os
import re
import sys
from typing import Any, NoReturn

import typer

from secateur import heap
from secateur.cli import (  # noqa: F401 (each registers its subcommands)
    datasets,
    experiments,
    handing_on,
    making,
    measuring,
    planning,
    publishing,
    rankings,
    reporting,
    reviewing,
    starting,
    supervision,
    tools,
    toy,
)
from secateur.cli.application import app
from secateur.errors import SecateurError
from secateur.processes import INTERRUPTED, STOPPED

# Here and not where `app` is made, which every stage depends on.
app.info.help = (
    "Which filters can this network lose? A benchmark of pruning criteria. "
    "The whole benchmark runs with `snakemake --cores all`; each stage can also be run by hand. "
    "Stages in order: data fetch, data make, data prepare, backbone, units, transfer, rank (or case and gather), "
    "redraw, unpruned, fewshot, repair, decompose, grid, retrain, retrain-unpruned, scratch, toy, cost, latency, "
    "collect, statistics, figures, report."
)

UsageError: type[Exception] = typer.BadParameter.__mro__[1]
"""What typer raises of a command line that it cannot take."""
_ROOM = "Make room and run again: nothing half-written is left under a final name."
ADVICE = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EFBIG: _ROOM,
    errno.EROFS: "Make the folder writable, or run in a copy of the repository that is.",
    errno.EACCES: "Give yourself the right to it, or run in a copy of the repository that is yours.",
    errno.EPERM: "Give yourself the right to it, or run in a copy of the repository that is yours.",
    errno.EIO: "The disk or the connection to it fails; see the system's log.",
}
"""What to do about the errors of the system that a run meets, by number."""
NO_MEMORY = ("out of memory", "can't allocate memory")
"""PyTorch's words, of a card and of the CPU."""
LESS = "Fewer jobs at a time, smaller batches or smaller images need less."


def main() -> None:
    """Run the command line; a SecateurError, or what the system refuses, is one line on standard error and exit 2.

    So is Ctrl-C, with exit 130 as shells have it.
    """
    try:
        _run()
    except SystemExit as ended:
        if ended.code == INTERRUPTED:  # by Ctrl-C, of which typer says nothing
            print(f"error: {STOPPED}", file=sys.stderr)
        supervision.over()
        raise
    supervision.over()


def _run() -> None:
    heap.keep_freed()
    code: Any = None
    try:
        code = app(prog_name="secateur", standalone_mode=False)
    except UsageError as error:
        _misused(error)
    except SecateurError as error:
        _end(str(error))
    except OSError as error:
        if isinstance(error, BrokenPipeError):  # who read the output has gone: there is nobody to tell
            sys.exit(1)
        _end(of_the_system(error))
    except MemoryError as error:
        _end(f"not enough memory ({error or 'none is left'}). {LESS}")
    except RuntimeError as error:
        if not any(words in str(error) for words in NO_MEMORY):
            raise
        _end(f"not enough memory ({' '.join(str(error).split())[:300]}). {LESS}")
    if isinstance(code, int):
        sys.exit(code)


def _misused(error: Any) -> NoReturn:
    """Options that there are not, or not so: one line as every other error, and where to read what there are."""
    command, said = error.ctx.command_path, " ".join(error.format_message().split())
    said = said or "give a subcommand"  # a group alone has printed its help
    _end(f"{command}: {said.rstrip('.')}. `{command} --help` says what it takes.")


def of_the_system(error: OSError) -> str:
    """What the operating system refused, in which file, and what to do about it, in a line."""
    stated = re.search(r"\berrno (\d+)", str(error)) if error.errno is None else None  # pyarrow tells it in its words
    number = int(stated[1]) if stated else error.errno
    if number is None and "requested and" in str(error):  # NumPy's words for a disk that took only a part
        number = errno.ENOSPC
    said = os.strerror(number) if number else " ".join(str(error).split())[:300]
    where = f"{str(error.filename)[:300]}: " if error.filename else ""
    return f"{where}{said}. {ADVICE.get(number or 0, 'What was written before is whole; put it right and run again.')}"


def _end(message: str) -> NoReturn:
    shown = "".join(letter if letter.isprintable() else " " for letter in message)  # what it cites may hold anything
    print(f"error: {shown}", file=sys.stderr)
    sys.exit(2)
