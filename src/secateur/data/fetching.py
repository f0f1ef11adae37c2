"""Getting a dataset's files: from a local mirror folder first, else from the source; resumed, retried, checked.

A file counts only under its final name, and gets that name only after its hash was found right. What is half fetched
lies in a folder of its own, from which the next try goes on.
"""

import hashlib
import os
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from secateur.data.extraction import full_disk_told, is_html
from secateur.errors import SecateurError
from secateur.files import expanded
from secateur.progress import Meter

MIRROR = "SECATEUR_MIRROR"
TRIES = 6
SECONDS_BEFORE_RETRY = 1.0  # doubled after each try
TIMEOUT = (15.0, 60.0)  # to connect, and between two pieces of the answer, in seconds
PIECE = 1 << 16  # little is lost when a transfer breaks off
HASHES = ("sha256", "md5")
"""Kinds of hash that an entry may give, the stronger first. MD5 where the source or torchvision knows no other."""


class _Broken(Exception):
    """A transfer that may go well the next time."""


def fetch(dataset: str, entry: Mapping[str, Any], folder: Path, mirror: str | None = None) -> list[str]:
    """Get all files of a dataset's entry into `folder`, which appears whole or not at all.

    Args:
        dataset: its name; in the mirror a file may lie in a folder of that name.
        entry: `files`, a list of `name`, `url` (None: only in a mirror), and `sha256` or `md5`; `how` says in words how
            to get what cannot be fetched.
        folder: written; half a file is kept in the folder .partial beside it.
        mirror: folder to look into first.

    Returns:
        One line a file: where it came from and its sha256.

    Raises:
        SecateurError: a file that is nowhere, a wrong hash, a web page instead of a file, a source that does not answer
            or a full disk.
    """
    partial = folder.parent / ".partial" / dataset
    making = folder.with_name(f".{folder.name}.making")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    lines = []
    try:
        for item in entry["files"]:
            target = making / item["name"]
            mirrored = _in_mirror(dataset, item["name"], mirror)
            if mirrored is not None:
                with full_disk_told(making, f"copying {mirrored}"):
                    _link_or_copy(mirrored, target)
                lines.append(_checked(target, item, f"the mirror's {mirrored}"))
            elif item.get("url"):
                path = _download(item, partial)
                lines.append(_checked(path, item, item["url"], remove=True))
                path.replace(target)
            else:
                raise SecateurError(_nowhere(dataset, entry, item["name"], mirror))
        shutil.rmtree(folder, ignore_errors=True)
        making.rename(folder)
        shutil.rmtree(partial, ignore_errors=True)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return lines


def _in_mirror(dataset: str, name: str, mirror: str | None) -> Path | None:
    if not mirror:
        return None
    folder = expanded(mirror, "mirror")
    if not folder.is_dir():
        raise SecateurError(f"mirror: there is no folder {folder}; correct it in the config or in {MIRROR}.")
    return next((path for path in (folder / name, folder / dataset / name) if path.is_file()), None)


def _nowhere(dataset: str, entry: Mapping[str, Any], name: str, mirror: str | None) -> str:
    looked = f"{mirror} and {mirror}/{dataset} have none" if mirror else "no mirror is set"
    how = " ".join([*str(entry.get("how", "")).split(), ""])
    return (
        f"dataset '{dataset}': {name} cannot be fetched and must be placed by you; {looked}. {how}"
        f"Put {', '.join(item['name'] for item in entry['files'])} into one folder, and name that folder as mirror: in "
        f"the config or in the environment as {MIRROR}."
    )


def _link_or_copy(source: Path, target: Path) -> None:
    """A hard link where the file system allows it: the archive may be larger than what is free."""
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)


def _checked(path: Path, item: Mapping[str, Any], where: str, remove: bool = False) -> str:
    """The line about a file whose hash is the entry's; another hash is an error."""
    kind = next((kind for kind in HASHES if item.get(kind)), None)
    sha256 = _hash(path, "sha256")
    if kind is None:
        return (
            f"{item['name']} from {where}: sha256 {sha256}. The entry gives no hash, as none is known from a source to "
            "trust: write this one into the entry to be told of every change from now on."
        )
    digest = sha256 if kind == "sha256" else _hash(path, kind)
    if digest != item[kind]:
        if remove:
            path.unlink()
        raise SecateurError(
            f"{item['name']}: {where} has the {kind} {digest}, but the dataset's entry says {item[kind]}. These are "
            "not the bytes that the results are about; the file is not used. If the source has changed for good, "
            "correct the entry."
        )
    return f"{item['name']} from {where}: {kind} as the entry says (sha256 {sha256})"


