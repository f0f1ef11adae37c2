"""Running code of others: what it raises, and its tries to end the process, become one error that names it.

A criterion that calls `sys.exit(0)` would else end a job as if all had gone well, with nothing written.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from secateur.errors import SecateurError

LONGEST = 500
"""Characters of what an error of theirs says."""


class _Left(BaseException):
    """Stands for `os._exit`: no `except Exception` of theirs holds it up."""


@contextmanager
def contained(what: str) -> Iterator[None]:
    """Inside, code of others runs; whatever ends it other than Ctrl-C is a SecateurError that begins with `what`.

    `os._exit` raises inside (in this process; a child that they fork leaves by it as ever). What ends the process
    without Python's help, as a crash of theirs in C does, is seen by who started it: see cli/supervision.py.
    """
    here, leave = os.getpid(), os._exit

    def refuse(status: int) -> NoReturn:
        if os.getpid() != here:
            leave(status)
        raise _Left(f"os._exit({status})")

    os._exit = refuse  # type: ignore[assignment]
    try:
        yield
    except KeyboardInterrupt:
        raise
    except SecateurError as error:
        raise SecateurError(f"{what}: {error}") from error
    except (SystemExit, _Left) as error:
        tried = f"sys.exit({error.code!r})" if isinstance(error, SystemExit) else str(error)
        raise SecateurError(
            f"{what} tried to end the process by {tried[:LONGEST]}. A criterion returns its scores, or raises an error."
        ) from None
    except BaseException as error:
        raise SecateurError(f"{what} raised {type(error).__name__}: {_words(error)}") from error
    finally:
        os._exit = leave  # type: ignore[assignment]


def _words(error: BaseException) -> str:
    """What an error says, in one line; nothing where it cannot even say that."""
    try:
        return " ".join(str(error).split())[:LONGEST]
    except Exception:
        return ""
