"""The prunable units of a network: which channels of which layers can only be removed together.

A unit is a connected set of channels: a filter, its batch-norm entry, its consumers' input slices and, where an
addition or a gate ties layers, the same channel of all of them. Grouped (and depthwise) convolutions lose whole groups.
Units that take channels of the same layers form a unit group, named after its first producer in the order of execution;
pruning changes no name.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from secateur.errors import SecateurError
from secateur.pruning import worded
from secateur.pruning.between import find_between
from secateur.pruning.cutting import Slice, cut, others, owner_of, site_size
from secateur.pruning.embedding import find_streams
from secateur.pruning.gates import blind, gated
from secateur.pruning.heads import Heads, find_heads, overlapping, put_in_order
from secateur.pruning.operations import NORMALISED
from secateur.pruning.tracing import Site, Trace, connected, ghost, trace

KINDS = {"filters": "filter", "neurons": "neuron", "heads": "head"} | {
    "head_channels": "head_channel", "embedding": "embedding"
}  # fmt: skip
"""Scope -> the kind of units that it offers."""
SCOPES = ("signal", "all", "inner", *KINDS)
"""What may be removed: what carries a signal (not the neurons inside gates), everything, of the former what no residual
addition joins, or of the former one kind. The weights of attention are divided into heads, or for the scope
"head_channels" into channels of all heads: into one or the other, as every channel of a head is part of both. Channels
of streams that layer norms read are units for the scope "embedding" alone, as to remove them is not to silence them."""
FIXED = "its number of channels is written into the network's code"
OUTSIDE = "in a residual stream, outside the chosen scope"
GATE = "inside a gate, outside the chosen scope"
BLIND = "reads nothing of the image, so that no sample tells what its units are worth"
KIND = "of another kind than the chosen scope"


class Producer(NamedTuple):
    """A layer whose output channels a group's units are: its name, and the channels (size × channels a unit, int64)."""

    layer: str
    channels: Tensor


@dataclass(frozen=True, eq=False)
class UnitGroup:
    """All units that are removed alike.

    `kind` is "head" for attention heads (their queries, keys and values), "head_channel" for channels that all heads of
    a module have in these, "neuron" if all producers have one position at any image size (linear modules, and
    convolutions that stand for them), else "filter". `producers` are in the order of execution. `slices` are all places
    where the units have channels, the producers' too. `residual` means that an addition of two signals joins the units.
    `original` (size) gives each unit's number in the group as it was first found: after `removal.shrink` it tells which
    are left.
    `gate` means that the units act on the output only as factors of other signals (see `pruning.gates`).
    """

    name: str
    kind: Literal["filter", "neuron", "head", "head_channel", "embedding"]
    size: int
    producers: tuple[Producer, ...]
    slices: tuple[Slice, ...]
    residual: bool
    original: Tensor
    gate: bool = False

    @property
    def consumers(self) -> tuple[Slice, ...]:
        """The input channels that the units feed."""
        return tuple(part for part in self.slices if part.role == "in")


def layers_of(groups: Sequence[UnitGroup]) -> list[str]:
    """The layers that make the units of `groups`, each once."""
    return list(dict.fromkeys(layer for group in groups for layer, _ in group.producers))


class Analysis(NamedTuple):
    """What can be removed from a network: all its unit groups, and its layers in the order of execution.

    `left_out` gives for each layer of which no output channel is in a unit the reason.
    """

    groups: list[UnitGroup]
    order: list[str]
    left_out: dict[str, str]


def find_unit_groups(model: nn.Module, example_input: Tensor, scope: str = "all") -> list[UnitGroup]:
    """Unit groups of `model`, in the order of execution of their first producers.

    `example_input` (samples × channels × height × width, or samples × features; any device) gives the input size only.
    `scope` "signal" leaves out the neurons inside gates (squeeze-and-excite), "inner" also the groups that a residual
    addition joins; "filters", "neurons", "heads" and "head_channels" offer one kind. The network's outputs and its
    image channels are in no unit; nor are channels that meet an operation which does not treat every channel alike,
    such as streams under LayerNorm (`analyse` gives the reasons). The model is neither run nor changed.

    Raises SecateurError for an unknown scope, a network that cannot be traced, or one without any unit.
    """
    found = analyse(model, example_input, scope)
    return required(found, scope, type(model).__name__)


