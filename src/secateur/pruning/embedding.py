"""Channels of residual streams that layer norms read: found, proved, and what stands for their removal.

A layer norm divides by the deviation over all channels, so that a stream without one is another function than the
stream with that channel silent. What a removal has to equal is therefore stated for itself: every layer and token that
writes to the channel writes zero, and every norm takes mean and variance over the channels that are left (`without`,
written out and slow). The stream is what the trace ties together, with the norms on its way and the tokens that are
joined with it; whether that is all of it, the whole network tells, tried with random weights.
"""

import contextlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from secateur.pruning.cutting import Slice, silent
from secateur.pruning.head_channels import agrees
from secateur.pruning.heads import Heads
from secateur.pruning.operations import CHANNEL_NORMS, NORMALISED, is_layer
from secateur.pruning.tracing import Site, Trace
from secateur.pruning.trial import Trial

NOT_CARRIED = (
    "in a residual stream whose channels could not be followed to all places, or whose width the code counts on"
)


class Rest:
    """A forward hook: the norm of the channels that are not `gone`, and zeros at those that are."""

    def __init__(self, gone: Tensor) -> None:
        self.gone = gone

    def __call__(self, norm: Any, given: tuple[Tensor, ...], _: Tensor) -> Tensor:
        """What takes the place of the norm's own output."""
        axis = 1 if type(norm).__name__.endswith("2d") else -1
        values = given[0].movedim(axis, -1)
        left = torch.ones(values.shape[-1], dtype=torch.bool, device=values.device)
        left[self.gone.to(values.device)] = False
        rest = values[..., left]
        centred = rest - rest.mean(-1, keepdim=True)
        scaled = centred / (centred.square().mean(-1, keepdim=True) + norm.eps).sqrt()
        found = torch.zeros_like(values)
        found[..., left] = scaled * norm.weight[left] + (0 if norm.bias is None else norm.bias[left])
        return found.movedim(-1, axis)


@contextlib.contextmanager
def without(model: nn.Module, slices: Sequence[Slice]) -> Iterator[nn.Module]:
    """Within this context a network is what it must be without channels of a stream; afterwards it is as it was.

    `slices`: the places of the channels. One context may lie inside another: then the channels of both are gone.
    """
    hooks = []
    try:
        for part in slices:
            norm = model.get_submodule(part.owner) if part.role == "channels" else None
            if isinstance(norm, nn.LayerNorm):
                before = [hook.gone for hook in norm._forward_hooks.values() if isinstance(hook, Rest)]
                hooks.append(norm.register_forward_hook(Rest(torch.cat([*before, part.index.flatten()]))))
        with silent(model, slices):
            yield model
    finally:
        for hook in hooks:
            hook.remove()


def find_streams(
    model: nn.Module, input_size: tuple[int, ...], found: Trace, unit_of: np.ndarray
) -> tuple[list[Heads], dict[str, str]]:
    """The streams of a network that can lose channels; and layer -> why another stream that it writes to cannot.

    `found`, `unit_of`: what was traced, and the number of the connected set of each channel.
    """
    streams: list[Heads] = []
    normed = {int(unit_of[number]) for number, reason in found.reasons.items() if reason == NORMALISED}
    others = {int(unit_of[number]): reason for number, reason in found.reasons.items() if reason != NORMALISED}
    writing = {name: int(unit_of[found.sites[name, "out"][0]]) for name in found.order if (name, "out") in found.sites}
    reasons = {name: others[unit] for name, unit in writing.items() if unit in normed and unit in others}
    for sites in _streams(found, unit_of, normed - others.keys()):
        producers = [name for name in found.order if (name, "out") in sites]
        guesses = [slices for slices in (_slices(model, sites, tokens) for tokens in (True, False)) if slices]
        if not producers or not guesses:
            continue
        trial = Trial(model, (torch.empty(2, *input_size, device="meta"),), {})
        size = len(guesses[0][0].index)
        going = [torch.tensor([size // 2]), torch.arange(0, size, 2)]
        held = (slices for slices in guesses if all(agrees(trial, slices, gone, without) for gone in going))
        slices = next(held, None)
        if slices is None:
            reasons |= dict.fromkeys(producers, NOT_CARRIED)
        else:
            streams.append(Heads("embedding", producers[0], tuple(producers), slices))
    return streams, reasons


def _streams(found: Trace, unit_of: np.ndarray, units: set[int]) -> list[dict[Site, Tensor]]:
    """Connected sets `units` that have the same places, together: site -> its channels (size × channels a unit)."""
    members: dict[int, dict[Site, list[int]]] = defaultdict(dict)
    for site, (first, size) in found.sites.items():
        for channel, unit in enumerate(unit_of[first : first + size].tolist()):
            if unit in units:
                members[unit].setdefault(site, []).append(channel)
    alike: dict[tuple[Any, ...], list[dict[Site, list[int]]]] = defaultdict(list)
    for places in members.values():
        alike[tuple(sorted((site, len(channels)) for site, channels in places.items()))].append(places)
    streams = []
    for several in alike.values():
        stream = {site: torch.tensor([places[site] for places in several]) for site in several[0]}
        whole = all(index.numel() == found.sites[site][1] for site, index in stream.items())
        if whole and any(role == "out" for _, role in stream):
            streams.append(stream)
    return streams


def _slices(model: nn.Module, sites: dict[Site, Tensor], tokens: bool) -> tuple[Slice, ...]:
    """The places of a stream; with `tokens`, parameters too that are as wide and that no step of the trace has."""
    parameters = dict(model.named_parameters())
    size = max(len(index) for index in sites.values())
    found = []
    for (owner, role), index in sites.items():
        if role == "parameter":
            tensor = parameters[owner]
            if tensor.shape[-1] != size:
                return ()
            found.append(Slice(owner, f"axis{tensor.ndim - 1}", index))
        else:
            found.append(Slice(owner, role, index))
    for name, tensor in parameters.items() if tokens else ():
        module = model.get_submodule(name.rpartition(".")[0])
        inside = is_layer(module) or isinstance(module, CHANNEL_NORMS) or (name, "parameter") in sites
        if not inside and tensor.ndim > 1 and tensor.shape[-1] == size:
            found.append(Slice(name, f"axis{tensor.ndim - 1}", torch.arange(size).unsqueeze(1)))
    return tuple(found)
