"""The autograd functions through which the multiplier R/x flows: affine maps, activations, additions, factors.

Everything else (pooling, concatenation, reshaping, ReLU) needs no rule: where a function is homogeneous of degree
one, the multiplier's way back is the gradient's. So a backward pass of ordinary autograd through these functions,
started with R/f at the network's outputs, carries R/x to every tensor of the network.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from secateur.relevance.operators import Operator
from secateur.relevance.rules import AffineMap, Rule, input_relevance, propagate

Collect = Callable[[Tensor], None]
RELU = "ReluBackward0"
"""Autograd's name of a tensor's maker that leaves nothing negative in it; an in-place change gives it another maker."""


class WayBack(NamedTuple):
    """An affine map, how relevance passes it on the way back, and who is told of it there.

    `parameters()` gives weight and bias, on the way there and again on the way back. Without a `rule` the way back is
    the plain gradient's.
    `collect(signal)`, if any, gets the relevance (or, without a rule, the gradient) at the outputs;
    `collect_input(relevance)` that of the network's input from a rule that gives no multiplier;
    `absorb(relevance)` what the bias keeps, in all; `collect_read(relevance)` what the inputs get.
    """

    operator: Operator
    parameters: Callable[[], tuple[Tensor, Tensor | None]]
    rule: Rule | None
    collect: Collect | None
    collect_input: Collect | None
    absorb: Collect | None
    collect_read: Collect | None


class Affine(torch.autograd.Function):
    """An affine map whose backward pass hands down relevance by a rule, or the plain gradient where the rule is None.

    `anchor` is a scalar that requires a gradient: it makes the backward pass reach the first layer although the
    network's input requires none, so that the transposed convolution down to the input is never computed.
    """

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, anchor: Tensor, way: WayBack) -> Tensor:
        del anchor
        weight, bias = way.parameters()
        outputs = way.operator.apply(inputs, weight, bias)
        ctx.way = way
        ctx.signed = False if inputs.grad_fn is not None and inputs.grad_fn.name() == RELU else None
        ctx.save_for_backward(inputs, outputs)
        return outputs

    @staticmethod
    def backward(ctx: Any, multiplier: Tensor) -> tuple[Tensor | None, ...]:
        inputs, outputs = ctx.saved_tensors
        way: WayBack = ctx.way
        signal = multiplier if way.rule is None else outputs * multiplier  # in the memory format of the outputs
        if way.collect is not None:
            way.collect(signal)
        down = None
        if ctx.needs_input_grad[0]:
            weight, bias = way.parameters()
            affine = AffineMap(way.operator, inputs, weight, bias, outputs)
            if way.rule is None:
                down = way.operator.transpose(multiplier, weight, inputs)
            elif way.collect_input is not None:
                way.collect_input(input_relevance(way.rule, affine, signal))
            else:
                down = propagate(way.rule, affine, signal, ctx.signed, way.absorb)
        if way.collect_read is not None and down is not None:
            way.collect_read(inputs * down)
        return down, None, None


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
