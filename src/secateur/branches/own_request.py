"""What is asked for when a user's own network is pruned: refused in one line before anything is read or computed."""

import os
from pathlib import Path

from secateur.errors import SecateurError
from secateur.models.inputs import LARGEST_SIDE, SMALLEST_SIDE
from secateur.pruning.selection import BUDGETS
from secateur.pruning.units import SCOPES


def check_numbers(samples_per_class: int, rate: float, size: int | None, seed: int) -> None:
    """Raise a SecateurError that names the option, where a number makes no sense."""
    if samples_per_class < 1:
        raise SecateurError(f"samples_per_class: {samples_per_class} is too small; at least 1 image a class is needed.")
    if not 0 <= rate < 1:
        raise SecateurError(f"rate {rate!r}: allowed is a fraction of at least 0 and below 1.")
    if size is not None and not SMALLEST_SIDE <= size <= LARGEST_SIDE:
        raise SecateurError(
            f"size: {size} pixels are no side of an input; allowed are {SMALLEST_SIDE} to {LARGEST_SIDE}."
        )
    if seed < 0:
        raise SecateurError(f"seed: {seed} is negative; allowed are whole numbers from 0.")


def check_words(budget: str, scope: str) -> None:
    """Raise a SecateurError that names the option and what is allowed, where a word is unknown."""
    for name, given, allowed in (("budget", budget, BUDGETS), ("scope", scope, SCOPES)):
        if given not in allowed:
            raise SecateurError(f"{name} {given!r}: allowed are {', '.join(allowed)}.")


def check_output(folder: Path, overwrite: bool) -> None:
    """Raise a SecateurError where `folder` holds anything that is not to be overwritten, or cannot be written."""
    if folder.is_dir():
        if any(folder.iterdir()) and not overwrite:
            raise SecateurError(
                f"{folder}: is not empty. Name another folder, or allow to write over it (--overwrite)."
            )
    elif folder.exists() or folder.is_symlink():
        raise SecateurError(f"{folder}: is a file. Name a folder for the pruned network and its summary.")
    place = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not place.is_dir():
        raise SecateurError(f"{folder}: cannot be made, as {place} is a file.")
    if not os.access(place, os.W_OK | os.X_OK):
        raise SecateurError(f"{folder}: cannot be written, as {place} does not allow it. Name another folder.")
