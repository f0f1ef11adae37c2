"""Unpacking archives from elsewhere: nothing leaves the folder, no links, bounded size, one clear error."""

import bz2
import errno
import gzip
import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from secateur.errors import SecateurError

LARGEST_RATIO = 50
"""Extracted bytes for each byte of the archive: images hardly shrink when they are packed."""
SMALLEST_BOUND = 1 << 30
"""Extracted bytes that are allowed in any case."""
MOST_FILES = 5_000_000
LARGEST_HEADER = 1 << 20
"""Bytes of what stands before a member of a tar and is read at once: long names, times, attributes."""
HEADERS = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
HTML = (b"<!doctype html", b"<html")
BROKEN = (
    *(tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, EOFError, zlib.error, lzma.LZMAError),
    *(NotImplementedError, RuntimeError),
)
"""What tarfile and zipfile raise for archives that are cut, damaged, encrypted or of an unknown method."""


def is_html(start: bytes) -> bool:
    """Whether a file that begins with these bytes is a web page."""
    return start.lstrip().lower().startswith(HTML)


def extract(archive: Path, folder: Path, nested: bool = False) -> None:
    """Extract a tar (plain, gz, bz2, xz) or zip archive into `folder`.

    Args:
        archive: the file; its bytes say what it is, not its name.
        folder: is made; what it holds after an error is not to be used.
        nested: tars inside the tar are extracted too, each into a folder of its name (without .tar).

    Raises:
        SecateurError: no archive, a web page, a truncated or damaged one, a member whose path leaves the folder, a link
            or a device, too many bytes or files, a full disk.
    """
    try:
        with archive.open("rb") as opened:
            start = opened.read(1024)
        bounds = _Bounds(archive, max(SMALLEST_BOUND, LARGEST_RATIO * archive.stat().st_size))
        folder.mkdir(parents=True, exist_ok=True)
        with full_disk_told(folder, f"extracting {archive}"):
            if is_html(start):
                raise SecateurError(
                    f"{archive}: an HTML page, not an archive. The source asks for a login or has moved; fetch the "
                    "archive with a browser and put it into the mirror folder."
                )
            if zipfile.is_zipfile(archive):
                _extract_zip(archive, folder, bounds)
            else:
                with _decompressed(archive, start) as opened:
                    _extract_tar(opened, folder, bounds, nested)
                    while rest := opened.read(1 << 20):  # to its end, where a cut is noticed
                        bounds.admit(len(rest))
    except BROKEN as error:
        raise SecateurError(
            f"{archive}: truncated or damaged, or no tar or zip archive ({error}). Remove it, also from the mirror, "
            "and fetch it again."
        ) from None


@contextmanager
def full_disk_told(folder: Path, doing: str) -> Iterator[None]:
    """Turn the system's "no space left" into an error that says where and how much is free."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        free = shutil.disk_usage(folder).free / 1e6
        raise SecateurError(
            f"the disk is full while {doing}: {free:.0f} MB are free in {folder}. Make room and run again; what was "
            "downloaded so far is kept."
        ) from None


@dataclass
class _Bounds:
    """Counts what an archive gives, and stops one that gives too much."""

    archive: Path
    largest: int
    total: int = 0
    files: int = 0
    common: int = 0
    """Bytes of headers that hold for all members that follow."""

    def admit_header(self, header: tarfile.TarInfo) -> None:
        self.common += header.size if header.type == tarfile.XGLTYPE else 0
        if max(header.size, self.common) > LARGEST_HEADER:
            raise SecateurError(
                f"{self.archive}: has a header of {max(header.size, self.common) / 1e6:.0f} MB, for names and "
                "attributes, which no set of images needs. It is not used."
            )

    def admit(self, size: int) -> None:
        self.total += size
        self.files += 1
        if self.total > self.largest or self.files > MOST_FILES:
            raise SecateurError(
                f"{self.archive}: would extract to more than {self.largest / 1e9:.0f} GB or {MOST_FILES} files, which "
                "no set of images of its size does. It is not used."
            )


def _decompressed(archive: Path, start: bytes) -> IO[bytes]:
    """The archive's bytes behind the compression that its first bytes tell."""
    for magic, opener in ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ\x00", lzma.open)):
        if start.startswith(magic):
            return cast("IO[bytes]", opener(archive, "rb"))
    return archive.open("rb")


def _extract_tar(stream: IO[bytes], folder: Path, bounds: _Bounds, nested: bool) -> None:
    class Header(tarfile.TarInfo):
        """Refuses headers that take memory before anyone sees them: they are read whole, and kept."""

        @classmethod
        def frombuf(cls, *given: Any, **named: Any) -> "Header":
            header = super().frombuf(*given, **named)
            if header.type in HEADERS:
                bounds.admit_header(header)
            return header

    with tarfile.open(fileobj=stream, mode="r|", tarinfo=Header) as opened:
        for member in opened:
            opened.members.clear()  # type: ignore[attr-defined]  # it keeps all that it has read, which nobody asks for again
            target = _inside(bounds.archive, folder, member.name)
            if member.isdir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            content = opened.extractfile(member) if member.isreg() else None
            if content is None:
                raise SecateurError(f"{bounds.archive}: '{member.name}' is a link or a device; such are not extracted.")
            if nested and member.name.endswith(".tar"):
                _extract_tar(content, target.with_suffix(""), bounds, nested=False)
                continue
            bounds.admit(member.size)
            _write(content, target)


def _extract_zip(archive: Path, folder: Path, bounds: _Bounds) -> None:
    with zipfile.ZipFile(archive) as opened:
        for member in opened.infolist():
            target = _inside(archive, folder, member.filename)
            if stat.S_ISLNK(member.external_attr >> 16):
                raise SecateurError(f"{archive}: '{member.filename}' is a link or a device; such are not extracted.")
            if member.is_dir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            bounds.admit(member.file_size)  # zipfile reads no more than the size it states
            with opened.open(member) as content:
                _write(content, target)


def _write(content: IO[bytes], target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as opened:
        shutil.copyfileobj(content, opened, 1 << 20)


def _inside(archive: Path, folder: Path, name: str) -> Path:
    """Where a member goes; refused where that is not below `folder`."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in (path.parts[0] if path.parts else ""):
        raise SecateurError(f"{archive}: '{name}' would leave the folder that it is extracted to; it is not used.")
    return folder / path