def required(found: Analysis, scope: str, name: str) -> list[UnitGroup]:
    """The groups of the network `name` that a scope offers; SecateurError, saying what there is, where it has none."""
    offered = in_scope(found.groups, scope)
    if not offered:
        about = {"head_channels": "attention", "embedding": "stream"}.get(scope, "")
        told = sorted(found.left_out.items(), key=lambda said: about not in said[1])
        detail = "; ".join(f"{name}: {reason}" for name, reason in told[:3])
        every = sum(group.size for group in found.groups)
        kinds = ", ".join(sorted({worded(group.kind) + "s" for group in found.groups}))
        raise SecateurError(
            f"{name} has no unit that can be removed in scope {scope!r} "
            f"({detail or 'no layer was found'}). "
            "Prunable are the outputs of convolutions and linear modules that another layer consumes."
            + (f" Scope 'all' has {every} units ({kinds}; some in gates or residual streams)." if every else "")
        )
    return offered


def in_scope(groups: Sequence[UnitGroup], scope: str) -> list[UnitGroup]:
    """Those of a network's groups that a scope offers, see `SCOPES`."""
    return [group for group in groups if not outside(group, scope)]


def outside(group: UnitGroup, scope: str) -> str:
    """Why a scope does not offer a group; empty where it does."""
    if scope not in SCOPES:
        raise SecateurError(f"scope {scope!r}: allowed are {', '.join(SCOPES)}.")
    if scope == "all":
        return ""
    if group.gate:
        return GATE
    if scope in KINDS:
        return "" if group.kind == KINDS[scope] else KIND
    return OUTSIDE if scope == "inner" and group.residual else ""


def analyse(model: nn.Module, example_input: Tensor, scope: str = "all") -> Analysis:
    """All unit groups of `model`, its layers, and why some have no units. Arguments as of `find_unit_groups`.

    `scope` only says how attention is divided, see `SCOPES`.
    """
    size = tuple(example_input.shape[1:])
    found = trace(model, size)
    pairs = np.concatenate(found.ties, axis=1) if found.ties else np.zeros((2, 0), dtype=np.int64)
    unit_of = connected(pairs, found.channels)
    staying: dict[int, str] = {}
    for number, reason in sorted(found.reasons.items()):
        unit = int(unit_of[number])
        staying[unit] = reason if reason == NORMALISED else staying.get(unit, reason)
    joined = {int(unit_of[number]) for numbers in found.added for number in numbers}
    members = _members(found, unit_of, staying)
    inside, constant = gated(model, size), blind(model, size)
    groups = [
        group
        for group in _groups(found, members, joined, inside)
        if not any(name in constant for name, _ in group.producers)
    ]
    heads, refused = find_heads(model, size, {*layers_of(groups), *constant}, scope == "head_channels")
    made = {name for found_heads in heads for name in found_heads.sources}
    heads += find_between(model, size, {*layers_of(groups), *constant, *made})
    if scope == "embedding":
        streams, written = find_streams(model, size, found, unit_of)
        heads, refused = heads + streams, refused | written
    groups = _with_heads(heads, groups, found.order, inside)
    fixed = _fixed(model, groups, size)
    groups = [group for group in groups if group.name not in fixed]
    put_in_order(refused, found.order)
    producing = {name for group in groups for name, _ in group.producers}
    reasons = {}
    for name in found.order:
        if name not in producing:
            said = refused.get(name) or staying.get(int(unit_of[found.sites[name, "out"][0]]))
            reasons[name] = said or (BLIND if name in constant else FIXED)
    return Analysis(groups, found.order, reasons)


def _with_heads(found: Sequence[Heads], groups: list[UnitGroup], order: list[str], gates: set[str]) -> list[UnitGroup]:
    """The groups with those of heads among them, in the order of execution; `order` gains layers that are missing."""
    taken = [part for group in groups for part in group.slices]
    own = list(groups)
    for heads in found:
        if heads.projection not in order or overlapping(heads, taken):
            continue
        for name in heads.sources:  # a layer whose weight the module's own code applies was not seen to be called
            if name not in order:
                order.insert(order.index(heads.projection), name)
        rank = {name: place for place, name in enumerate(order)}
        sources = sorted(heads.sources, key=rank.__getitem__)
        rows = {part.owner: part.index for part in heads.slices if part.role == "out"}
        size = len(heads.slices[0].index)
        own.append(
            UnitGroup(
                name=sources[0],
                kind=heads.kind,
                size=size,
                producers=tuple(Producer(name, rows[name]) for name in sources),
                slices=heads.slices,
                residual=heads.kind == "embedding",
                original=torch.arange(size),
                gate=all(name in gates for name in sources),
            )
        )
    rank = {name: place for place, name in enumerate(order)}
    return sorted(own, key=lambda group: rank[group.producers[0].layer])


