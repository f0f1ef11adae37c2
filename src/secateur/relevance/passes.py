"""The three passes over one batch: outputs, gradients and relevance of the layers, batch-norm folded in."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from secateur.errors import SecateurError
from secateur.relevance.calls import Plan
from secateur.relevance.composites import Specification, assign
from secateur.relevance.execution import Execution
from secateur.relevance.ruled import Ruled
from secateur.relevance.rules import Rule
from secateur.relevance.undisturbed import undisturbed

ADDITIONS = ("value", "positive", "absolute")
STARTS = ("one-hot", "logit", "softmax-contrast")
TARGETS = ("logit", "loss")


class Propagation(NamedTuple):
    """How relevance goes through a network.

    `rule`: a preset, a rule or a composite (see `composites.assign`). `start`: what it starts from at the logits
    (`start_of`). `additions`: how an addition splits it, by "value", by "positive" parts only, or by "absolute" value.
    `bias`: whether biases "absorb" relevance or "ignore" it, for all rules; None leaves it to each rule.
    """

    rule: Specification = "zplus"
    start: str = "one-hot"
    additions: str = "value"
    bias: str | None = None


def choose(option: str, value: str, allowed: tuple[str, ...]) -> None:
    """Raise SecateurError unless `value` is one of the allowed values of `option`."""
    if value not in allowed:
        raise SecateurError(f"{option}={value!r}: not known. Choose one of {', '.join(allowed)}.")


def outputs_pass(model: nn.Module, plan: Plan, layers: list[str], inputs: Tensor) -> dict[str, Tensor]:
    """Outputs of each layer after its batch-norm: samples × channels × positions."""
    execution = Execution(plan, places_of(plan, layers))
    with undisturbed(model), torch.inference_mode(False), torch.no_grad():
        execution.result(model, inputs.detach().clone())
    execution.check_untouched()
    return {layer: by_channel(plan, layer, execution.outputs, len(inputs)) for layer in layers}


def gradients_pass(
    model: nn.Module, plan: Plan, layers: list[str], inputs: Tensor, labels: Tensor, of: str
) -> dict[str, tuple[Tensor, Tensor]]:
    """Outputs of each layer and the gradients of `of` with respect to them, each samples × channels × positions.

    `of` = "logit": the true class's logit; "loss": the sample's cross-entropy (a sum over the batch, so that no
    sample's gradient depends on the batch). Gradients with respect to weights are not computed.
    """
    choose("of", of, TARGETS)
    execution = Execution(plan, places_of(plan, layers))
    logits = forward(model, execution, inputs, labels)
    with torch.enable_grad():
        target = logits.gather(1, labels.unsqueeze(1)).sum()
        if of == "loss":
            target = F.cross_entropy(logits, labels, reduction="sum")
    backward(execution, target, None)
    execution.check_untouched()
    outputs, gradients = (
        {layer: by_channel(plan, layer, found, len(inputs)) for layer in layers}
        for found in (execution.outputs, execution.signals)
    )
    return {layer: (outputs[layer], gradients[layer]) for layer in layers}


def relevance_pass(
    model: nn.Module,
    plan: Plan,
    layers: list[str],
    inputs: Tensor,
    labels: Tensor,
    how: Propagation,
    at_input: bool = False,
    reading: bool = False,
) -> dict[str, Tensor]:
    """Relevance at the output of each layer, samples × channels × positions; layers inside a gate have none (zeros).

    With `reading`, that of what each layer reads, samples × input channels × positions. With `at_input`, the key ""
    has the relevance of the network's input, in the input's shape.
    """
    execution = Ruled(plan, places_of(plan, layers), chosen(plan, how), how.additions)
    execution.reading = reading
    logits = forward(model, execution, inputs, labels, at_input)
    multiplier = start_of(logits.detach(), labels, how.start)
    below = backward(execution, logits, multiplier)
    relevance = {layer: by_channel(plan, layer, execution.signals, len(inputs)) for layer in layers}
    if at_input:
        assert execution.network_input is not None
        ordinary = torch.zeros_like(inputs) if below is None else below * execution.network_input.detach()
        relevance[""] = sum(execution.at_input, ordinary)
    return relevance


def chosen(plan: Plan, how: Propagation) -> list[Rule]:
    """The rule of each call of the plan; a SecateurError for an unknown `start`, `additions`, `rule` or `bias`."""
    choose("start", how.start, STARTS)
    choose("additions", how.additions, ADDITIONS)
    return assign(how.rule, [call.kind for call in plan.calls], how.bias)


def start_of(logits: Tensor, labels: Tensor, start: str) -> Tensor:
    """The multiplier R/f at the logits f.

    one-hot: R = 1 at the true class; logit: R = f there; softmax-contrast: R = p(1−p) there and −p pⱼ at the others,
    the gradient of the softmax (Iwana et al., ICCVW 2019).
    """
    true = F.one_hot(labels, logits.shape[1]).to(logits.dtype)
    if start == "logit":
        return true
    relevance = true
    if start == "softmax-contrast":
        probabilities = logits.softmax(1)
        relevance = probabilities.gather(1, labels.unsqueeze(1)) * (true - probabilities)
    tiny = torch.finfo(logits.dtype).tiny ** 0.5
    return relevance / torch.where(logits.abs() < tiny, tiny, logits)


def forward(model: nn.Module, execution: Execution, inputs: Tensor, labels: Tensor, at_input: bool = False) -> Tensor:
    """The logits of a batch, in a graph that reaches every affine map."""
    with undisturbed(model), torch.inference_mode(False), torch.enable_grad():
        inputs = inputs.detach().clone().requires_grad_(at_input)
        execution.anchor = torch.zeros((), device=inputs.device, dtype=inputs.dtype, requires_grad=True)
        execution.network_input = inputs
        logits = execution.result(model, inputs)
    if not isinstance(logits, Tensor) or logits.dim() != 2 or not logits.is_floating_point():
        found = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise SecateurError(f"The network returns {found}, not one row of logits a sample. Give a classifier.")
    if labels.numel() and int(labels.max()) >= logits.shape[1]:
        raise SecateurError(f"Label {int(labels.max())} is beyond the network's {logits.shape[1]} classes.")
    if isinstance(execution, Ruled):
        execution.check_exact(logits)
    return logits


def backward(execution: Execution, target: Tensor, multiplier: Tensor | None) -> Tensor | None:
    """Run the way back; returns the multiplier at the network's input where that was asked for."""
    assert execution.anchor is not None and execution.network_input is not None
    ends = [execution.anchor]
    if execution.network_input.requires_grad:
        ends.append(execution.network_input)
    try:
        found = torch.autograd.grad(target, ends, multiplier, allow_unused=True)
    except RuntimeError as error:
        if "inplace operation" in str(error):
            raise SecateurError(
                "The network overwrites part of a layer's output (as in x[...] = y), which the way back still needs. "
                "Write that change without an in-place assignment."
            ) from None
        raise
    execution.complete()
    return found[1] if len(ends) > 1 else None


def places_of(plan: Plan, layers: list[str]) -> set[int]:
    """The plan's calls of some layers, by their places in it."""
    return {place for layer in layers for place in plan.of_layer(layer)}


def by_channel(plan: Plan, layer: str, signals: dict[int, Tensor], samples: int) -> Tensor:
    """A layer's signals as samples × channels × positions; all calls of a shared layer one after another.

    Where a layer is called on windows of the samples (windows × ..., those of a sample one after another), a sample's
    positions are those of all its windows.
    """
    parts = []
    for place in plan.of_layer(layer):
        signal = signals[place]
        if plan.calls[place].kind != "linear":
            signal = signal.flatten(2).transpose(1, 2) if signal.dim() > 2 else signal.unsqueeze(1)
        if signal.shape[0] % samples:
            raise SecateurError(f"Layer {layer!r} mixes samples: {signal.shape[0]} rows for {samples} samples.")
        parts.append(signal.reshape(samples, -1, signal.shape[-1]).transpose(1, 2))
    return parts[0] if len(parts) == 1 else torch.cat(parts, 2)
