"""Accuracy of many pruned networks at once: each removal set is evaluated on the really smaller layers.

What is shared between removal sets is computed once: the first hidden layer's activations and the second layer's
pre-activations of the unpruned network. The second layer of a pruned network is then either the sum over the neurons
that are left or the full sum less the removed ones, whichever is shorter. Where no ReLU follows the third layer, it and
the output are one linear map. Each set's arithmetic depends on that set alone, so results do not depend on which sets
are evaluated together.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Layers:
    """Weights of a network of the study, and whether a ReLU follows its third hidden layer."""

    weights: tuple[Tensor, ...]
    biases: tuple[Tensor, ...]
    third_relu: bool

    @property
    def hidden(self) -> int:
        """Neurons of each hidden layer."""
        return self.weights[0].shape[0]


@dataclass(frozen=True)
class Prepared:
    """Samples to evaluate on, with what all removal sets share; activations are stored neurons × samples."""

    layers: Layers
    first: Tensor
    second: Tensor
    labels: Tensor
    sections: tuple[slice, ...]


def layers_of(model: nn.Sequential) -> Layers:
    """The weights of a network made by `mlp.build` (views, not copies)."""
    linear = [module for module in model if isinstance(module, nn.Linear)]
    return Layers(
        tuple(module.weight.detach() for module in linear),
        tuple(module.bias.detach() for module in linear),
        "relu3" in dict(model.named_children()),
    )


def prepare(layers: Layers, sets: Iterable[tuple[Tensor, Tensor]]) -> Prepared:
    """Samples of several evaluation sets, each (inputs N × 2, labels N), put behind one another."""
    pairs = list(sets)
    ends = torch.tensor([len(labels) for _, labels in pairs]).cumsum(0).tolist()
    sections = tuple(slice(end - len(labels), end) for end, (_, labels) in zip(ends, pairs, strict=True))
    inputs = torch.cat([inputs for inputs, _ in pairs])
    first = torch.addmm(layers.biases[0][:, None], layers.weights[0], inputs.T).relu_()
    second = torch.addmm(layers.biases[1][:, None], layers.weights[1], first)
    return Prepared(layers, first, second, torch.cat([labels for _, labels in pairs]), sections)


def logits(prepared: Prepared, removed: Tensor) -> Tensor:
    """Outputs of the network without the `removed` neurons.

    Args:
        prepared: from `prepare`.
        removed: Boolean, one entry a hidden neuron, in the order of the layers (3 · hidden).

    Returns:
        classes × samples, float32.
    """
    layers = prepared.layers
    first, second, third = removed.view(3, layers.hidden)
    gone = first.nonzero().squeeze(1)
    left = [(~mask).nonzero().squeeze(1) for mask in (first, second, third)]
    weight2 = layers.weights[1].index_select(0, left[1])
    if len(gone) <= len(left[0]):
        hidden = prepared.second.index_select(0, left[1])
        hidden.addmm_(weight2.index_select(1, gone), prepared.first.index_select(0, gone), alpha=-1)
    else:
        hidden = torch.addmm(
            layers.biases[1][left[1], None], weight2.index_select(1, left[0]), prepared.first.index_select(0, left[0])
        )
    hidden.relu_()
    weight3 = layers.weights[2].index_select(0, left[2]).index_select(1, left[1])
    bias3 = layers.biases[2][left[2], None]
    output = layers.weights[3].index_select(1, left[2])
    if not layers.third_relu:
        return torch.addmm(output @ bias3 + layers.biases[3][:, None], output @ weight3, hidden)
    hidden = torch.addmm(bias3, weight3, hidden).relu_()
    return torch.addmm(layers.biases[3][:, None], output, hidden)


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
    found = []
    for removed in removals:
        key = removed.numpy().tobytes()
        if key not in known:
            right = (logits(prepared, removed).argmax(0) == prepared.labels).to(torch.float64)
            known[key] = [float(right[section].mean()) for section in prepared.sections]
        found.append(known[key])
    return found
