"""Passes beside those of relevance: gradients of weights, Hessian product, synaptic flow, removal unit by unit."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from secateur.errors import SecateurError
from secateur.pruning.masking import masked
from secateur.pruning.units import UnitGroup
from secateur.ranking.consumers import Consumer
from secateur.relevance.calls import Plan
from secateur.relevance.execution import Execution
from secateur.relevance.passes import TARGETS, choose
from secateur.relevance.undisturbed import undisturbed


def map_shapes(model: nn.Module, plan: Plan, layers: Sequence[str], example: Tensor) -> dict[str, tuple[int, ...]]:
    """Layer -> the dimensions of its output beside samples and channels: (height, width), (tokens,) or ()."""
    execution = Execution(plan, {place for layer in layers for place in plan.of_layer(layer)})
    with undisturbed(model), torch.inference_mode(False), torch.no_grad():
        execution.result(model, example.detach().clone())
    shapes = {}
    for layer in layers:
        place = plan.of_layer(layer)[0]
        shape = execution.outputs[place].shape
        shapes[layer] = tuple(shape[1:-1] if plan.calls[place].kind == "linear" else shape[2:])
    return shapes


def parameters_of(model: nn.Module, layers: Sequence[str]) -> dict[str, nn.Parameter]:
    """The weight of each layer; SecateurError where it is computed (parametrised), so that it has no gradient."""
    weights = {}
    for layer in layers:
        weight = model.get_submodule(layer).weight
        if not isinstance(weight, nn.Parameter):
            raise SecateurError(
                f"Layer {layer!r}: its weight is computed by a parametrisation, so it has no gradient of its own. "
                "Remove the parametrisation first (torch.nn.utils.parametrize.remove_parametrizations)."
            )
        weights[layer] = weight
    return weights


def weight_gradients(
    model: nn.Module, layers: Sequence[str], inputs: Tensor, labels: Tensor, of: str, temperature: float = 1.0
) -> dict[str, Tensor]:
    """Layer -> gradient of the batch's summed loss (or true-class logit) by its weight, in the weight's shape."""
    with undisturbed(model), torch.inference_mode(False), torch.enable_grad():
        weights = _asking(parameters_of(model, layers))
        target = _target(model, inputs, labels, of, temperature)
        return dict(zip(layers, torch.autograd.grad(target, list(weights.values())), strict=True))


def hessian_product(
    model: nn.Module, vectors: Mapping[str, Tensor], inputs: Tensor, labels: Tensor, temperature: float
) -> dict[str, Tensor]:
    """Layer -> H v: the Hessian of the batch's summed loss by the layers' weights, times `vectors` (weights' shape)."""
    plain = sdpa_kernel(SDPBackend.MATH)  # the other ways of fused attention have no second derivative
    with undisturbed(model), torch.inference_mode(False), torch.enable_grad(), plain:
        weights = list(_asking(parameters_of(model, list(vectors))).values())
        target = _target(model, inputs, labels, "loss", temperature)
        gradients = torch.autograd.grad(target, weights, create_graph=True)
        along = torch.stack([(g * v).sum() for g, v in zip(gradients, vectors.values(), strict=True)]).sum()
        return dict(zip(vectors, torch.autograd.grad(along, weights), strict=True))


def synaptic_flow(model: nn.Module, layers: Sequence[str], shape: Sequence[int]) -> dict[str, Tensor]:
    """Layer -> |w| ∂R/∂|w| in the weight's shape, float64: R is what comes out of an image of ones.

    The network is the one of absolute weights without biases: batch-norm becomes the factor |γ|/σ. `shape`: of one
    input, without the dimension for samples.
    """
    absolute: dict[str, Tensor] = {}
    for prefix, module in model.named_modules():
        for name, tensor in [*module.named_parameters(prefix, False), *module.named_buffers(prefix, False)]:
            kind = name.rpartition(".")[2]
            if not tensor.is_floating_point():
                continue
            values = tensor.detach().double()
            absolute[name] = torch.zeros_like(values) if kind in ("bias", "running_mean") else values.abs()
    weights = {layer: absolute[f"{layer}.weight"] for layer in parameters_of(model, layers)}
    device = next(iter(weights.values())).device
    with undisturbed(model), torch.inference_mode(False), torch.enable_grad():
        _asking(weights)
        ones = torch.ones(1, *shape, dtype=torch.float64, device=device)
        flow = torch.func.functional_call(model, absolute, (ones,)).sum()
        gradients = torch.autograd.grad(flow, list(weights.values()))
    return {layer: weight.detach() * slope for (layer, weight), slope in zip(weights.items(), gradients, strict=True)}


def removal_losses(model: nn.Module, groups: Sequence[UnitGroup], batches: list[tuple[Tensor, Tensor]]) -> list[Tensor]:
    """For each group: how much the mean cross-entropy changes when one of its units is silent (size, float64, CPU).

    One forward pass a unit and batch: the price of the truth.
    """
    with undisturbed(model), torch.inference_mode(False), torch.no_grad():
        whole = _mean_loss(model, batches)
        changes = []
        for group in groups:
            losses = []
            for unit in range(group.size):
                with masked(model, [group], {group.name: [unit]}):
                    losses.append(_mean_loss(model, batches))
            changes.append(torch.tensor(losses, dtype=torch.float64) - whole)
    return changes


def gate_gradients(
    model: nn.Module, groups: Sequence[UnitGroup], consumers: Sequence[Consumer], inputs: Tensor, labels: Tensor
) -> dict[str, Tensor]:
    """Group -> gradient of each sample's cross-entropy by the gates of its units, samples × units.

    A gate is a factor, 1, that multiplies a unit wherever a consumer reads it.
    """
    hooks = []
    with undisturbed(model), torch.inference_mode(False), torch.enable_grad():
        try:
            gates = {group.name: inputs.new_ones(len(inputs), group.size, requires_grad=True) for group in groups}
            for consumer in consumers:
                hook = partial(_gated, consumer.inputs, gates[consumer.group])
                hooks.append(model.get_submodule(consumer.layer).register_forward_pre_hook(hook))
            loss = F.cross_entropy(model(inputs), labels, reduction="sum")
            slopes = torch.autograd.grad(loss, list(gates.values()), materialize_grads=True)
        finally:
            for handle in hooks:
                handle.remove()
    return dict(zip(gates, slopes, strict=True))


def gates_of_makers(groups: Sequence[UnitGroup], signals: Mapping[str, tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
    """Group -> each sample's gradient by gates, 1, of all that makes the units: samples × units.

    `signals`: layer -> its outputs and their gradients, each samples × channels × positions.
    """
    by_layer = {layer: (outputs * slopes).sum(2) for layer, (outputs, slopes) in signals.items()}
    return {
        group.name: torch.stack([by_layer[layer][:, channels].sum(2) for layer, channels in group.producers]).sum(0)
        for group in groups
    }


def _gated(channels: Tensor, gates: Tensor, module: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """What a module is given, with some input channels (units × channels a unit) times gates (samples × units)."""
    values = given[0]
    axis = values.ndim - 1 if isinstance(module, nn.Linear) else 1
    places = channels.flatten().to(values.device)
    factors = gates.repeat_interleave(len(values) // len(gates), 0)  # windows of a sample lie one after another
    factors = factors.repeat_interleave(channels.shape[1], 1)
    every = gates.new_ones(len(values), values.shape[axis]).index_copy(1, places, factors)
    shape = [len(values), *(size if place == axis else 1 for place, size in enumerate(values.shape) if place)]
    return (values.clone() * every.reshape(shape), *given[1:])  # a clone: the network may go on to change its own


def _mean_loss(model: nn.Module, batches: list[tuple[Tensor, Tensor]]) -> float:
    total = sum(float(F.cross_entropy(model(x).double(), labels, reduction="sum")) for x, labels in batches)
    return total / sum(len(labels) for _, labels in batches)


def _target(model: nn.Module, inputs: Tensor, labels: Tensor, of: str, temperature: float) -> Tensor:
    choose("of", of, TARGETS)
    logits = model(inputs) / temperature
    if of == "logit":
        return logits.gather(1, labels.unsqueeze(1)).sum()
    return F.cross_entropy(logits, labels, reduction="sum")


def _asking(weights: dict[str, Any]) -> dict[str, Any]:
    """The same weights, now asking for gradients; `undisturbed` takes that back."""
    for weight in weights.values():
        weight.requires_grad_(True)
    return weights
