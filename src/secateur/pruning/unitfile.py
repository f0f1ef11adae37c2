"""Unit groups on disk: traced once for a network's architecture, read by every job that prunes it.

A safetensors file: tensor `"<number of the group>/<number of the slice>"` holds a slice's channels (size × channels a
unit, int64); the header holds a list that says what each group and slice is.
"""

from collections.abc import Sequence
from pathlib import Path

import torch

from secateur import tensorfile
from secateur.errors import SecateurError
from secateur.pruning.cutting import Slice
from secateur.pruning.units import Producer, UnitGroup


def write(path: str | Path, groups: Sequence[UnitGroup]) -> None:
    """Write unit groups as `find_unit_groups` gives them to `path`, whole or not at all."""
    about = [
        {
            "name": group.name,
            "kind": group.kind,
            "residual": group.residual,
            "gate": group.gate,
            "producers": [producer.layer for producer in group.producers],
            "slices": [[part.owner, part.role] for part in group.slices],
            **({"scaled": scaled} if any(scaled := [part.scaled for part in group.slices]) else {}),
        }
        for group in groups
    ]
    tensors = {
        f"{number}/{place}": part.index
        for number, group in enumerate(groups)
        for place, part in enumerate(group.slices)
    }
    tensorfile.write(path, tensors, about)


def read(path: str | Path) -> list[UnitGroup]:
    """The unit groups in a file of `write`, in the same order.

    Raises SecateurError for a file that is missing, cut short, damaged or not one of these.
    """
    tensors, about = tensorfile.read(path, "file of unit groups")
    try:
        return [
            _group(entry, [tensors[f"{number}/{place}"] for place in range(len(entry["slices"]))])
            for number, entry in enumerate(about)
        ]
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise SecateurError(f"{path}: not a readable file of unit groups ({error}). Remove it and run again.") from None


def _group(entry: dict, indices: list[torch.Tensor]) -> UnitGroup:
    scaled = entry.get("scaled", [0] * len(indices))
    places = zip(entry["slices"], indices, scaled, strict=True)
    slices = tuple(Slice(owner, role, index, count) for (owner, role), index, count in places)
    outputs = {part.owner: part.index for part in slices if part.role == "out"}
    size = len(indices[0])
    return UnitGroup(
        name=entry["name"],
        kind=entry["kind"],
        size=size,
        producers=tuple(Producer(layer, outputs[layer]) for layer in entry["producers"]),
        slices=slices,
        residual=entry["residual"],
        original=torch.arange(size),
        gate=entry.get("gate", False),
    )