def _fixed(model: nn.Module, groups: list[UnitGroup], input_size: tuple[int, ...]) -> set[str]:
    """Names of groups that cannot shrink because the forward pass counts on their size, as in `x.view(-1, 320)`.

    Found by running the network, without values, with the first unit of every group gone; of each alone if that fails.
    """
    shadow = ghost(model)
    dtype = next((parameter.dtype for parameter in shadow.parameters()), torch.float32)
    image = torch.empty(2, *input_size, device="meta", dtype=dtype)

    def runs(tried: list[UnitGroup]) -> bool:
        gone: dict[Site, list[Tensor]] = defaultdict(list)
        for group in tried:
            for part in group.slices:
                gone[part.owner, part.role].append(part.index[0])
        staying = {}
        for site, index in gone.items():
            staying[site] = others(site_size(owner_of(shadow, *site), site[1]), torch.cat(index))
        try:
            with torch.no_grad():
                return bool(cut(shadow, staying)(image).shape[0] == 2)
        except Exception:  # whatever the network's own code raises at an unexpected size
            return False

    shrinking = [group for group in groups if group.size > 1]
    if runs(shrinking):
        return set()
    return {group.name for group in shrinking if not runs([group])}


def _members(found: Trace, unit_of: np.ndarray, staying: dict[int, str]) -> dict[int, dict[Site, list[int]]]:
    """For each unit that can go: its channels at each site, sites in the order of execution of the layers."""
    rank = {name: place for place, name in enumerate(found.order)}
    sites = sorted(found.sites, key=lambda site: (rank.get(site[0], len(rank)), site))
    members: dict[int, dict[Site, list[int]]] = defaultdict(dict)
    for site in sites:
        first, size = found.sites[site]
        for channel in range(size):
            unit = int(unit_of[first + channel])
            if unit not in staying:
                members[unit].setdefault(site, []).append(channel)
    return {unit: places for unit, places in members.items() if any(role == "out" for _, role in places)}


def _groups(
    found: Trace, members: dict[int, dict[Site, list[int]]], joined: set[int], gates: set[str]
) -> list[UnitGroup]:
    """Units with the same number of channels at the same sites, put together; ordered by producer and first channel."""
    alike: dict[tuple, list[int]] = defaultdict(list)
    for unit, places in members.items():
        alike[tuple((site, len(channels)) for site, channels in places.items())].append(unit)
    rank = {name: place for place, name in enumerate(found.order)}
    groups: list[UnitGroup] = []
    used: dict[str, int] = defaultdict(int)
    ordered = []
    for signature, units in alike.items():
        sites = [site for site, _ in signature]
        first = min((site for site in sites if site[1] == "out"), key=lambda site: rank[site[0]])
        units.sort(key=lambda unit: members[unit][first][0])
        ordered.append((rank[first[0]], members[units[0]][first][0], first[0], sites, units))
    for _, _, name, sites, units in sorted(ordered, key=lambda entry: entry[:2]):
        used[name] += 1
        index = {site: torch.tensor([members[unit][site] for unit in units]) for site in sites}
        producers = tuple(Producer(site[0], index[site]) for site in sites if site[1] == "out")
        groups.append(
            UnitGroup(
                name=name if used[name] == 1 else f"{name}#{used[name]}",
                kind="neuron" if all(producer in found.collapsed for producer, _ in producers) else "filter",
                size=len(units),
                producers=producers,
                slices=tuple(Slice(owner, role, index[owner, role]) for owner, role in sites),
                residual=len(producers) > 1 and any(unit in joined for unit in units),
                original=torch.arange(len(units)),
                gate=all(producer in gates for producer, _ in producers),
            )
        )
    return groups
