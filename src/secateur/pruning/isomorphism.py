"""Which unit groups are compared: all, none with another, or those whose units go through layers of one structure."""

from collections.abc import Sequence
from typing import Any

from torch import nn

from secateur.errors import SecateurError
from secateur.pruning.cutting import is_tensor
from secateur.pruning.operations import is_layer
from secateur.pruning.units import UnitGroup

SCHEMES = ("global", "per-layer", "isomorphic")
Structure = tuple[Any, ...]


def classes(groups: Sequence[UnitGroup], scheme: str, model: nn.Module | None = None) -> list[int]:
    """For each group the number of its class, from 0 in the order of first appearance.

    Units are ranked within a class, and every class loses the same share: "global" has one class, "per-layer" one for
    each group, "isomorphic" one for each structure (Fang et al., Isomorphic pruning for vision models, ECCV 2024,
    arXiv:2407.04616), which needs the `model`.

    Raises SecateurError for an unknown scheme, and for "isomorphic" without a model.
    """
    if scheme not in SCHEMES:
        raise SecateurError(f"scheme {scheme!r}: allowed are {', '.join(SCHEMES)}.")
    if scheme == "global":
        return [0] * len(groups)
    if scheme == "per-layer":
        return list(range(len(groups)))
    if model is None:
        raise SecateurError("scheme 'isomorphic' needs the model, to see what kinds of layers the units go through.")
    known: dict[Structure, int] = {}
    return [known.setdefault(structure(model, group), len(known)) for group in groups]


def structure(model: nn.Module, group: UnitGroup) -> Structure:
    """The kinds of layers that a group's units take channels of, in the order of execution, and in which role.

    Kinds of batch-norms, activations with weights and parameters come behind them. Two groups of one structure have the
    same graph of dependencies, at any widths: layers of the same class, made, passed and read alike. Kernel sizes and
    strides do not count; that a convolution is grouped does.
    """
    layers: list[tuple[str, str]] = []
    others: list[tuple[str, str]] = []
    for part in group.slices:
        module: Any = None if is_tensor(part.role) else model.get_submodule(part.owner)
        grouped = " in groups" if getattr(module, "groups", 1) > 1 else ""
        (layers if is_layer(module) else others).append((type(module).__name__ + grouped, part.role))
    return (group.kind, group.residual, group.gate, *layers, *sorted(others))
