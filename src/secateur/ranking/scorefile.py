"""Score files: what a ranking job leaves behind, and the checks before anyone reads them.

A safetensors file; each tensor holds one number for every unit of one group, higher = more important:
`"<seed>/<samples_per_class>/<group>"`, float64, finite.
"""

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from secateur.errors import SecateurError
from secateur.files import replacing

Scores = dict[tuple[int, str], dict[str, Tensor]]
"""(seed, samples_per_class) → group name → scores of its units."""


def write(path: str | Path, scores: Scores) -> None:
    """Write `scores` to `path`, whole or not at all."""
    tensors = {
        f"{seed}/{samples_per_class}/{group}": values.contiguous()
        for (seed, samples_per_class), by_group in scores.items()
        for group, values in by_group.items()
    }
    with replacing(path) as temporary:
        save_file(tensors, temporary)


def read(path: str | Path, seed: int, samples_per_class: str, sizes: dict[str, int]) -> dict[str, Tensor]:
    """Scores of one seed and sample count, group → float64 tensor.

    Args:
        path: the score file.
        seed, samples_per_class: which ranking.
        sizes: number of units of every group; the file must hold exactly as many scores.

    Raises:
        SecateurError: file missing or truncated, ranking or group missing, wrong length, NaN or infinity.
    """
    found: dict[str, Tensor] = {}
    try:
        with safe_open(path, framework="pt") as opened:
            names = set(opened.keys())
            for group, size in sizes.items():
                name = f"{seed}/{samples_per_class}/{group}"
                if name not in names:
                    raise SecateurError(f"{path}: no tensor '{name}'. Remove the file and run again.")
                values = opened.get_tensor(name).to(torch.float64)
                if tuple(values.shape) != (size,) or not bool(torch.isfinite(values).all()):
                    raise SecateurError(
                        f"{path}: tensor '{name}' has shape {tuple(values.shape)} or holds NaN or infinity; "
                        f"{size} finite numbers are needed."
                    )
                found[group] = values
    except (SafetensorError, OSError) as error:
        raise SecateurError(f"{path}: not a readable score file ({error}). Remove it and run again.") from None
    return found
