"""What jobs of one study tell each other, so that no network is measured or trained twice: a memory, never an input.

Two criteria that remove the same units of the same network leave the same network. What a job finds out about one it
writes down under a hash of all that it depends on, and another job reads it instead of finding it out again: the same
numbers, bit for bit, so that tables depend neither on who was first nor on whether anything was there to be read. Files
carry checksums; one that is damaged, cut short or another version's is as good as none. Each job writes files of its
own, so that jobs at the same time never write the same one.
"""

import hashlib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn

from secateur import loaded, tablefile, tensorfile
from secateur.errors import SecateurError
from secateur.models import devices

Row = dict[str, Any]
NETWORKS_BYTES = 2**30
"""Of the networks of one study and part; the oldest go first. One that is larger than a quarter of it is not kept."""


class Shared:
    """One job's view of the memory: rows of measurements, and networks after a round of training."""

    def __init__(self, folder: Path | None, writer: str, depends_on: str, device: torch.device) -> None:
        """
        Args:
            folder: of the study and its seeds, shared by their jobs; None remembers within this job alone.
            writer: what no other job of the folder is called.
            depends_on: hash of the config, the models, the data and the sources.
            device: where networks run; what runs elsewhere, or in another version of PyTorch, may round otherwise.
        """
        self.folder, self._writer = folder, writer
        self._base = f"{depends_on} {devices.of(device).name()} {torch.__version__}"
        self._rows: dict[str, Row] = {}
        self._own: dict[str, Row] = {}
        self._read: dict[str, int] = {}

    def row(self, what: Sequence[Any], compute: Callable[[], Row]) -> Row:
        """The row that `compute` gives, computed only if no job that is known has; `what` (JSON) tells rows apart."""
        key = self._key(what)
        if key not in self._rows:
            self._rows[key] = self._own[key] = compute()
        return dict(self._rows[key])

    def hear(self) -> None:
        """Read what other jobs have written since the last time."""
        for path in _whole(self.folder, "parquet") if self.folder else []:
            written = _written(path)
            if path.stem == self._writer or written is None or self._read.get(path.name) == written:
                continue
            self._read[path.name] = written
            try:
                table = tablefile.read(path)
            except SecateurError as error:
                _ignored(path, error)
                continue
            for row in table.to_dict("records"):
                measured = {str(name): value for name, value in row.items()}
                self._rows.setdefault(measured.pop("key", ""), measured)

    def tell(self) -> None:
        """Write this job's rows for the others; an error where not the planned sources ran."""
        if self.folder is not None and self._own:
            loaded.verify()
            rows = [{"key": key} | row for key, row in self._own.items()]
            tablefile.write(self.folder / f"{self._writer}.parquet", pd.DataFrame(rows), durable=False)

    def trained(self, model: nn.Module, what: Sequence[Any], train: Callable[[], Row]) -> Row:
        """Do to `model` what `train` does to it in place, and return its row; or take both over from another job.

        `what` (JSON) names all that `train` depends on beside the network, whose weights are part of the name.
        """
        if self.folder is None:
            return train()
        key = self._key([*what, _digest(model)])
        for path in sorted((self.folder / "networks").glob(f"{key}.*.safetensors")):
            try:
                weights, row = tensorfile.read(path, "shared network")
            except SecateurError as error:
                if path.exists():  # else another job has just made room
                    _ignored(path, error)
                continue
            model.load_state_dict(weights)
            model.eval()
            return row
        row = train()
        self._keep(self.folder / "networks", key, model, row)
        return row

    def _keep(self, folder: Path, key: str, model: nn.Module, row: Row) -> None:
        loaded.verify()
        state = model.state_dict()
        size = sum(tensor.nbytes for tensor in state.values())
        if 4 * size > NETWORKS_BYTES:
            return
        stored = [(_written(path) or 0, path) for path in _whole(folder, "safetensors")]
        kept = sum(path.stat().st_size for _, path in stored if path.exists())
        for _, path in sorted(stored):
            if kept + size <= NETWORKS_BYTES:
                break
            kept -= path.stat().st_size if path.exists() else 0
            path.unlink(missing_ok=True)
        tensorfile.write(folder / f"{key}.{self._writer}.safetensors", state, row, durable=False)

    def _key(self, what: Sequence[Any]) -> str:
        return hashlib.sha256(json.dumps([self._base, *what], sort_keys=True).encode()).hexdigest()[:40]


def same(selection: Mapping[str, Sequence[int]]) -> list[Any]:
    """A selection as part of a row's name: the same for all that remove the same units."""
    return [[name, sorted(units)] for name, units in sorted(selection.items()) if units]


def _digest(model: nn.Module) -> str:
    """Hash of a network's weights and buffers, by name."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _whole(folder: Path, suffix: str) -> list[Path]:
    """The files of a kind, without the hidden ones that other jobs are just writing."""
    return sorted(path for path in folder.glob(f"*.{suffix}") if not path.name.startswith("."))


def _written(path: Path) -> int | None:
    """When a file was written, in nanoseconds; None where it is gone."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


def _ignored(path: Path, error: SecateurError) -> None:
    path.unlink(missing_ok=True)
    print(f"{error} It is not used, and computed again.", file=sys.stderr)
