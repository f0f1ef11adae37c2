"""One pass through a network without its weights: which channels of which layers hang together, and which must stay.

The structure comes from torch-pruning's DependencyGraph (Fang et al., "DepGraph: Towards Any Structural Pruning", 2023)
and nothing else of that library is used. What is traced is a ghost of the network: the same modules with tensors on the
meta device, so that neither weights nor memory are touched.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch_pruning
from torch import Tensor, nn

from secateur.errors import SecateurError
from secateur.pruning import operations
from secateur.pruning.closure import closure
from secateur.pruning.duplication import duplicate
from secateur.pruning.graph import build
from secateur.pruning.operations import BATCH_NORMS, Node, is_layer, layer_size

UNFOLLOWED = "torch-pruning, which finds the structure, cannot follow this network"
Site = tuple[str, str]  # (module or parameter, "out" | "in" | "channels" | "parameter")


@dataclass
class Trace:
    """What one pass found: every channel a number, every site a range of them, ties as pairs, and reasons to stay."""

    sites: dict[Site, tuple[int, int]] = field(default_factory=dict)  # site -> (its first channel's number, channels)
    ties: list[np.ndarray] = field(default_factory=list)  # arrays of 2 × pairs
    reasons: dict[int, str] = field(default_factory=dict)  # channel's number -> why it must stay
    order: list[str] = field(default_factory=list)  # convolutions and linear modules as they are executed
    collapsed: set[str] = field(default_factory=set)  # those with one position at any image size
    added: list[np.ndarray] = field(default_factory=list)  # numbers of channels that an addition joins
    channels: int = 0

    def first(self, key: Site, size: int) -> int:
        """Number of a site's first channel; the site is entered if it is new."""
        if key not in self.sites:
            self.sites[key] = (self.channels, size)
            self.channels += size
        return self.sites[key][0]

    def numbers(self, key: Site) -> np.ndarray:
        """Numbers of all the channels of a site."""
        first, size = self.sites[key]
        return np.arange(first, first + size)

    def stay(self, numbers: np.ndarray, reason: str) -> None:
        """Note that channels must stay; the first reason counts."""
        for number in numbers.tolist():
            self.reasons.setdefault(number, reason)


def ghost(model: nn.Module) -> nn.Module:
    """Copy of `model` in eval mode whose tensors have shapes but no values (meta device); costs milliseconds."""
    memo: dict[int, Any] = {}
    for tensor in [*model.parameters(), *model.buffers()]:
        empty = torch.empty_like(tensor, device="meta")
        if isinstance(tensor, nn.Parameter):
            empty = nn.Parameter(empty, requires_grad=tensor.is_floating_point())
        memo[id(tensor)] = empty
    return duplicate(model, memo).eval()


