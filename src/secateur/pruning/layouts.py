"""How the heads of an attention module may lie in its layers and tensors: guesses, which a trial proves or refutes."""

from collections.abc import Iterator
from itertools import product

import torch
from torch import Tensor, nn

from secateur.pruning.attention import Attention, alike, sources
from secateur.pruning.operations import BATCH_NORMS, CHANNEL_NORMS, is_layer, layer_size

Places = dict[tuple[str, str], Tensor]
"""(owner, role) -> channels of each head (heads × channels), owners by their names in the module."""


def guesses(module: nn.Module, about: Attention) -> Iterator[Places]:
    """The ways in which a module's heads may lie: parts, heads and channels in any order, axes from either side.

    What makes them is every layer that is wide enough, or those alone of the projection's kind. At last, buffers
    and inputs of other layers stay, which may be as many as the heads by chance, as Swin-v2's two coordinates.
    """
    every, same = sources(module, about.projection), alike(module, about.projection)
    seen: list[Places] = []
    for by_chance, making in product((False, True), (every, same) if same != every else (every,)):
        for joined_last, heads_first, from_the_end in product((False, True), repeat=3):
            places = _laid(module, about, making, heads_first, from_the_end)
            if by_chance:
                places = _without_chance(module, about, places)
            if joined_last:  # the projection reads the first channel of every head, then the second, as in NesT
                places[about.projection, "in"] = places[about.projection, "in"].reshape(-1, about.heads).T
            if making and not any(_same(places, other) for other in seen):
                seen.append(places)
                yield places


def _laid(
    module: nn.Module, about: Attention, making: list[tuple[str, int]], heads_first: bool, from_the_end: bool
) -> Places:
    """The places of a module's heads, as one guess has them."""
    heads = about.heads
    width = layer_size(module.get_submodule(about.projection), "in")
    inside = {module.get_submodule(name) for name in (about.projection, *(name for name, _ in making))}
    places: Places = {}
    for name, parts in making:
        rows = torch.arange(layer_size(module.get_submodule(name), "out"))
        size = width // heads
        by_head = heads_first or not parts
        rows = rows.reshape(heads, -1) if by_head else rows.reshape(parts, heads, size).transpose(0, 1).flatten(1)
        places[name, "out"] = rows
        for norm in _norms_behind(module, name):
            places[norm, "channels"] = rows
    places[about.projection, "in"] = torch.arange(width).reshape(heads, -1)
    for prefix, part in module.named_modules():
        if part in inside or isinstance(part, (*CHANNEL_NORMS, BATCH_NORMS)):
            continue
        if is_layer(part):
            for role in ("out", "in"):
                if layer_size(part, role) == heads:
                    places[prefix, role] = torch.arange(heads).unsqueeze(1)
            continue
        for name, tensor in [*part.named_parameters(prefix, False), *part.named_buffers(prefix, False)]:
            if (axis := _axis(tensor, heads, width, from_the_end)) is not None:
                places[name, f"axis{axis}"] = torch.arange(tensor.shape[axis]).reshape(heads, -1)
    if about.kind == "head":
        places["", "heads"] = torch.arange(heads).unsqueeze(1)
    return places


def _without_chance(module: nn.Module, about: Attention, places: Places) -> Places:
    """Places but for those that have one number a head and are no weight's: of buffers, and of what layers read."""
    buffers = {name for name, _ in module.named_buffers()}
    return {
        (owner, role): index
        for (owner, role), index in places.items()
        if owner == about.projection or index.shape[1] > 1 or not (role == "in" or owner in buffers)
    }


def _norms_behind(module: nn.Module, layer: str) -> list[str]:
    """The batch-norms behind a layer in its wrapper; none where it is the module's own."""
    wrapper, _, leaf = layer.rpartition(".")
    parts = list(module.get_submodule(wrapper)._modules.items()) if wrapper else []
    behind = parts[1 + [name for name, _ in parts].index(leaf) :] if wrapper else []
    return [f"{wrapper}.{name}" for name, part in behind if isinstance(part, BATCH_NORMS)]


def _axis(tensor: Tensor, heads: int, width: int, from_the_end: bool) -> int | None:
    """The axis of a parameter or buffer that goes with the heads: one number a head, or a vector of their channels."""
    if not tensor.is_floating_point():
        return None
    if tensor.ndim == 1:
        return 0 if tensor.shape[0] in (heads, width) else None
    axes = [axis for axis, size in enumerate(tensor.shape) if size == heads]
    return None if not axes else axes[-1 if from_the_end else 0]


def _same(places: Places, other: Places) -> bool:
    return places.keys() == other.keys() and all(torch.equal(places[site], other[site]) for site in places)
