"""The list of a published run's files with their hashes: is every file there, none added, and each as it was published?

The list also names what is large. A repository keeps that elsewhere (with DVC, say), so a clone may be without it.
Whoever exchanges a file can write the list anew, so the list alone shows damage and mix-ups, not intent: the tables,
statistics and hashes that must fit each other are looked at in `consistency.py` and `origins.py`.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from secateur.errors import SecateurError
from secateur.files import read_json, write_json
from secateur.review.finding import UNCHECKED, Finding, refused

NAME = "manifest.json"
FILES, LARGE = "files", "large"
POINTER = ".dvc"
"""Ending of the files by which DVC knows what is kept elsewhere."""


def write(folder: Path, large: Sequence[str] = ()) -> None:
    """Write the list of all files in `folder` to `folder`/manifest.json: path → SHA-256.

    `large`: files and folders in `folder` that a repository may keep elsewhere.
    """
    hashed = {name: sha256(folder / name) for name in listed(folder)}
    write_json(folder / NAME, {FILES: hashed, LARGE: sorted(large)})


def listed(folder: Path) -> list[str]:
    """Paths of all files in `folder` but the list itself, DVC's pointers and hidden files, sorted."""
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file() and path.suffix != POINTER)
    return sorted(
        path.as_posix() for path in files if path.as_posix() != NAME and not any(p.startswith(".") for p in path.parts)
    )


def large(folder: Path) -> list[str]:
    """Files and folders in `folder` that may be kept elsewhere; none where there is no list."""
    if not (folder / NAME).exists():
        return []
    written = read_json(folder / NAME)
    return list(written.get(LARGE, [])) if isinstance(written, dict) else []


def elsewhere(folder: Path) -> set[str]:
    """Listed files that are large and not here."""
    if not (named := large(folder)):
        return set()
    within = tuple(f"{name}/" for name in named)
    return {
        name for name in read(folder) if (name in named or name.startswith(within)) and not (folder / name).exists()
    }


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
    written = read_json(path)
    files = written.get(FILES) if isinstance(written, dict) else None
    if not isinstance(files, dict) or not all(isinstance(value, str) for value in files.values()):
        raise SecateurError(f"{path}: no list of files with their hashes. Publish the run again.")
    return files


def check(folder: Path) -> list[Finding]:
    """Hold the files of `folder` against its list."""
    said, there, away = read(folder), listed(folder), elsewhere(folder)
    problems = [f"{name}: listed in {NAME} and not there" for name in said if name not in there and name not in away]
    problems += [f"{name}: there and not listed in {NAME}" for name in there if name not in said]
    problems += [
        f"{name}: not the file that was published (its SHA-256 is another)"
        for name in there
        if name in said and sha256(folder / name) != said[name]
    ]
    findings = refused("files", problems, f"{len(there)} files, each with the hash of the list")
    if away:
        parts = sorted({next(part for part in large(folder) if f"{name}/".startswith(f"{part}/")) for name in away})
        told = f"not here, as they are large: {len(away)} files of {', '.join(parts)} (`dvc pull --recursive {folder}`)"
        findings.append(Finding("files", UNCHECKED, told))
    return findings


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, as hexadecimal digits."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
