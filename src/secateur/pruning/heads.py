"""Attention's units: which rows of which layers belong to one head, or to one channel of all heads, proved by running.

A module that states its heads and has a projection is a candidate. Where its heads lie in the layers before the
projection is guessed in a few ways (`layouts`), and a guess holds if a copy of the module with random weights gives
without a unit what it gives with that unit silent, with attention fused and not (`trial`). So a module whose code mixes
heads, normalises over them, or counts on their number is refused, whoever wrote it; where its code takes their width
for the input's, the copy is told the difference (`widths`). The neurons of MLPs that no walk through the graph follows
are found in the same way, as heads of one channel.
"""

import contextlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple

from torch import Tensor, nn

from secateur.pruning import head_channels
from secateur.pruning.attention import Attention, mlp, sources, stated
from secateur.pruning.cutting import Slice, cut, others, owner_of, site_size
from secateur.pruning.layouts import Places, guesses
from secateur.pruning.trial import Given, Trial, calls, form

PACKED = "packed attention, whose code checks that its heads are as wide as its input"
ALONE = "the only head of its attention, which keeps at least one"
CARRIES_NOT = "attention whose code mixes its heads or counts on their number"


class Heads(NamedTuple):
    """The units of one module's attention, or its gated neurons: what makes them, what reads them, all their places."""

    kind: Literal["head", "head_channel", "neuron", "filter", "embedding"]
    projection: str
    sources: tuple[str, ...]
    slices: tuple[Slice, ...]


def find_heads(
    model: nn.Module, input_size: tuple[int, ...], taken: Collection[str] = (), channels: bool = False
) -> tuple[list[Heads], dict[str, str]]:
    """The heads of all modules that can lose some, in the order of execution; and layer -> why a module's cannot go.

    `input_size`: channels × height × width, or features. MLPs are left out whose first layer is `taken`. With
    `channels`, attention's units are not its heads but the channels that all heads of a module have. The model is
    neither run with values nor changed: what is run is a copy of each kind of attention, with random weights.
    """
    candidates = {
        name: module
        for name, module in model.named_modules()
        if (about := _about(module)) is not None and (about.heads > 1 or channels)
        and not (about.kind == "neuron" and any(f"{name}.{layer}" in taken for layer in module._modules))
    }  # fmt: skip
    called = calls(model, set(candidates), input_size) if candidates else {}
    found: list[Heads] = []
    reasons = {} if channels else _alone(model)
    known: dict[Any, tuple[Slice, ...] | None] = {}
    for name, given in called.items():
        module, times = candidates[name], given[2]
        about = _about(module)
        assert about is not None
        by_channel = channels and about.kind == "head"
        key = form(module, *given[:2])
        if key not in known:
            known[key] = _proved(module, about, given, by_channel) if times == 1 else None
        slices = known[key]
        prefix = f"{name}." if name else ""
        making = [prefix + layer for layer, _ in sources(module, about.projection)]
        if slices is None:
            why = head_channels.reason(module, given) if by_channel else CARRIES_NOT
            if isinstance(module, nn.MultiheadAttention):
                why, making = PACKED, [prefix + about.projection]
            why = why if times == 1 else f"{name} is used {times} times in one pass"
            at = making or ([prefix + about.projection] if by_channel else [])
            reasons |= dict.fromkeys(at if about.kind == "head" else (), why)
            continue
        found.append(
            Heads(
                "head_channel" if by_channel else about.kind,
                prefix + about.projection,
                tuple(
                    layer for layer in making if any(prefix + at.owner == layer for at in slices if at.role == "out")
                ),
                tuple(
                    replace(at, owner=prefix + at.owner if at.owner else name, index=at.index.clone()) for at in slices
                ),
            )
        )
    return found, reasons


def _alone(model: nn.Module) -> dict[str, str]:
    """The layers that make the one head of a module -> why it stays."""
    named = {name: (module, stated(module)) for name, module in model.named_modules()}
    return {
        f"{name}.{layer}" if name else layer: ALONE
        for name, (module, about) in named.items()
        if about is not None and about.heads == 1
        for layer, _ in sources(module, about.projection)
    }


def _about(module: nn.Module) -> Attention | None:
    return stated(module) or mlp(module)


def _proved(module: nn.Module, about: Attention, given: Given, channels: bool) -> tuple[Slice, ...] | None:
    """The places of a module's units, owners by their names in it, as the first guess has them that holds."""
    trial = Trial(module, *given[:2])
    if channels:
        return head_channels.proved(trial, module, about)
    holding = (guess for guess in guesses(module, about) if _holds(trial, about, guess))
    places = next(holding, None)
    return None if places is None else tuple(Slice(owner, role, index) for (owner, role), index in places.items())


def _holds(trial: Trial, about: Attention, places: Places) -> bool:
    """Whether the module without one of its heads gives what it gives with that head silent."""
    head = about.heads // 2
    silent = places[about.projection, "in"][head]

    def smaller(module: nn.Module) -> nn.Module:
        sizes = {site: site_size(owner_of(module, *site), site[1]) for site in places}
        return cut(module, {site: others(sizes[site], index[head]) for site, index in places.items()})

    def silence(projection: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        axis = 1 if not isinstance(projection, nn.Linear) else given[0].ndim - 1
        return (given[0].index_fill(axis, silent, 0), *given[1:])

    @contextlib.contextmanager
    def silenced(module: nn.Module) -> Iterator[None]:
        handle = module.get_submodule(about.projection).register_forward_pre_hook(silence)
        try:
            yield
        finally:
            handle.remove()

    return trial.agrees(smaller, silenced)


def put_in_order(layers: Iterable[str], order: list[str]) -> None:
    """Add to an `order` of layers those that it lacks, before all others of the same module.

    A layer whose weight the module's own code applies is not seen to be called.
    """
    for name in layers:
        if name not in order:
            inside = f"{name.rpartition('.')[0]}."
            place = (at for at, other in enumerate(order) if other.startswith(inside))
            order.insert(next(place, len(order)), name)


def overlapping(heads: Heads, taken: Sequence[Slice]) -> bool:
    """Whether other units have channels at the places of these heads."""
    sites = {(part.owner, part.role) for part in heads.slices}
    return any((part.owner, part.role) in sites for part in taken)
