"""The autograd functions through which the multiplier R/x flows: affine maps, activations, additions, factors.

Everything else (pooling, concatenation, reshaping, ReLU) needs no rule: where a function is homogeneous of degree
one, the multiplier's way back is the gradient's. So a backward pass of ordinary autograd through these functions,
started with R/f at the network's outputs, carries R/x to every tensor of the network.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from secateur.relevance.operators import Operator
from secateur.relevance.rules import Rule, hand_down, input_relevance

Collect = Callable[[Tensor], None]
KEPT = 2**18
"""Numbers of a folded weight up to which it is kept for the way back."""
RELU = "ReluBackward0"
"""Autograd's name of a tensor's maker that leaves nothing negative in it; an in-place change gives it another maker."""


class Affine(torch.autograd.Function):
    """An affine map whose backward pass hands down relevance by a rule, or the plain gradient where the rule is None.

    `anchor` is a scalar that requires a gradient: it makes the backward pass reach the first layer although the
    network's input requires none, so that the transposed convolution down to the input is never computed.
    `parameters()` gives weight and bias; large ones are made anew on the way back, so that folded weights do not pile
    up in memory.
    `collect(signal)`, if any, gets the relevance (or, without a rule, the gradient) at the outputs on the way back;
    `absorb(relevance)` what the bias keeps of it, in all; `collect_read(relevance)` what the inputs get of it.
    """

    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        anchor: Tensor,
        parameters: Callable[[], tuple[Tensor, Tensor | None]],
        operator: Operator,
        rule: Rule | None,
        collect: Collect | None,
        collect_input: Collect | None,
        absorb: Collect | None,
        collect_read: Collect | None,
    ) -> Tensor:
        del anchor
        weight, bias = parameters()
        outputs = operator.apply(inputs, weight, bias)
        ctx.operator, ctx.rule, ctx.collect, ctx.collect_input = operator, rule, collect, collect_input
        ctx.absorb, ctx.collect_read = absorb, collect_read
        ctx.parameters = (lambda: (weight, bias)) if weight.numel() <= KEPT else parameters
        ctx.signed = False if inputs.grad_fn is not None and inputs.grad_fn.name() == RELU else None
        ctx.save_for_backward(inputs, outputs)
        return outputs

    @staticmethod
    def backward(ctx: Any, multiplier: Tensor) -> tuple[Tensor | None, ...]:
        inputs, outputs = ctx.saved_tensors
        signal = multiplier if ctx.rule is None else outputs * multiplier  # in the memory format of the outputs
        if ctx.collect is not None:
            ctx.collect(signal)
        down = None
        if ctx.needs_input_grad[0]:
            weight, bias = ctx.parameters()
            if ctx.rule is None:
                down = ctx.operator.transpose(multiplier, weight, inputs)
            elif ctx.collect_input is not None:
                ctx.collect_input(input_relevance(ctx.rule, ctx.operator, inputs, weight, outputs, bias, signal))
            else:
                down = hand_down(ctx.rule, ctx.operator, inputs, weight, bias, outputs, signal, ctx.signed, ctx.absorb)
        if ctx.collect_read is not None and down is not None:
            ctx.collect_read(inputs * down)
        return (down, *[None] * 8)


class Activation(torch.autograd.Function):
    """An element-wise function with f(0) = 0: the factor f(x)/x lets relevance pass unchanged."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
        ctx.function = function
        outputs = function(inputs)
        ctx.save_for_backward(inputs, outputs)
        return outputs

    @staticmethod
    def backward(ctx: Any, multiplier: Tensor) -> tuple[Tensor, None]:
        inputs, outputs = ctx.saved_tensors
        # At 0, where 0/0 gives NaN, the factor is its limit, the slope, taken here a little beside 0.
        beside = torch.tensor(torch.finfo(inputs.dtype).eps, dtype=inputs.dtype)
        slope = float(ctx.function(beside) / beside)
        return torch.div(outputs, inputs).nan_to_num_(nan=slope).mul_(multiplier), None


class Addition(torch.autograd.Function):
    """The sum of two tensors of one shape, whose relevance is split by positive parts only or by absolute value.

    positive: R_a = R a⁺ / (a⁺ + b⁺);  absolute: R_a = R |a| / (|a| + |b|).  The split by value, R_a = R a / (a + b),
    is the ordinary gradient of an addition and needs no function.
    """

    @staticmethod
    def forward(ctx: Any, first: Tensor, second: Tensor, split: str, epsilon: float) -> Tensor:
        ctx.split, ctx.epsilon = split, epsilon
        ctx.save_for_backward(first, second)
        return first + second

    @staticmethod
    def backward(ctx: Any, multiplier: Tensor) -> tuple[Tensor | None, ...]:
        first, second = ctx.saved_tensors
        if ctx.split == "positive":
            weights = [(value > 0).to(value.dtype) for value in (first, second)]
            total = first.clamp(min=0) + second.clamp(min=0)
        else:
            weights = [torch.sign(value) for value in (first, second)]
            total = first.abs() + second.abs()
        share = multiplier * (first + second) / total.add_(ctx.epsilon)
        needed = zip(weights, ctx.needs_input_grad[:2], strict=True)
        return (*[weight.mul_(share) if needs else None for weight, needs in needed], None, None)


class Share(torch.autograd.Function):
    """A tensor as it is, whose way back hands down a share of the multiplier: what a factor gets of a product."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, share: float) -> Tensor:
        ctx.share = share
        return inputs.view_as(inputs)

    @staticmethod
    def backward(ctx: Any, multiplier: Tensor) -> tuple[Tensor, None]:
        return multiplier * ctx.share, None
