"""The list of a published run's files with their hashes: is every file there, none added, and each as it was published?

Whoever exchanges a file can write the list anew, so the list alone shows damage and mix-ups, not intent: the tables,
statistics and hashes that must fit each other are looked at in `consistency.py` and `origins.py`.
"""

import hashlib
from pathlib import Path

from secateur.errors import SecateurError
from secateur.files import read_json, write_json
from secateur.review.finding import Finding, refused

NAME = "manifest.json"
FILES = "files"


def write(folder: Path) -> None:
    """Write the list of all files in `folder` to `folder`/manifest.json: path → SHA-256."""
    write_json(folder / NAME, {FILES: {name: sha256(folder / name) for name in listed(folder)}})


def listed(folder: Path) -> list[str]:
    """Paths of all files in `folder` but the list itself and hidden ones (a marker of DVC's or an editor's), sorted."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(
        path.as_posix() for path in found if path.as_posix() != NAME and not any(p.startswith(".") for p in path.parts)
    )


def read(folder: Path) -> dict[str, str]:
    """Path → SHA-256, as `write` has written it.

    Raises:
        SecateurError: there is no list, or it is not one.
    """
    path = folder / NAME
    if not path.exists():
        raise SecateurError(
            f"{folder}: no published run: {NAME} is not there. Name a folder that `make publish` or `secateur publish` "
            "made; one of an earlier version is published again."
        )
    found = read_json(path)
    files = found.get(FILES) if isinstance(found, dict) else None
    if not isinstance(files, dict) or not all(isinstance(value, str) for value in files.values()):
        raise SecateurError(f"{path}: no list of files with their hashes. Publish the run again.")
    return files


def check(folder: Path) -> list[Finding]:
    """Hold the files of `folder` against its list."""
    said, there = read(folder), listed(folder)
    problems = [f"{name}: listed in {NAME} and not there" for name in said if name not in there]
    problems += [f"{name}: there and not listed in {NAME}" for name in there if name not in said]
    problems += [
        f"{name}: not the file that was published (its SHA-256 is another)"
        for name in there
        if name in said and sha256(folder / name) != said[name]
    ]
    return refused("files", problems, f"{len(there)} files, each with the hash of the list")


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, as hexadecimal digits."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
