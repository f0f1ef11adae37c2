"""What the bytes of a dataset must be: the hashes in data.dvc, checked without a DVC remote or cache."""

import hashlib
import json
from pathlib import Path

import yaml

from secateur.errors import SecateurError
from secateur.files import md5


def folder_hash(folder: str | Path) -> str:
    """DVC's hash of a folder: MD5 over the JSON list of its files' hashes and relative paths, with ".dir" behind."""
    folder = Path(folder)
    files = sorted(
        (
            {"md5": md5(path), "relpath": path.relative_to(folder).as_posix()}
            for path in folder.rglob("*")
            if path.is_file()
        ),
        key=lambda item: item["relpath"],
    )
    text = json.dumps(files, sort_keys=True)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() + ".dir"


def pinned_hashes(data_dvc: str | Path) -> dict[str, str]:
    """Dataset name → pinned folder hash, from the outs of a .dvc file; {} where there is no such file."""
    path = Path(data_dvc)
    if not path.exists():
        return {}
    try:
        outs = yaml.safe_load(path.read_text(encoding="utf-8"))["outs"]
        return {Path(out["path"]).name: out["md5"] for out in outs if "md5" in out}
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise SecateurError(f"{path}: not a .dvc file with outs ({error}). Restore it with `git checkout`.") from None


def check(name: str, folder: str | Path, data_dvc: str | Path) -> str:
    """Hash of `folder`, which must be the one that `data_dvc` pins for dataset `name` where it pins one.

    Raises:
        SecateurError: the hashes differ; names both.
    """
    found = folder_hash(folder)
    pinned = pinned_hashes(data_dvc).get(name)
    if pinned is not None and pinned != found:
        raise SecateurError(
            f"dataset '{name}': its files have the hash {found}, but {data_dvc} pins {pinned}. "
            "The data are not those that the results are about. If the change is meant, pin it with "
            f"`dvc commit -f {data_dvc}` and commit that file."
        )
    return found
