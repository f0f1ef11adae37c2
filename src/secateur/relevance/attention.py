"""Rules for softmax attention, products of signals, and what signals are divided by.

In terms of the multiplier m = R/x they need next to no code. With s = softmax(x), the rule of AttnLRP,

    Rᵢ = xᵢ (R′ᵢ − sᵢ Σⱼ R′ⱼ)  with R′ = s m′,   is   mᵢ = sᵢ (m′ᵢ − Σⱼ sⱼ m′ⱼ),

the ordinary gradient; and a product shared half and half, R_a = R_b = R/2, hands half of the gradient to each factor.
So fused attention keeps its own backward pass: values get ½ of the gradient, queries and keys ¼. Under CP-LRP
attention weights are constants: values get all of it, queries and keys nothing.
Sources: Achtibat et al., AttnLRP, ICML 2024, arXiv:2402.05602, eq. 7, 9, 12 and 14 (attnlrp; norms by identity); Ali et
al., XAI for transformers, ICML 2022, arXiv:2202.07304 (cp; norms by identity).
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from secateur.relevance.functions import Share
from secateur.relevance.rules import Rule


def softmax(rule: Rule, function: Callable, args: tuple, kwargs: dict) -> Tensor:
    """A softmax under a rule of attention; under `cp` its result is a constant."""
    result: Tensor = function(*args, **kwargs)
    return result.detach() if rule.name == "cp" else result


def fused(rule: Rule, function: Callable, given: dict[str, Any]) -> Tensor:
    """Fused attention under a rule; `given`: the arguments of `scaled_dot_product_attention` by name."""
    query, key, value, mask = given["query"], given["key"], given["value"], given.get("attn_mask")
    weighing = query.requires_grad or key.requires_grad or (mask is not None and mask.requires_grad)
    if rule.name == "cp":
        query, key, mask = query.detach(), key.detach(), None if mask is None else mask.detach()
    elif weighing:
        half = 0.5 if value.requires_grad else 1.0
        value = shared(value, half)
        mask = None if mask is None else shared(mask, half)
        part = half / 2 if query.requires_grad and key.requires_grad else half
        query, key = shared(query, part), shared(key, part)
    return function(**given | {"query": query, "key": key, "value": value, "attn_mask": mask})  # type: ignore[no-any-return]


def product(function: Callable, args: tuple, kwargs: dict) -> Any:
    """A product of two signals, of which each gets half of the relevance; a signal's square is one with itself."""
    return function(*(_half(value) for value in args), **{key: _half(value) for key, value in kwargs.items()})


def shared(tensor: Tensor, share: float) -> Tensor:
    """`tensor` as it is; its way back hands down `share` of the multiplier. Constants stay what they are."""
    return Share.apply(tensor, share) if tensor.requires_grad and share != 1 else tensor  # type: ignore[no-any-return]


def normalised(input: Tensor, p: float = 2.0, dim: Any = 1, eps: float = 1e-12) -> Tensor:
    """`torch.nn.functional.normalize` with the norm as a constant."""
    return input / torch.linalg.vector_norm(input.detach(), p, dim, keepdim=True).clamp_min(eps)


def _half(value: Any) -> Any:
    if isinstance(value, Tensor):
        return shared(value, 0.5)
    if isinstance(value, list | tuple):
        return type(value)(_half(item) for item in value)
    return value
