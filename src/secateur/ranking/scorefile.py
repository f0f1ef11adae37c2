"""Score files: what a ranking job leaves behind, and the checks before anyone reads them.

A safetensors file; each tensor holds one number for every unit of one group, higher = more important:
`"<seed>/<samples_per_class>/<group>"`, float64, finite.
"""

import re
from pathlib import Path

import torch
from torch import Tensor

from secateur import tensorfile
from secateur.data.references import ALL
from secateur.errors import SecateurError

Scores = dict[tuple[int, str], dict[str, Tensor]]
"""(seed, samples_per_class) → group name → scores of its units."""
KIND = "score file"
NAME = re.compile(rf"(?P<ranking>(0|[1-9][0-9]*)/([1-9][0-9]*|{ALL}))/(?P<group>.+)")  # as `write` spells numbers


def write(path: str | Path, scores: Scores) -> None:
    """Write `scores` to `path`, whole or not at all."""
    tensorfile.write(
        path,
        {
            f"{seed}/{samples_per_class}/{group}": values
            for (seed, samples_per_class), by_group in scores.items()
            for group, values in by_group.items()
        },
    )


def check(path: str | Path) -> str:
    """Check a whole score file by itself; returns what it holds, in a line.

    Raises:
        SecateurError: unreadable, empty, a tensor's name or type is not as the format says, NaN or infinity, or
            rankings that do not score the same units.
    """
    sizes: dict[str, dict[str, int]] = {}
    for name, values in tensorfile.read(path, KIND, foreign=True)[0].items():
        named = NAME.fullmatch(name)
        if named is None:
            raise SecateurError(
                f"{path}: tensor '{name}' is not named <seed>/<samples_per_class>/<group>, as in 0/10/conv1."
            )
        if (
            values.dtype != torch.float64
            or values.dim() != 1
            or not len(values)
            or not bool(torch.isfinite(values).all())
        ):
            raise SecateurError(
                f"{path}: tensor '{name}' is {values.dtype} of shape {tuple(values.shape)}, or holds NaN or "
                "infinity; needed are finite float64 numbers, one a unit."
            )
        sizes.setdefault(named["ranking"], {})[named["group"]] = len(values)
    if not sizes:
        raise SecateurError(f"{path}: holds no ranking.")
    first = next(iter(sizes))
    for ranking, groups in sizes.items():
        if groups != sizes[first]:
            odd = sorted(set(groups.items()) ^ set(sizes[first].items()))[0][0]
            raise SecateurError(f"{path}: rankings {first} and {ranking} differ in the units of group '{odd}'.")
    units = sum(sizes[first].values())
    return f"{path}: {len(sizes)} rankings of {units} units in {len(sizes[first])} groups"


def read(path: str | Path, seed: int, samples_per_class: str, sizes: dict[str, int]) -> dict[str, Tensor]:
    """Scores of one seed and sample count, group → float64 tensor.

    Args:
        path: the score file.
        seed, samples_per_class: which ranking.
        sizes: number of units of every group; the file must hold exactly as many scores.

    Raises:
        SecateurError: file missing, truncated or damaged, ranking or group missing, wrong length, NaN or infinity.
    """
    names = {group: f"{seed}/{samples_per_class}/{group}" for group in sizes}
    tensors, _ = tensorfile.read(path, KIND, set(names.values()).__contains__)
    by_group: dict[str, Tensor] = {}
    for group, size in sizes.items():
        if names[group] not in tensors:
            raise SecateurError(f"{path}: no tensor '{names[group]}'. Remove the file and run again.")
        values = tensors[names[group]].to(torch.float64)
        if tuple(values.shape) != (size,) or not bool(torch.isfinite(values).all()):
            raise SecateurError(
                f"{path}: tensor '{names[group]}' has shape {tuple(values.shape)} or holds NaN or infinity; "
                f"{size} finite numbers are needed."
            )
        by_group[group] = values
    return by_group
