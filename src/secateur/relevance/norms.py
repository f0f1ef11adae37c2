"""Norms over channels, with the deviation that they divide by as a constant (AttnLRP, arXiv:2402.05602, eq. 14).

What is left is linear: subtracting the mean, and scaling. Batch-norm has running statistics and is a map of its own.
"""

from typing import Any

import torch
from torch import Tensor


class HeldLayerNorm(torch.autograd.Function):
    """PyTorch's layer norm, whose backward pass takes the deviation for a constant; in as many passes as its own."""

    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, shape: tuple[int, ...], weight: Tensor | None, bias: Tensor | None, epsilon: float
    ) -> Tensor:
        outputs, _, scale = torch.native_layer_norm(inputs, shape, weight, bias, epsilon)
        ctx.dims = tuple(range(-len(shape), 0))
        ctx.save_for_backward(weight, scale)
        return outputs

    @staticmethod
    def backward(ctx: Any, multiplier: Tensor) -> tuple[Tensor | None, ...]:
        weight, scale = ctx.saved_tensors
        down = multiplier if weight is None else multiplier * weight
        return (down - down.mean(ctx.dims, keepdim=True)).mul_(scale.to(down.dtype)), None, None, None, None


def normed(name: str, arguments: dict[str, Any]) -> Tensor:
    """`layer_norm`, `rms_norm`, `group_norm` or `instance_norm`, by the input's own statistics; arguments by name."""
    inputs, weight, bias = arguments["input"], arguments.get("weight"), arguments.get("bias")
    default = torch.finfo(inputs.dtype).eps if name == "rms_norm" else 1e-5
    epsilon = default if arguments.get("eps") is None else arguments["eps"]
    if name == "layer_norm":
        shape = tuple(arguments["normalized_shape"])
        return HeldLayerNorm.apply(inputs, shape, weight, bias, epsilon)  # type: ignore[no-any-return]
    values = inputs
    if name == "rms_norm":
        dims = tuple(range(-len(arguments["normalized_shape"]), 0))
    else:
        groups = arguments["num_groups"] if name == "group_norm" else inputs.shape[1]
        values, dims = inputs.reshape(inputs.shape[0], groups, -1), (-1,)
        values = values - values.mean(dims, keepdim=True)
        shape = (1, -1) + (1,) * (inputs.dim() - 2)
        weight, bias = (None if tensor is None else tensor.reshape(shape) for tensor in (weight, bias))
    deviation = (values.detach().square().mean(dims, keepdim=True) + epsilon).sqrt_()
    values = (values / deviation).reshape(inputs.shape)
    if weight is not None:
        values = values * weight
    return values if bias is None else values + bias
