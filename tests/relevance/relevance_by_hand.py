"""The rules of relevance written out literally, contribution by contribution, for small chains: the second oracle.

Nothing is shared with the engine: the contribution of every input to every output is a number in a matrix, found by
sending each unit vector through the layer, and the shares of relevance are sums over that matrix.
"""

import torch
from torch import Tensor, nn


def matrix(layer: nn.Module, shape: torch.Size) -> Tensor:
    """The linear map of a layer without its bias, as a matrix: outputs × inputs, for inputs of `shape`."""
    count = shape.numel()
    with torch.no_grad():
        shift = layer(torch.zeros(1, *shape, dtype=torch.float64))
        columns = layer(torch.eye(count, dtype=torch.float64).reshape(count, *shape)) - shift
    return columns.reshape(count, -1).T


def shares(rule: str, inputs: Tensor, weights: Tensor, bias: Tensor, relevance: Tensor, epsilon: float) -> Tensor:
    """Relevance of one sample's flat inputs from that of its flat outputs; `bias` is zeros where it is ignored."""
    contributions = weights * inputs
    outputs = contributions.sum(1) + bias
    positive = contributions.clamp(min=0)
    negative = contributions.clamp(max=0)
    up = positive.sum(1) + bias.clamp(min=0)
    down = negative.sum(1) + bias.clamp(max=0)
    result = torch.zeros_like(inputs)
    for j in range(len(outputs)):
        if rule == "epsilon":
            sign = -1 if outputs[j] < 0 else 1
            result += contributions[j] / (outputs[j] + sign * epsilon) * relevance[j]
        elif rule == "zplus":
            result += positive[j] / (up[j] + epsilon) * relevance[j]
        elif rule == "alpha2beta1":
            result += 2 * positive[j] / (up[j] + epsilon) * relevance[j]
            result -= negative[j] / (down[j] - epsilon) * relevance[j]
        elif rule == "gamma":
            if outputs[j] > 0:
                result += (contributions[j] + 0.25 * positive[j]) / (outputs[j] + 0.25 * up[j] + epsilon) * relevance[j]
            elif outputs[j] < 0:
                result += (
                    (contributions[j] + 0.25 * negative[j]) / (outputs[j] + 0.25 * down[j] - epsilon) * relevance[j]
                )
        elif rule == "flat":
            connected = (weights[j] != 0).double()
            result += connected / (connected.sum() + epsilon) * relevance[j]
        elif rule == "zbox":
            box = contributions[j] + 3 * weights[j].clamp(min=0) - 3 * weights[j].clamp(max=0)
            result += box / (box.sum() + epsilon) * relevance[j]
        else:
            raise ValueError(rule)
    return result


def chain_relevance(
    layers: list[nn.Module], inputs: Tensor, label: int, rules: list[str], absorb: bool, epsilon: float = 1e-6
) -> list[Tensor]:
    """Relevance of one sample before each layer of a chain and at its end: len(layers) + 1 tensors, from 1 at `label`.

    `rules`: one a layer; layers without a weight are activations (relevance passes), flattening, or max-pooling (the
    largest input gets all).
    """
    values = [inputs]
    with torch.no_grad():
        for layer in layers:
            values.append(layer(values[-1]))
    relevance = torch.zeros_like(values[-1])
    relevance[0, label] = 1
    found = [relevance]
    for layer, before, rule in zip(reversed(layers), reversed(values[:-1]), reversed(rules), strict=True):
        if hasattr(layer, "weight"):
            weights = matrix(layer, before.shape[1:])
            with torch.no_grad():
                bias = layer(torch.zeros_like(before)).flatten() * absorb
            relevance = shares(rule, before.flatten(), weights, bias, relevance.flatten(), epsilon)
        elif isinstance(layer, nn.MaxPool2d):
            _, indices = nn.functional.max_pool2d(before, layer.kernel_size, layer.stride, return_indices=True)
            spread = torch.zeros(before.shape[1], before[0, 0].numel(), dtype=torch.float64)
            relevance = spread.scatter_add_(1, indices.flatten(2)[0], relevance.reshape(before.shape[1], -1))
        relevance = relevance.reshape(before.shape)
        found.append(relevance)
    return found[::-1]
