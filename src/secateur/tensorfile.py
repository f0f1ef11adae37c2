"""safetensors files that know what was written: the header holds a checksum of every tensor, read with it and compared.

safetensors by itself notices a file that is cut short, but not a changed bit. The checksum (CRC-32, several GB/s) finds
damage; it is no protection against intent. It stands in the header's metadata, so that other programs read the file as
any other. Imports no PyTorch unless it is given or asked for tensors of PyTorch.
"""

import json
import os
import re
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from secateur.errors import SecateurError
from secateur.files import replacing

KEY = "secateur"
"""Of the header's metadata. One key, since safetensors writes several in a random order."""


def write(path: str | Path, tensors: Mapping[str, Any], about: Any = None, durable: bool = True) -> None:
    """Write tensors of PyTorch, name → tensor on any device, to `path`, whole or not at all.

    Args:
        path: the file.
        tensors: what is stored.
        about: anything that JSON can hold, to be stored and checked with them.
        durable: as of `files.replacing`.

    Raises:
        OSError: the file cannot be written (a full disk, say).
    """
    from safetensors.torch import save_file

    stored = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    content = {"about": about, "checksums": {name: _checksum(name, tensor) for name, tensor in stored.items()}}
    with replacing(path, durable) as temporary:
        try:
            save_file(stored, temporary, metadata={KEY: json.dumps(content | {"seal": _seal(content)}, sort_keys=True)})
        except SafetensorError as error:
            code = re.search(r"os error (\d+)", str(error))
            raise OSError(int(code[1]), os.strerror(int(code[1])), str(path)) if code else error from None


def read(
    path: str | Path,
    kind: str,
    wanted: Callable[[str], bool] = lambda _: True,
    *,
    framework: str = "pt",
    foreign: bool = False,
) -> tuple[dict[str, Any], Any]:
    """The tensors of `path` that are wanted, in the order of names, and what was stored about them.

    Args:
        path: the file.
        kind: what it should be, for messages: "score file".
        wanted: which tensors to read, by name; the others are neither read nor checked.
        framework: "pt" for tensors of PyTorch, "np" for NumPy arrays.
        foreign: accept a file that another program wrote, without checksums.

    Raises:
        SecateurError: no such file, cut short, damaged, or not written by `write`.
    """
    try:
        with safe_open(path, framework=framework) as opened:
            content = _content(opened.metadata(), path, foreign)
            names = sorted(opened.keys())
            if content is not None and names != sorted(content["checksums"]):
                raise SecateurError(f"{path}: damaged, its header names other tensors than were written. {_ADVICE}")
            tensors = {name: opened.get_tensor(name) for name in names if wanted(name)}
    except (SafetensorError, OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise SecateurError(f"{path}: not a readable {kind} ({_first_line(error)}). {_ADVICE}") from None
    if content is None:
        return tensors, None
    for name, tensor in tensors.items():
        if _checksum(name, tensor) != content["checksums"][name]:
            raise SecateurError(f"{path}: damaged, tensor '{name}' is not what was written. {_ADVICE}")
    return tensors, content["about"]


_ADVICE = "Remove it and run again."


def _content(metadata: Any, path: str | Path, foreign: bool) -> Any:
    """What `write` put into the header, checked; None for another program's file, where that is allowed."""
    if foreign and KEY not in (metadata or {}):
        return None
    if KEY not in (metadata or {}):
        raise ValueError("it holds no checksums, so it was not written by this version of Secateur")
    content = json.loads(metadata[KEY])
    if content.pop("seal") != _seal(content):
        raise SecateurError(f"{path}: damaged, its header is not what was written. {_ADVICE}")
    return content


def _seal(content: Any) -> int:
    return zlib.crc32(json.dumps(content, sort_keys=True).encode())


def _checksum(name: str, tensor: Any) -> int:
    """CRC-32 of a tensor's name, type, shape and bytes: the same for PyTorch and NumPy."""
    kind = str(tensor.dtype).removeprefix("torch.")
    start = zlib.crc32(f"{name} {kind} {tuple(tensor.shape)}".encode())
    if hasattr(tensor, "detach"):
        import torch

        tensor = tensor.contiguous().reshape(-1).view(torch.uint8).numpy()
    return zlib.crc32(tensor.tobytes() if tensor.dtype != "uint8" else memoryview(tensor).cast("B"), start)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
