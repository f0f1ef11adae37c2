"""What the bytes of a dataset must be: the hashes in data.dvc and data.<run>.dvc, checked without a remote or a cache.

The format is DVC's own, so `dvc` reads these files too; here only the hashes are computed and compared.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from secateur.data import checksums
from secateur.errors import SecateurError
from secateur.files import md5, write_text

IGNORED = (".snakemake_timestamp", checksums.NAME)
"""Files that the workflow leaves in a folder it made; DVC is told to ignore them too, in .dvcignore."""


@dataclass(frozen=True)
class Pin:
    """The hash that a dataset's folder must have, and the .dvc file that says so."""

    hash: str
    file: Path


@dataclass(frozen=True)
class Verified:
    """One dataset held against its pin: `state` is "as pinned", "differs", "not there" or "not pinned"."""

    name: str
    state: str
    found: str
    pin: Pin | None


def folder_hash(folder: str | Path) -> str:
    """DVC's hash of a folder: MD5 over the JSON list of its files' hashes and relative paths, with ".dir" behind.

    Files named in `IGNORED` do not count.
    """
    folder = Path(folder)
    files = sorted(
        ({"md5": md5(path), "relpath": path.relative_to(folder).as_posix()} for path in _files(folder)),
        key=lambda item: item["relpath"],
    )
    text = json.dumps(files, sort_keys=True)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() + ".dir"


def pinned_hashes(dvc_file: str | Path) -> dict[str, str]:
    """Dataset name → pinned folder hash, from the outs of one .dvc file; {} where there is no such file."""
    path = Path(dvc_file)
    if not path.exists():
        return {}
    try:
        outs = yaml.safe_load(path.read_text(encoding="utf-8"))["outs"]
        return {Path(out["path"]).name: out["md5"] for out in outs if "md5" in out}
    except (yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise SecateurError(f"{path}: not a .dvc file with outs ({error}). Restore it with `git checkout`.") from None


def all_pins(data_dvc: str | Path) -> dict[str, Pin]:
    """Dataset name → its pin, from `data_dvc` and the files of other runs beside it (data.dvc, data.<run>.dvc).

    Raises:
        SecateurError: a file is not a .dvc file, or two files pin the same dataset (DVC refuses that too).
    """
    data_dvc = Path(data_dvc)
    pins: dict[str, Pin] = {}
    for path in [data_dvc, *sorted(data_dvc.parent.glob(f"{data_dvc.stem}.*.dvc"))]:
        for name, digest in pinned_hashes(path).items():
            if name in pins:
                raise SecateurError(
                    f"dataset '{name}' is pinned in {pins[name].file} and in {path}; remove it from one of them."
                )
            pins[name] = Pin(digest, path)
    return pins


def check(name: str, folder: str | Path, data_dvc: str | Path) -> str:
    """Hash of `folder`, which must be the one that is pinned for dataset `name` where there is one.

    Args:
        name: the dataset.
        folder: its files.
        data_dvc: the main .dvc file; those of other runs lie beside it (see `all_pins`).

    Raises:
        SecateurError: the hashes differ; names both.
    """
    digest = folder_hash(folder)
    pin = all_pins(data_dvc).get(name)
    if pin is not None and pin.hash != digest:
        raise SecateurError(
            f"dataset '{name}': its files have the hash {digest}, but {pin.file} pins {pin.hash}. "
            "The data are not those that the results are about. If the change is meant, pin it with "
            f"`dvc commit -f {pin.file}` and commit that file."
        )
    return digest


def verify(names: Iterable[str], data: str | Path, data_dvc: str | Path) -> list[Verified]:
    """Hold each dataset in the folder `data` against its pin; needs neither network, nor remote, nor DVC's cache."""
    pins = all_pins(data_dvc)
    results = []
    for name in names:
        folder, pin = Path(data, name), pins.get(name)
        digest = folder_hash(folder) if folder.is_dir() else ""
        if not digest:
            state = "not there"
        elif pin is None:
            state = "not pinned"
        else:
            state = "as pinned" if pin.hash == digest else "differs"
        results.append(Verified(name, state, digest, pin))
    return results


def pin_run(
    run: str,
    entries: dict[str, dict[str, Any]],
    data: str | Path,
    data_dvc: str | Path,
    renew: bool = False,
    config: str | Path = "",
) -> list[Verified]:
    """Pin what a run's datasets are now: those that no other file pins go to data.<run>.dvc, beside `data_dvc`.

    Args:
        run: name of the run.
        entries: its datasets, name → entry of config/datasets.yaml (whose `citation` and `licence` are noted).
        data: folder of all datasets.
        data_dvc: the main .dvc file.
        renew: replace a pin of this run that says something else, which is an error otherwise.
        config: the run's file, for advice; config/<run>.yaml where it is not said.

    Returns:
        What each dataset was before, as `verify` says it.

    Raises:
        SecateurError: a dataset is not there, or differs from its pin; nothing is written then.
    """
    data, data_dvc = Path(data), Path(data_dvc)
    own = data_dvc.with_name(f"{data_dvc.stem}.{run}.dvc")
    before = verify(entries, data, data_dvc)
    for result in before:
        if result.state == "not there":
            raise SecateurError(
                f"dataset '{result.name}': {data / result.name} is not there, so there is nothing to pin. "
                f"Make it first: snakemake {data / result.name} --cores all "
                f"--configfile {config or f'config/{run}.yaml'}"
            )
        if result.state == "differs" and result.pin and not (renew and result.pin.file == own):
            how = "--renew pins anew" if result.pin.file == own else f"`dvc commit -f {result.pin.file}` pins anew"
            raise SecateurError(
                f"dataset '{result.name}': its files have the hash {result.found}, but {result.pin.file} pins "
                f"{result.pin.hash}. If the change is meant, {how}; else remove {data / result.name} and make it again."
            )
    mine = [result for result in before if result.pin is None or result.pin.file == own]
    if mine:
        outs = [_out(result, entries[result.name], data, data_dvc.parent) for result in mine]
        text = yaml.safe_dump({"outs": outs}, sort_keys=False, allow_unicode=True, width=110)
        write_text(
            own, f"# What the bytes of the datasets of config/{run}.yaml are. Made by `secateur data pin`.\n{text}"
        )
    return before


def _out(result: Verified, entry: dict[str, Any], data: Path, root: Path) -> dict[str, Any]:
    files = _files(data / result.name)
    return {
        "path": (data / result.name).resolve().relative_to(root.resolve()).as_posix(),
        "desc": entry.get("citation", result.name),
        "meta": {"licence": entry.get("licence", "unknown")},
        "md5": result.found,
        "size": sum(path.stat().st_size for path in files),
        "nfiles": len(files),
        "hash": "md5",
    }


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.name not in IGNORED]
