"""Where a training stands, on disk: written after an epoch, so that a killed job goes on to the same weights."""

import hashlib
import time
import zipfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import torch

from secateur import loaded
from secateur.files import md5, replacing

SECONDS_BETWEEN = 30.0  # a shorter training is sooner repeated than its state is written


class Checkpoint:
    """The last state of one training in one file: tensors, numbers and text, nothing that could run code."""

    def __init__(self, path: Path, fingerprint: str, seconds_between: float = SECONDS_BETWEEN) -> None:
        """
        Args:
            path: the file.
            fingerprint: of all that the training depends on; a state with another one is not used.
            seconds_between: how long to go on before the next state is written.
        """
        self.path, self._fingerprint, self._seconds = path, fingerprint, seconds_between
        self._written = time.monotonic()

    def due(self) -> bool:
        """Whether the last state is old enough to be replaced."""
        return time.monotonic() - self._written >= self._seconds

    def save(self, state: dict[str, Any]) -> None:
        """Write `state` in place of the one before, whole or not at all; an error where not the planned sources ran."""
        loaded.verify()
        with replacing(self.path) as temporary:
            torch.save({"fingerprint": self._fingerprint, "state": state}, temporary)
        self._written = time.monotonic()

    def load(self) -> dict[str, Any] | None:
        """The state, on the CPU; None where there is none, or a damaged one, or one that belongs to something else."""
        try:
            with zipfile.ZipFile(self.path) as packed:  # PyTorch itself does not compare the checksums that it writes
                if packed.testzip() is not None:
                    return None
            saved = torch.load(self.path, map_location="cpu", weights_only=True)
            return saved["state"] if saved["fingerprint"] == self._fingerprint else None
        except Exception:  # torch.load raises many kinds for damaged files; each means: begin anew
            return None


def fingerprint(parts: Iterable[str], folders: Iterable[str | Path] = ()) -> str:
    """Hash of `parts` and of the sources: of what a resumed job depends on.

    Those that the workflow planned the job with; without one, all Python sources of Secateur and of `folders`.
    """
    planned = loaded.planned()
    own = [*_own_sources(), *(md5(path) for folder in folders for path in sorted(Path(folder).rglob("*.py")))]
    sources = [planned] if planned else own
    return hashlib.sha256("\n".join([*parts, *sources]).encode()).hexdigest()


def of_data(folder: Path) -> str:
    """What a fingerprint says of a prepared dataset: its description and labels, and which file its images are."""
    images = (folder / "train_inputs.npy").stat()
    described = f"{md5(folder / 'dataset.json')} {md5(folder / 'train_labels.npy')}"
    return f"{described} {images.st_size} {images.st_mtime_ns}"


@cache
def _own_sources() -> tuple[str, ...]:
    return tuple(md5(path) for path in sorted(Path(__file__).parent.parent.rglob("*.py")))
