"""Everything that one layer's output channels lead to in torch-pruning's graph, channel by channel, in bounded time.

The library's own search does not end on networks that write into a slice of a tensor (ReXNet): an index moves on with
every round of a loop. Here no pair of channels is followed twice from a step, and a search that comes back to a step
far too often is given up, with the reason that the layer's channels cannot be followed.
"""

from collections import defaultdict
from typing import Any, NamedTuple

import numpy as np
import torch_pruning
from torch import nn
from torch_pruning.dependency import Node

from secateur.pruning.graph import unsized
from secateur.pruning.operations import KINDS, is_layer, layer_size

GROWTH = 8  # times the widest layer: as many channels at a step as no network that can be pruned has
VISITS = 40  # of one step of the graph before the search is given up; networks that can be pruned need a few
NOT_PASSED = (KINDS.SLICE, KINDS.UNBIND, KINDS.EXPAND)  # channels that end here stay; their indices are not followed


class Place(NamedTuple):
    """A step of the graph that channels reach: `channels` there come from the layer's output channels `roots`."""

    node: Node
    handler: Any
    channels: np.ndarray
    roots: np.ndarray


def closure(graph: torch_pruning.DependencyGraph, module: nn.Module, size: int) -> tuple[list[Place], bool]:
    """All places that the `size` output channels of `module` reach, itself first, and whether the search ended."""
    start = graph.get_pruner_of_module(module).prune_out_channels
    if is_layer(module) and 1 < size == getattr(module, "groups", 1):
        start = torch_pruning.prune_depthwise_conv_out_channels
    every = np.arange(size, dtype=np.int64)
    # A pair of channel and root is one number: channel * size + root.
    reached: dict[tuple[Node, Any], np.ndarray] = defaultdict(lambda: np.zeros(0, dtype=np.int64))
    visits: dict[tuple[Node, Any], int] = defaultdict(int)
    widest = max(layer_size(other, role) for other in graph.module2node if is_layer(other) for role in ("in", "out"))
    stack = [(graph.module2node[module], start, every, every)]
    ended = True
    while stack:
        node, handler, channels, roots = stack.pop()
        key = (node, handler)
        new = np.setdiff1d(channels * size + roots, reached[key])
        if not len(new):
            continue
        reached[key] = np.concatenate([reached[key], new])
        visits[key] += 1
        # A view that is no flattening (as in efficient channel attention) lets channels multiply with every round.
        if visits[key] > VISITS or len(reached[key]) > GROWTH * widest:
            ended = False
            break
        if node.type in NOT_PASSED or unsized(node):
            continue
        for dependency in node.dependencies:
            if dependency.is_triggered_by(handler):
                channels, roots = new // size, new % size
                mappings = [mapping for mapping in dependency.index_mapping if mapping is not None]
                if not all(_sound(mapping) for mapping in mappings):
                    ended = False
                    continue
                for mapping in mappings:
                    channels, roots = _mapped(mapping, channels, roots)
                if len(channels) > GROWTH * widest:  # before they are sorted, which takes seconds
                    ended = False
                elif len(channels):
                    stack.append((dependency.target, dependency.handler, channels, roots))
    places = [Place(node, handler, pairs // size, pairs % size) for (node, handler), pairs in reached.items()]
    return places, ended


def _sound(mapping: Any) -> bool:
    """Whether a mapping says where channels go: the library writes down nonsense for some views and splits."""
    kind = type(mapping).__name__
    if kind == "_FlattenIndexMapping":
        return int(mapping._stride) >= 1
    return kind not in ("_ConcatIndexMapping", "_SplitIndexMapping") or len(mapping.offset) == 2


def _mapped(mapping: Any, channels: np.ndarray, roots: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Channels and their roots after one of torch-pruning's mappings of indices."""
    kind = type(mapping).__name__
    if kind == "_FlattenIndexMapping":
        stride = mapping._stride
        if mapping.reverse:
            return channels // stride, roots
        return (channels[:, None] * stride + np.arange(stride)).ravel(), np.repeat(roots, stride)
    if kind in ("_ConcatIndexMapping", "_SplitIndexMapping"):
        low, high = mapping.offset
        if mapping.reverse == (kind == "_SplitIndexMapping"):
            return channels + low, roots
        inside = (channels >= low) & (channels < high)
        return channels[inside] - low, roots[inside]
    return channels[:0], roots[:0]  # belongs to a kind of step that is not passed
