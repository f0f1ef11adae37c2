"""What affine layers read: their calls under observation, and the rows that a call multiplies by its weight."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from secateur.models import devices
from secateur.relevance.vocabulary import AFFINE, arguments_of, plain_name

Seen = Callable[[Tensor, dict[str, Any], Tensor], None]
"""Is told the weight, the call's arguments by name, and its result, before the network can change either in place."""


class Watch(TorchFunctionMode):
    """Tells `seen` of every convolution and linear map of a forward pass that applies one of `weights` as it is."""

    def __init__(self, weights: Iterable[Tensor], seen: Seen) -> None:
        super().__init__()
        self._weights, self._seen = {id(weight): weight for weight in weights}, seen

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        del types
        result = func(*args, **(kwargs or {}))
        name, _ = plain_name(func)
        if AFFINE.get(name) in ("convolution", "linear"):
            arguments = arguments_of(func, name, args, kwargs or {})
            if id(arguments["weight"]) in self._weights:
                self._seen(arguments["weight"], arguments, result)
        return result


def rows_of(arguments: dict[str, Any]) -> list[Tensor]:
    """What each convolution group's filters multiply: rows × inputs of a filter, float64 (patches; vectors if linear).

    A row's inputs are in the order of the weight's, flattened behind its first axis; rows are in the order of samples,
    then positions.
    """
    values = double(arguments["input"])
    if "stride" not in arguments:
        return [values.reshape(-1, values.shape[-1])]
    spans = arguments["weight"].shape[2:]
    steps = [_per_axis(arguments[name], len(spans)) for name in ("stride", "dilation")]
    values = functional.pad(values, _padding(arguments["padding"], spans, steps[1]))
    for axis, (span, stride, dilation) in enumerate(zip(spans, *steps, strict=True)):
        values = values.unfold(2 + axis, dilation * (span - 1) + 1, stride)[..., ::dilation]
    samples, groups = values.shape[0], arguments["groups"]
    values = values.reshape(samples, groups, -1, *values.shape[2:])
    axes = range(3, 3 + len(spans))
    values = values.permute(1, 0, *axes, 2, *(axis + len(spans) for axis in axes))
    inputs = values.shape[2 + len(spans) :].numel()
    return list(values.reshape(groups, -1, inputs))


def double(values: Tensor) -> Tensor:
    """The same numbers as float64, on the CPU where their device has none."""
    return (values if devices.of(values.device).double_precision else values.cpu()).double()


def _per_axis(value: int | tuple[int, ...], axes: int) -> tuple[int, ...]:
    return (value,) * axes if isinstance(value, int) else tuple(value)


def _padding(padding: Any, spans: torch.Size, dilations: tuple[int, ...]) -> list[int]:
    """What `functional.pad` takes: the last axis first, before and after."""
    if padding == "same":
        totals = [dilation * (span - 1) for span, dilation in zip(spans, dilations, strict=True)]
        sides = [(total // 2, total - total // 2) for total in totals]
    else:
        width = 0 if padding == "valid" else padding
        sides = [(side, side) for side in _per_axis(width, len(spans))]
    return [side for pair in reversed(sides) for side in pair]