def _hash(path: Path, kind: str) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, lambda: hashlib.new(kind, usedforsecurity=False)).hexdigest()


def _download(item: Mapping[str, Any], partial: Path) -> Path:
    """The file at the item's URL, whole, in `partial`; goes on where an earlier try broke off."""
    import requests

    partial.mkdir(parents=True, exist_ok=True)
    path = partial / item["name"]
    problem: Exception | None = None
    for number in range(TRIES):
        if number:
            pause = SECONDS_BEFORE_RETRY * 2 ** (number - 1)
            print(f"{item['name']}: {problem}; again in {pause:g} s", file=sys.stderr, flush=True)
            time.sleep(pause)
        try:
            with full_disk_told(partial, f"downloading {item['url']}"):
                _transfer(item, path)
            return path
        except (_Broken, requests.RequestException) as error:
            problem = error
    kept = f"{path.stat().st_size / 1e6:.0f} MB are kept and the next run goes on from there" if path.exists() else ""
    raise SecateurError(
        f"{item['name']}: {item['url']} could not be fetched in {TRIES} tries ({problem}). {kept or 'Nothing came'}. "
        f"Without network, put the file into a folder and name it as mirror: in the config or as {MIRROR}."
    )


def _transfer(item: Mapping[str, Any], path: Path) -> None:
    """One try: append what is missing to `path`."""
    import requests

    version = path.with_name(f"{path.name}.version")  # what the source calls these bytes: others are not appended
    have = path.stat().st_size if path.exists() and version.exists() else 0
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": version.read_text(encoding="utf-8")}
    with requests.get(item["url"], headers=headers, stream=True, timeout=TIMEOUT) as answer:
        if answer.status_code == 416 and answer.headers.get("Content-Range", "") == f"bytes */{have}":
            return  # nothing is missing: it broke off after the last byte
        if answer.status_code == 416:
            path.unlink()
            raise _Broken("the source has another size now")
        if answer.status_code in (408, 425, 429) or answer.status_code >= 500:
            raise _Broken(f"the source answers {answer.status_code}")
        if answer.status_code not in (200, 206):
            raise SecateurError(
                f"{item['name']}: {item['url']} answers {answer.status_code} {answer.reason}. If it has moved, correct "
                f"the url in the dataset's entry, or put the file into a folder named as mirror: or {MIRROR}."
            )
        resumed = answer.status_code == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        have = have if resumed else 0
        known = answer.headers.get("ETag") or answer.headers.get("Last-Modified")
        if known and not known.startswith("W/"):
            version.write_text(known, encoding="utf-8")
        else:
            version.unlink(missing_ok=True)
        length = answer.headers.get("Content-Length", "")
        missing = int(length) if length.isdigit() else None
        free = shutil.disk_usage(path.parent).free
        if missing is not None and missing > free:
            raise SecateurError(
                f"{item['name']}: {missing / 1e6:.0f} MB are to be fetched, but only {free / 1e6:.0f} MB are free in "
                f"{path.parent}. Make room and run again."
            )
        pieces = answer.iter_content(PIECE)
        meter = Meter(item["name"], None if missing is None else have + missing, have)
        with path.open("ab" if resumed else "wb") as written:
            for number, piece in enumerate(pieces):
                if number == 0 and not resumed and is_html(piece[:1024]):
                    written.close()
                    path.unlink()
                    raise SecateurError(
                        f"{item['name']}: {item['url']} gives an HTML page instead of the file. It asks for a login or "
                        f"has moved: fetch the file with a browser into a folder named as mirror: or {MIRROR}."
                    )
                written.write(piece)
                meter.add(len(piece))
        if missing is not None and meter.done < have + missing:
            raise _Broken(f"the transfer broke off after {meter.done} of {have + missing} bytes")
