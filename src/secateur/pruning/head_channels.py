"""Channels of attention's heads as units: one index in the queries, keys and values of all heads of a module.

Modules give all heads one size, and queries, keys and values the same, so they lose a channel together: the rows that
make it in every head, and the projection's columns that read it. Without it a product of query and key lacks a term,
as with a silent channel; but it is then divided by the square root of the *new* size, by fused attention silently. So
the rows of the queries (or keys) that stay are multiplied by √(channels left / channels before), and a scale that the
module states becomes that of the new size: exactly the old products, in weights alone, with attention fused or not.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import product

import torch
from torch import Tensor, nn

from secateur.pruning.attention import Attention, head_size, sources
from secateur.pruning.cutting import Slice, cut, moved, others, owner_of, rescale, silent, site_size
from secateur.pruning.layouts import Places, guesses
from secateur.pruning.operations import BATCH_NORMS, CHANNEL_NORMS, is_layer
from secateur.pruning.trial import Given, Trial

CHANNELS_MIXED = "attention whose code mixes the channels of its heads or counts on their number"
ROTARY = "attention that turns queries and keys by position, in pairs of channels and by tables from outside"
NORMED = "attention that normalises over the channels of its heads, so that removing one changes the others"


def reason(module: nn.Module, given: Given) -> str:
    """Why the channels of a module's heads stay, in words."""
    passed = dict(zip(inspect.signature(module.forward).parameters, given[0], strict=False)) | given[1]
    if any("rope" in name and value is not None for name, value in passed.items()):
        return ROTARY
    if any(not isinstance(part, nn.Identity) and "norm" in name for name, part in module.named_children()):
        return NORMED
    return CHANNELS_MIXED


def proved(trial: Trial, module: nn.Module, about: Attention) -> tuple[Slice, ...] | None:
    """The places of the channels of a module's heads, owners by their names in it, by the first guess that holds.

    It holds if the module without a channel, and with one alone, gives what it gives with those silent that are gone.
    """
    size = head_size(module)
    going = [torch.tensor(gone) for gone in ([size // 2], list(range(1, size)))]
    parts = dict(sources(module, about.projection))
    for places in _places(module, about, size) if size > 1 else ():
        if trial.runs(_smaller(places, going[0])):
            for scaled in _scalings(places, parts, about.heads):
                if all(agrees(trial, scaled, gone, silent) for gone in going):
                    return scaled
    return None


def _places(module: nn.Module, about: Attention, size: int) -> Iterator[tuple[Slice, ...]]:
    """The ways in which channels may lie, after each guess of how heads lie.

    A head's rows in a layer may be all channels of one part after the other, or all parts of a channel; and tables may
    have a column for each channel.
    """
    parts = dict(sources(module, about.projection))
    tables = _tables(module, size)
    for with_tables, places, parts_first in product((False, True), guesses(module, about), (True, False)):
        several = any(parts.get(owner, 1) > 1 for owner, _ in places)
        if (tables or not with_tables) and (parts_first or several):
            yield (*_by_channel(places, size, parts_first), *(tables if with_tables else ()))


def _scalings(places: tuple[Slice, ...], parts: Mapping[str, int], heads: int) -> Iterator[tuple[Slice, ...]]:
    """The places with nothing scaled, and with one part of one layer, alone or with a tensor that is added to it."""
    yield places
    added = [at for at, part in enumerate(places) if part.role == "axis0"]
    for at, part in enumerate(places):
        for number in range(parts.get(part.owner, 0)) if part.role == "out" else ():
            for other in (None, *added):
                chosen = {at: _scaled(part, number, heads)}
                if other is not None:
                    chosen[other] = _scaled(places[other], 0, heads)
                yield tuple(chosen.get(place, same) for place, same in enumerate(places))


def agrees(
    trial: Trial,
    slices: Sequence[Slice],
    gone: Tensor,
    silence: Callable[[nn.Module, Sequence[Slice]], AbstractContextManager[object]],
) -> bool:
    """Whether a module without the units `gone` of places gives what it gives with `silence` at their channels."""
    going = _taken(slices, gone)
    return trial.agrees(_smaller(slices, gone), lambda module: silence(module, going))


def _taken(slices: Sequence[Slice], gone: Tensor) -> list[Slice]:
    """The channels of some units, as they lie."""
    return [replace(part, index=part.index[gone].flatten().sort().values) for part in slices]


def _smaller(slices: Sequence[Slice], gone: Tensor) -> Callable[[nn.Module], nn.Module]:
    """What makes a module of one with these places that has lost the units `gone`."""
    left, going = others(len(slices[0].index), gone), _taken(slices, gone)
    after = [replace(part, index=moved(part.index[left], out.index)) for part, out in zip(slices, going, strict=True)]

    def smaller(module: nn.Module) -> nn.Module:
        sites = [(part.owner, part.role) for part in going]
        sizes = [site_size(owner_of(module, *site), site[1]) for site in sites]
        staying = [others(size, part.index) for size, part in zip(sizes, going, strict=True)]
        new = cut(module, dict(zip(sites, staying, strict=True)))
        rescale(new, after, (len(left) / (len(left) + len(gone))) ** 0.5)
        return new

    return smaller


def _by_channel(places: Places, size: int, parts_first: bool) -> list[Slice]:
    """The places of heads of `size` channels, channel by channel: of each its parts, and of each part all heads."""
    found = []
    for (owner, role), index in places.items():
        if role == "heads":
            found.append(Slice("", "head_size", torch.arange(size).unsqueeze(1)))
        elif index.shape[1] % size == 0:  # else a number for each head, which stays
            heads = len(index)
            split = (
                index.reshape(heads, -1, size).permute(2, 1, 0)
                if parts_first
                else index.reshape(heads, size, -1).permute(1, 2, 0)
            )
            found.append(Slice(owner, role, split.flatten(1)))
    return found


def _tables(module: nn.Module, size: int) -> list[Slice]:
    """Tensors of several axes, of no layer, whose last axis may be that of a head's channels."""
    found = []
    for prefix, part in module.named_modules():
        if is_layer(part) or isinstance(part, (*CHANNEL_NORMS, BATCH_NORMS)):
            continue
        for name, tensor in [*part.named_parameters(prefix, False), *part.named_buffers(prefix, False)]:
            if tensor.is_floating_point() and tensor.ndim > 1 and tensor.shape[-1] == size:
                found.append(Slice(name, f"axis{tensor.ndim - 1}", torch.arange(size).unsqueeze(1)))
    return found


def _scaled(part: Slice, number: int, heads: int) -> Slice:
    """The same place with the channels of one of its parts first, as those that are scaled."""
    parts = part.index.split(heads, 1)
    return replace(part, index=torch.cat([parts[number], *parts[:number], *parts[number + 1 :]], 1), scaled=heads)
