"""DeepLIFT's rescale rule: contributions to the difference from a reference input, carried back as multipliers Δf/Δx.

Affine maps hand multipliers down as gradients; so do pooling by averages, additions and concatenations. Element-wise
functions and max pooling see the sample and its reference together and hand down the slope of the line through both.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from secateur.relevance.calls import Plan
from secateur.relevance.execution import Execution
from secateur.relevance.passes import backward, by_channel, forward, places_of
from secateur.relevance.vocabulary import CLAMPS, FACTORS, GATES, NORMS, PRODUCTS

ELEMENTWISE = {*FACTORS, *CLAMPS, *GATES, "relu", "leaky_relu", "prelu"}
NEAR = 1e-7  # where sample and reference are nearer than this, the slope is the derivative


def differences_pass(
    model: nn.Module, plan: Plan, layers: list[str], inputs: Tensor, references: Tensor, labels: Tensor
) -> dict[str, tuple[Tensor, Tensor]]:
    """Layer -> (output minus the reference's, multiplier), each samples × channels × positions.

    Their product, summed over any layer that cuts the network in two, is the difference of the true class's logits.
    `references`: in the shape of `inputs`.
    """
    execution = _Differences(plan, places_of(plan, layers))
    samples = len(inputs)
    alike = torch.empty_like(inputs).copy_(references)  # in the same memory format, which the two together then have
    logits = forward(model, execution, torch.cat([inputs, alike]), labels.repeat(2))
    with torch.enable_grad():
        target = logits[:samples].gather(1, labels.unsqueeze(1)).sum()
    backward(execution, target, None)
    execution.check_untouched()
    found = {}
    for layer in layers:
        outputs = by_channel(plan, layer, execution.outputs, 2 * samples)
        multipliers = by_channel(plan, layer, execution.signals, 2 * samples)[:samples]
        found[layer] = (outputs[:samples] - outputs[samples:], multipliers)
    return found


class _Differences(Execution):
    """A pass over samples and, after them in the same batch, their references."""

    def handle(self, function: Any, name: str, args: tuple, kwargs: dict) -> Any:
        signals = [tensor for tensor in self.tensors((args, kwargs)) if tensor.requires_grad]
        if (name in PRODUCTS and len(signals) == 2) or (name in NORMS and signals):
            raise self.refusal(f"uses {name}, for which DeepLIFT's rescale rule has no multiplier")
        if signals and args and args[0] is signals[0]:
            applied = partial(_with_first, function, args[1:], kwargs)
            if name in ELEMENTWISE:
                return _Slope.apply(args[0], applied, False)
            if "max_pool" in name:
                return _Slope.apply(args[0], applied, True)
        return function(*args, **kwargs)


def _with_first(function: Any, others: tuple, kwargs: dict, first: Tensor) -> Tensor:
    return function(first, *others, **kwargs)


class _Slope(torch.autograd.Function):
    """A function whose backward pass hands down Δf/Δx from sample to reference, and nothing to the reference."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, function: Callable[[Tensor], Tensor], pooling: bool) -> Tensor:
        outputs = function(inputs)
        ctx.function, ctx.pooling = function, pooling
        ctx.save_for_backward(inputs, outputs)
        return outputs

    @staticmethod
    def backward(ctx: Any, multiplier: Tensor) -> tuple[Tensor, None, None]:
        inputs, outputs = ctx.saved_tensors
        x, reference = inputs.chunk(2)
        step, rise = x - reference, torch.sub(*outputs.chunk(2))
        multiplier = multiplier.chunk(2)[0]
        plain = _pulled(ctx.function, x, multiplier)
        if ctx.pooling:  # a rise belongs to the sample's largest input, a fall to the reference's
            shared = _pulled(ctx.function, x, multiplier * rise.clamp(min=0))
            shared = shared + _pulled(ctx.function, reference, multiplier * rise.clamp(max=0))
        else:
            shared = multiplier * rise
        near = step.abs() < NEAR
        down = torch.where(near, plain, shared / torch.where(near, 1, step))
        return torch.cat([down, torch.zeros_like(down)]), None, None


def _pulled(function: Callable[[Tensor], Tensor], inputs: Tensor, gradient: Tensor) -> Tensor:
    """`gradient` at the function's outputs, carried to its inputs by the ordinary derivative."""
    with torch.enable_grad():
        inputs = inputs.detach().requires_grad_()
        return torch.autograd.grad(function(inputs), inputs, gradient)[0]
