"""Channels between two layers of a block, where no walk follows them: laid by a rule, proved by running.

Split attention, norms that divide by a sum over channels, convolutions in a few large groups, layers inside wrappers:
what lies between two layers of one block is private to it, so the block alone tells. All that is as wide as the second
layer's input, or a multiple of it, is laid channel by channel, and that holds if a copy of the block with random
weights gives without a channel what it gives with the channel silent (`trial`).
"""

from collections.abc import Collection, Iterator
from itertools import product
from typing import Any

import torch
from torch import nn

from secateur.pruning.cutting import Slice, unread
from secateur.pruning.head_channels import agrees
from secateur.pruning.heads import Heads, overlapping
from secateur.pruning.operations import is_layer, layer_size
from secateur.pruning.trial import Trial, calls, form

PAIRS = (
    ("conv1", "conv2"), ("conv2", "conv3"), ("fc1", "fc2"), ("pwconv1", "pwconv2"), ("pw_exp", "pw_proj"),
    ("conv_exp", "conv_pwl"), ("spatial_conv", "point_conv"), ("gate_proj", "down_proj"),
)  # fmt: skip
"""Names in a block of the first part that makes the channels, and of the part whose first layer reads them."""
MOST = 3
"""Layers of a block of which both are tried: that they make the channels, and that they read them."""


def find_between(model: nn.Module, input_size: tuple[int, ...], taken: Collection[str]) -> list[Heads]:
    """The channels between two layers of every block that can lose some, in the order of execution.

    `input_size`: channels × height × width, or features. Blocks are left out where a layer that would make the channels
    is `taken`. The model is neither run with values nor changed.
    """
    candidates: dict[str, dict[tuple[str, str], list[tuple[Slice, ...]]]] = {}
    for name, module in model.named_modules():
        for pair in PAIRS:
            free = [guess for guess in _guesses(module, pair) if not _made(name, guess) & set(taken)]
            if free:
                candidates.setdefault(name, {})[pair] = free
    found: list[Heads] = []
    known: dict[Any, tuple[Slice, ...] | None] = {}
    for name, (args, kwargs, times) in (calls(model, set(candidates), input_size) if candidates else {}).items():
        module = model.get_submodule(name)
        for pair, guesses in candidates[name].items() if times == 1 else ():
            key = (pair, form(module, args, kwargs))
            if key not in known:
                trial = Trial(module, args, kwargs)
                known[key] = next((guess for guess in guesses if _holds(trial, guess)), None)
            placed = _placed(name, module, known[key])
            if placed is not None and not any(overlapping(placed, other.slices) for other in found):
                found.append(placed)
    return found


def _made(name: str, guess: tuple[Slice, ...]) -> set[str]:
    """The layers of the block `name` that make the channels."""
    return {_inside(name, part.owner) for part in guess if part.role == "out"}


def _guesses(module: nn.Module, pair: tuple[str, str]) -> Iterator[tuple[Slice, ...]]:
    """The ways in which channels may lie in a block between two of its parts."""
    names = list(module._modules)
    first, second = pair
    if first not in names or second not in names or names.index(first) >= names.index(second):
        return
    reader, layer = next(((n, part) for n, part in _parts(module, [second]) if is_layer(part)), ("", None))
    if layer is None or getattr(layer, "groups", 1) > 1:
        return
    width = layer_size(layer, "in")
    between = list(_parts(module, names[names.index(first) : names.index(second)]))
    for size in _sizes(between, width):
        open_ones = [name for name, part in between if is_layer(part) and _either(part, width)]
        for chosen in product((False, True), repeat=min(len(open_ones), MOST)):
            reading = {name for name, reads in zip(open_ones, chosen, strict=False) if reads}
            laid = _laid(between, width, size, reading)
            if any(part.role == "out" for part in laid):
                yield (*laid, Slice(reader, "in", _rows(width, size)))


def _sizes(parts: list[tuple[str, Any]], width: int) -> list[int]:
    """How many units so many channels may be: each one, or one of each group of a convolution, which stay equal."""
    groups = {getattr(part, "groups", 1) for _, part in parts if is_layer(part)}
    return [width, *(width // number for number in sorted(groups) if 1 < number < width and width % number == 0)]


def _either(layer: Any, width: int) -> bool:
    """Whether a layer may make `width` channels, or read them, by its numbers of channels."""
    out, inner = layer_size(layer, "out"), layer_size(layer, "in")
    return inner == width and out % width == 0 and getattr(layer, "groups", 1) != out


def _laid(parts: list[tuple[str, Any]], width: int, size: int, reading: Collection[str]) -> list[Slice]:
    """The places of `width` channels, as `size` units, in the parts of a block that lie before their reader.

    A depthwise layer reads and makes them; another whose numbers of channels leave it open reads them if `reading`
    names it, and else makes them. A norm goes with the layer before it.
    """
    found = []
    makes = True
    for name, part in parts:
        if is_layer(part):
            out, inner = layer_size(part, "out"), layer_size(part, "in")
            makes = out % width == 0 and name not in reading
            if makes:
                found.append(Slice(name, "out", _rows(out, size)))
            if inner == width and not (makes and _either(part, width)):
                found.append(Slice(name, "in", _rows(inner, size)))
            continue
        weight = getattr(part, "weight", None)
        if makes and weight is not None and weight.ndim == 1 and len(weight) % width == 0:
            found.append(Slice(name, "channels", _rows(len(weight), size)))
    return found


def _rows(width: int, size: int) -> torch.Tensor:
    """Channels of each of `size` units in a place that has all of them one or more times, one after the other."""
    return torch.arange(width).reshape(-1, size).T.contiguous()


def _holds(trial: Trial, guess: tuple[Slice, ...]) -> bool:
    """Whether the block without a channel, and without every other one, gives what it gives with those silent."""
    size = len(guess[0].index)
    if size < 2:
        return False
    return all(agrees(trial, guess, gone, unread) for gone in (torch.tensor([size // 2]), torch.arange(0, size, 2)))


def _placed(name: str, module: nn.Module, slices: tuple[Slice, ...] | None) -> Heads | None:
    """Units of a block by their places in the network; None where there are none."""
    if slices is None:
        return None
    made = [part.owner for part in slices if part.role == "out"]
    linear = all(isinstance(module.get_submodule(layer), nn.Linear) for layer in made)
    return Heads(
        "neuron" if linear else "filter",
        _inside(name, slices[-1].owner),
        tuple(_inside(name, layer) for layer in made),
        tuple(Slice(_inside(name, part.owner), part.role, part.index.clone()) for part in slices),
    )


def _parts(module: nn.Module, names: list[str]) -> Iterator[tuple[str, nn.Module]]:
    """Some children of a module, and all their parts."""
    for name in names:
        child = module._modules[name]
        if child is not None:
            yield from child.named_modules(prefix=name)


def _inside(name: str, part: str) -> str:
    return f"{name}.{part}" if name else part
