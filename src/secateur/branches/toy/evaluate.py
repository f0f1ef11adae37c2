"""Accuracy of many pruned networks at once: each removal set is evaluated on the really smaller layers.

What is shared between removal sets is computed once: the first hidden layer's activations and the second layer's
pre-activations of the unpruned network. The second layer of a pruned network is then either the sum over the neurons
that are left or the full sum less the removed ones, whichever is shorter. Where no ReLU follows the third layer, it and
the output are one linear map.

Samples are evaluated in tiles of neighbours in the plane: a ReLU neuron is silent on a half-plane or more, so on one
tile about half of all neurons are silent for every sample, and their products, exact zeros, are left out. Each set's
arithmetic depends on that set alone, so results do not depend on which sets are evaluated together.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

TILE = 512
"""Most samples of a tile: fewer leave out more neurons, but make the products too small to be fast."""


@dataclass(frozen=True)
class HiddenLayers:
    """Weights of a network of the study, and whether a ReLU follows its third hidden layer."""

    weights: tuple[Tensor, ...]
    biases: tuple[Tensor, ...]
    third_relu: bool

    @property
    def hidden(self) -> int:
        """Neurons of each hidden layer."""
        return self.weights[0].shape[0]


class Tile(NamedTuple):
    """Samples near one another, by their positions, and the unpruned network on them: neurons × samples.

    `first` is the first hidden layer after its ReLU, `second` the second before; `speaking` says which of the first
    layer's neurons are above 0 for any of the samples.
    """

    samples: Tensor
    first: Tensor
    second: Tensor
    speaking: Tensor


@dataclass(frozen=True)
class Prepared:
    """Samples to evaluate on, with what all removal sets share; weights are stored in × out."""

    layers: HiddenLayers
    second_weight: Tensor
    third_weight: Tensor
    tiles: tuple[Tile, ...]
    labels: Tensor
    sections: tuple[slice, ...]


def layers_of(model: nn.Sequential) -> HiddenLayers:
    """The weights of a network made by `mlp.build` (views, not copies)."""
    linear = [module for module in model if isinstance(module, nn.Linear)]
    return HiddenLayers(
        tuple(module.weight.detach() for module in linear),
        tuple(module.bias.detach() for module in linear),
        "relu3" in dict(model.named_children()),
    )


def prepare(layers: HiddenLayers, sets: Iterable[tuple[Tensor, Tensor]]) -> Prepared:
    """Samples of several evaluation sets, each (inputs N × 2, labels N), put behind one another."""
    pairs = list(sets)
    ends = torch.tensor([len(labels) for _, labels in pairs]).cumsum(0).tolist()
    sections = tuple(slice(end - len(labels), end) for end, (_, labels) in zip(ends, pairs, strict=True))
    inputs = torch.cat([inputs for inputs, _ in pairs])
    tiles = []
    for samples in neighbours(inputs, TILE):
        first = torch.addmm(layers.biases[0][:, None], layers.weights[0], inputs[samples].T).relu_()
        second = torch.addmm(layers.biases[1][:, None], layers.weights[1], first)
        tiles.append(Tile(samples, first, second, first.amax(1) > 0))
    weights = [layers.weights[layer].T.contiguous() for layer in (1, 2)]
    return Prepared(layers, weights[0], weights[1], tuple(tiles), torch.cat([labels for _, labels in pairs]), sections)


def neighbours(inputs: Tensor, most: int) -> list[Tensor]:
    """Positions of `inputs` (N × 2) in groups of at most `most` that lie together: halved along the longer side."""
    todo, done = [torch.arange(len(inputs))], []
    while todo:
        samples = todo.pop()
        if len(samples) <= most:
            done.append(samples)
            continue
        extent = inputs[samples].amax(0) - inputs[samples].amin(0)
        along = inputs[samples, int(extent.argmax())].argsort(stable=True)
        todo += samples[along].tensor_split(2)
    return done


def logits(prepared: Prepared, removed: Tensor) -> Tensor:
    """Outputs of the network without the `removed` neurons.

    Args:
        prepared: from `prepare`.
        removed: Boolean, one entry a hidden neuron, in the order of the layers (3 · hidden).

    Returns:
        classes × samples, float32.
    """
    layers = prepared.layers
    gone, *others = removed.view(3, layers.hidden)
    left2, left3 = [(~mask).nonzero().squeeze(1) for mask in others]
    weight2 = prepared.second_weight.index_select(1, left2)
    weight3 = prepared.third_weight.index_select(0, left2).index_select(1, left3)
    bias2, bias3 = layers.biases[1][left2, None], layers.biases[2][left3, None]
    output, bias = layers.weights[3].index_select(1, left3), layers.biases[3][:, None]
    if not layers.third_relu:
        weight3, bias = weight3 @ output.T, output @ bias3 + bias
    result = torch.empty(len(bias), len(prepared.labels))
    for samples, first, second, speaking in prepared.tiles:
        less, more = [mask.nonzero().squeeze(1) for mask in (gone & speaking, ~gone & speaking)]
        if len(less) <= len(more):
            hidden = second.index_select(0, left2)
            hidden.addmm_(weight2.index_select(0, less).T, first.index_select(0, less), alpha=-1)
        else:
            hidden = torch.addmm(bias2, weight2.index_select(0, more).T, first.index_select(0, more))
        heard = (hidden.relu_().amax(1) > 0).nonzero().squeeze(1)
        hidden, weight = hidden.index_select(0, heard), weight3.index_select(0, heard).T
        if layers.third_relu:
            hidden, weight = torch.addmm(bias3, weight, hidden).relu_(), output
        result[:, samples] = torch.addmm(bias, weight, hidden)
    return result


def accuracies(prepared: Prepared, removals: Iterable[Tensor], known: dict[bytes, list[float]]) -> list[list[float]]:
    """Accuracy of every removal set on every evaluation set.

    Args:
        prepared: from `prepare`.
        removals: Boolean masks as `logits` takes them.
        known: results by removal set; equal sets are evaluated once, and new results are added here. Must belong to
            the same `prepared`.

    Returns:
        One list a removal set: accuracies in [0, 1], in the order of the evaluation sets.
    """
    measured = []
    for removed in removals:
        key = removed.numpy().tobytes()
        if key not in known:
            right = (logits(prepared, removed).argmax(0) == prepared.labels).to(torch.float64)
            known[key] = [float(right[section].mean()) for section in prepared.sections]
        measured.append(known[key])
    return measured
