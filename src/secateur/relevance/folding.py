"""Batch-norm in evaluation mode as a scale and a shift, and folded into the layer before it."""

from typing import Any

import torch
from torch import Tensor

from secateur.relevance.operators import Operator


def scale_and_shift(norm: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """The factor and the constant of each channel; `norm`: the arguments of `functional.batch_norm` by name."""
    mean, variance = norm["running_mean"].detach(), norm["running_var"].detach()
    factors = torch.rsqrt(variance + norm.get("eps", 1e-5))
    if norm.get("weight") is not None:
        factors = factors * norm["weight"].detach()
    shift = -mean * factors
    if norm.get("bias") is not None:
        shift = shift + norm["bias"].detach()
    return factors, shift


def folded(
    operator: Operator, weight: Tensor, bias: Tensor | None, norm: dict[str, Any] | None
) -> tuple[Tensor, Tensor | None]:
    """Weight and bias of a convolution or linear layer together with the batch-norm after it (None: without)."""
    weight, bias = weight.detach(), None if bias is None else bias.detach()
    if norm is None:
        return weight, bias
    factors, shift = scale_and_shift(norm)
    return operator.scaled(weight, factors), shift if bias is None else shift + factors * bias
