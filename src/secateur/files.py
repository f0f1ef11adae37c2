"""Files that are whole or absent: written under a temporary name and renamed, and read with one clear error."""

import contextlib
import glob
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from secateur.errors import SecateurError


@contextlib.contextmanager
def replacing(path: str | Path, durable: bool = True) -> Iterator[Path]:
    """Yield a temporary path in `path`'s folder; on success it replaces `path`, on any error it is removed.

    What a killed process left of an earlier attempt is removed first. Without `durable` a crash of the machine may
    leave a damaged file: for what carries checksums and can be made again.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f".{glob.escape(path.name)}.????????{glob.escape(path.suffix)}"):
        left.unlink(missing_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        if durable:
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
        temporary.replace(path)
    except OSError as error:
        if error.errno is not None and error.filename is None:  # a library did not say which file it was
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def filling(folder: str | Path) -> Iterator[Path]:
    """Yield an empty temporary folder; on success what is in it goes to `folder`, on any error it is removed.

    Where there is no `folder`, it appears whole or not at all. Where there is one, its files of the same names are
    replaced and others stay.
    """
    folder = Path(folder).resolve()
    there = folder.is_dir()
    temporary = folder / ".making" if there else folder.with_name(f".{folder.name}.making")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        if there:
            for made in sorted(temporary.iterdir()):
                made.replace(folder / made.name)
        else:
            temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def expanded(path: str | Path, what: str) -> Path:
    """`path` with a home folder in place of ~; one that is not known is a SecateurError that begins with `what`."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise SecateurError(f"{what}: there is no home folder for {path}. Write the whole path.") from None


def write_text(path: str | Path, text: str) -> None:
    """Write `text` to `path`, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as indented JSON with sorted keys, whole or not at all."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True) + "\n")


def read_json(path: str | Path) -> Any:
    """Read a JSON file; a missing or broken one is a SecateurError that names it."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise SecateurError(f"{path}: not a readable JSON file ({error}). Remove it and run again.") from None


def md5(path: str | Path) -> str:
    """MD5 of a file's bytes (DVC's choice of hash: it names content, it is no protection)."""
    with Path(path).open("rb") as opened:
        return hashlib.file_digest(opened, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
