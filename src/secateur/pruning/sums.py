"""Norms that divide by a sum over channels: a channel goes exactly, as a silent one adds nothing to the sum.

Root-mean-square norms (Zhang and Sennrich, 2019) divide by √(Σx²/C + ε), global response normalisation (Woo et al.,
ConvNeXt V2, 2023) by Σ‖x‖/C + ε. With channels gone, C falls and the sum does not: the norm's weights times √(C before
/ C after), or times that ratio itself, and ε times the ratio, give what the whole norm gives with these channels zero.
A layer norm subtracts the mean over its channels, also from those that stay, and cannot be put right (`embedding`).
"""

from typing import Any

import torch
from torch import nn

POWERS = {"GlobalResponseNorm": 1.0, "RmsNorm": 0.5, "RmsNorm2d": 0.5, "RMSNorm": 0.5}
"""Class -> power of the ratio of widths by which its weights grow."""


def sums(module: Any) -> bool:
    """Whether a module is such a norm, with a weight of one axis and an ε by which it can be put right."""
    weight, eps = getattr(module, "weight", None), getattr(module, "eps", None)
    return _power(module) > 0 and weight is not None and weight.ndim == 1 and type(eps) is float


def correct(norm: Any, before: int) -> None:
    """Put a norm right whose channels were cut, and that had `before` of them."""
    ratio = before / norm.weight.numel()
    with torch.no_grad():
        norm.weight.mul_(ratio ** _power(norm))
    norm.eps *= ratio


def axis(norm: Any, dimensions: int) -> int:
    """The axis of the channels in a norm's input of so many dimensions."""
    stated = getattr(norm, "channel_dim", 1 if any(kind.__name__ == "RmsNorm2d" for kind in type(norm).__mro__) else -1)
    return int(stated) % dimensions


def stated(model: nn.Module) -> dict[str, dict[str, Any]]:
    """What the shapes of a network's weights do not say: ε of these norms, and in how many groups a convolution works.

    Module → name → value. Depthwise convolutions are left out, whose groups are their channels.
    """
    found: dict[str, dict[str, Any]] = {}
    for name, module in model.named_modules():
        if sums(module):
            found[name] = {"eps": module.eps}
        elif 1 < getattr(module, "groups", 1) < getattr(module, "out_channels", 0):
            found[name] = {"groups": module.groups}
    return found


def _power(module: Any) -> float:
    return next((POWERS[kind.__name__] for kind in type(module).__mro__ if kind.__name__ in POWERS), 0.0)