def trace(model: nn.Module, input_size: tuple[int, ...]) -> Trace:
    """Trace `model` at `input_size` (channels × height × width, or features) and tie channels that go together.

    Where torch-pruning cannot follow the network, nothing is tied and every layer stays, with that reason. Raises
    SecateurError when the network cannot be run on one such sample.
    """
    shadow = ghost(model)
    dtype = next((parameter.dtype for parameter in shadow.parameters()), torch.float32)
    image = torch.empty(1, *input_size, device="meta", dtype=dtype, requires_grad=True)
    found = Trace()
    calls: dict[str, int] = {}
    shapes: dict[int, torch.Size] = {}

    def watch(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def seen(module: nn.Module, values: tuple[Tensor, ...]) -> None:
            calls[name] = calls.get(name, 0) + 1
            shapes[id(module)] = values[0].shape
            if calls[name] == 1 and is_layer(module):
                found.order.append(name)

        return seen

    for name, module in shadow.named_modules():
        if is_layer(module) or isinstance(module, BATCH_NORMS):
            module.register_forward_pre_hook(watch(name))
    try:
        graph = build(shadow, image)
    except Exception as error:
        _run(shadow, image, type(model).__name__, found.order, calls)
        for name in found.order:
            found.first((name, "out"), layer_size(shadow.get_submodule(name), "out"))
            found.stay(found.numbers((name, "out")), f"{UNFOLLOWED} ({type(error).__name__}: {str(error)[:100]})")
        return found
    known: dict[int, bool] = {}
    for name in found.order:  # as executed, so that each walk back ends at a layer whose answer is known
        node = graph.module2node.get(shadow.get_submodule(name))
        if node is not None and operations.at_one_position(node, shapes, known):
            found.collapsed.add(name)
    _follow(found, graph, shadow, image, shapes)
    _tie_convolution_groups(found, shadow)
    for name, count in calls.items():
        for site in [key for key in found.sites if key[0] == name and count > 1]:
            found.stay(found.numbers(site), f"{name} is used {count} times in one pass")
    return found


def connected(pairs: np.ndarray, count: int) -> np.ndarray:
    """For each of `count` channels the number of the connected set it is in, by the ties `pairs` (2 × ties).

    Numbers rise with the sets' first channels. (scipy has this, but the library does without scipy.)
    """
    first = np.arange(count)  # of each channel: the lowest channel that it is known to be tied to
    one, other = pairs
    while True:
        before = first
        lowest = np.minimum(first[one], first[other])
        first = first.copy()
        for ends in (first[one], first[other], one, other):
            np.minimum.at(first, ends, lowest)
        while not np.array_equal(first, first[first]):
            first = first[first]
        if np.array_equal(first, before):
            return np.unique(first, return_inverse=True)[1]


def _run(shadow: nn.Module, image: Tensor, network: str, order: list[str], calls: dict[str, int]) -> None:
    """Pass the image through the network, to see its layers called; SecateurError where it does not run."""
    order.clear()
    calls.clear()
    try:
        with torch.no_grad():
            shadow(image)
    except Exception as error:
        raise SecateurError(
            f"{network}: its structure cannot be traced at input size {tuple(image.shape[1:])} "
            f"({type(error).__name__}: {str(error)[:200]}). Check the input size; a network whose forward pass depends "
            "on the values of its input cannot be pruned."
        ) from None


def _follow(
    found: Trace,
    graph: torch_pruning.DependencyGraph,
    shadow: nn.Module,
    image: Tensor,
    shapes: dict[int, torch.Size],
) -> None:
    """Tie every layer's output channels to all the places that they reach."""
    names = {id(module): name for name, module in shadow.named_modules()}
    names |= {id(parameter): name for name, parameter in shadow.named_parameters()}
    covered: dict[Site, np.ndarray] = {}
    for root in found.order:
        module = shadow.get_submodule(root)
        size = layer_size(module, "out")
        own = (root, "out")
        first = found.first(own, size)
        if module not in graph.module2node:
            found.stay(found.numbers(own), "without effect on the output")
            continue
        if own in covered and covered[own].all():
            continue  # an earlier layer's channels led to all of these, and back
        reached, ended = closure(graph, module, size)
        reason, joined = None if ended else "its channels cannot be followed through the network", False
        places = [(place, _sites(place.node, place.handler, graph, names)) for place in reached]
        channels_last = any(
            isinstance(place.node.module, nn.Linear) and len(shapes[id(place.node.module)]) > 2
            for place, sites in places
            if any(role == "out" for (_, role), _ in sites)
        )
        for place, sites in places:
            consumed = [role for (_, role), _ in sites] == ["in"]
            said = operations.objection(place.node, consumed, channels_last, image)
            reason = said if said == operations.NORMALISED else reason or said
            joined = joined or operations.is_addition(place.node)
            for key, channels in sites:
                if place.channels.max(initial=-1) >= channels or place.channels.min(initial=0) < 0:
                    reason = reason or f"channels are not matched one to one at {key[0]}"
                    continue
                covered.setdefault(key, np.zeros(channels, bool))[place.channels] = True
                found.ties.append(np.stack([first + place.roots, found.first(key, channels) + place.channels]))
        if reason:
            found.stay(found.numbers(own), reason)
        if joined:
            found.added.append(found.numbers(own))
    for key in found.sites:
        if key[1] == "in" and not covered[key].all():
            # Part of this layer's input has an origin that was not followed, so the order of the rest is not sure.
            found.stay(found.numbers(key), f"part of the input of {key[0]} was not followed")


def _sites(
    node: Node, handler: object, graph: torch_pruning.DependencyGraph, names: dict[int, str]
) -> list[tuple[Site, int]]:
    """Where a step of the graph removes channels, with the number of channels there; nothing without weights."""
    module = node.module
    name = names.get(id(module))
    if name is None:
        return []
    if isinstance(module, nn.Parameter):
        return [((name, "parameter"), int(module.shape[node.pruning_dim]))]
    if is_layer(module):
        roles = ["out"] if graph.is_out_channel_pruning_fn(handler) else []
        roles += ["in"] if graph.is_in_channel_pruning_fn(handler) else []
        return [((name, role), layer_size(module, role)) for role in roles]
    if isinstance(module, BATCH_NORMS):
        return [((name, "channels"), module.num_features)]
    if isinstance(module, nn.LayerNorm) and module.weight is not None and len(module.normalized_shape) == 1:
        return [((name, "channels"), module.normalized_shape[0])]
    if isinstance(module, nn.PReLU) and module.num_parameters > 1:
        return [((name, "channels"), module.num_parameters)]
    return []


def _tie_convolution_groups(found: Trace, shadow: nn.Module) -> None:
    """Tie all input and output channels of each group of a grouped convolution, so that it goes as a whole or stays.

    A depthwise convolution is the case of one channel a group. Single channels cannot go: they would leave groups of
    unequal size, which no convolution can express.
    """
    for name in found.order:
        module = shadow.get_submodule(name)
        groups = int(getattr(module, "groups", 1))  # type: ignore[arg-type]
        if groups > 1:
            for role in ("out", "in"):
                found.first((name, role), layer_size(module, role))
            numbers = [found.numbers((name, role)).reshape(groups, -1) for role in ("out", "in")]
            together = np.concatenate(numbers, axis=1)
            heads = np.repeat(together[:, :1], together.shape[1], axis=1)
            found.ties.append(np.stack([heads.ravel(), together.ravel()]))
