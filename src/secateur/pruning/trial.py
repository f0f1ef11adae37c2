"""Trying out a module on its own: a copy with random numbers, whole and smaller, with attention fused and not."""

import copy
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn

from secateur.models import devices
from secateur.pruning.tracing import ghost

NEAR = 1e-8
"""Of the largest output, in float64: how far a module without a unit may be from the one with it silent."""
Given = tuple[tuple[Any, ...], dict[str, Any], int]
"""Arguments of a module's first call in a pass of one sample, on the meta device, and how often it is called."""


class Trial:
    """A copy of a module with random numbers, in float64, on the CPU, in evaluation mode, and arguments for it."""

    def __init__(self, module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        generator = torch.Generator().manual_seed(0)
        with devices.fork_rng():
            self.twin = _random(module, generator)
        self._args, self._kwargs = _drawn(args, generator), _drawn(dict(kwargs), generator)
        self._fused: list[Any] = [part for part in self.twin.modules() if hasattr(part, "fused_attn")]

    def runs(self, smaller: Callable[[nn.Module], nn.Module]) -> bool:
        """Whether what `smaller` makes of the module runs at all."""
        try:
            with torch.no_grad():
                self._output(smaller(self.twin))
        except Exception:  # as in `agrees`
            return False
        return True

    def agrees(
        self,
        smaller: Callable[[nn.Module], nn.Module],
        silent: Callable[[nn.Module], AbstractContextManager[object]],
    ) -> bool:
        """Whether what `smaller` makes of the module gives what the module gives while `silent` holds.

        Where that is no other than what it gives as a whole, nothing was tried: then the answer is no.
        """
        try:
            with torch.no_grad():
                for way in (False, True) if self._fused else (None,):
                    for part in self._fused:
                        part.fused_attn = way
                    made, whole = smaller(self.twin), self._output(self.twin)
                    with silent(self.twin):
                        expected = self._output(self.twin)
                    difference = float((self._output(made) - expected).abs().max())
                    if torch.equal(whole, expected) or not difference <= NEAR * float(expected.abs().max()):
                        return False
        except Exception:  # whatever a module's own code raises at an unexpected number of heads or channels
            return False
        return True

    def _output(self, module: nn.Module) -> Tensor:
        return _first(module(*self._args, **self._kwargs))


def calls(model: nn.Module, names: set[str], input_size: tuple[int, ...]) -> dict[str, Given]:
    """Those of the modules `names` that a pass calls -> how. The model is not run with values."""
    shadow = ghost(model)
    found: dict[str, Given] = {}

    def watch(name: str) -> Callable[[nn.Module, tuple[Any, ...], dict[str, Any]], None]:
        def seen(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            first = found.get(name, (args, kwargs, 0))
            found[name] = (first[0], first[1], first[2] + 1)

        return seen

    for name in names:
        shadow.get_submodule(name).register_forward_pre_hook(watch(name), with_kwargs=True)
    dtype = next((parameter.dtype for parameter in shadow.parameters()), torch.float32)
    with torch.no_grad():
        shadow(torch.empty(1, *input_size, device="meta", dtype=dtype))
    return found


def form(module: nn.Module, args: Any, kwargs: Any) -> Any:
    """What decides whether a module carries fewer heads: its class, numbers and shapes, and those of its arguments."""
    shapes = tuple((name, tuple(tensor.shape)) for name, tensor in module.state_dict().items())
    numbers = tuple(
        (name, key, value)
        for name, part in module.named_modules()
        for key, value in sorted(vars(part).items())
        if isinstance(value, (int, float, str, bool)) and key != "training"
    )
    classes = tuple(type(part) for part in module.modules())
    return classes, shapes, numbers, str(_told(args)), str(_told(kwargs))


def _told(value: Any) -> Any:
    """Arguments with tensors as their shapes."""
    if isinstance(value, Tensor):
        return tuple(value.shape), value.dtype
    if isinstance(value, list | tuple):
        return [_told(item) for item in value]
    return {key: _told(item) for key, item in value.items()} if isinstance(value, dict) else value


def _random(module: nn.Module, generator: torch.Generator) -> nn.Module:
    """A copy of a module on the CPU in float64 and evaluation mode, its numbers drawn at random."""
    memo: dict[int, Any] = {}
    for tensor in [*module.parameters(), *module.buffers()]:
        values = torch.zeros(tensor.shape, dtype=tensor.dtype) if tensor.is_meta else tensor.detach().cpu()
        if tensor.is_floating_point() and (tensor.ndim or isinstance(tensor, nn.Parameter)):  # a buffer's is a setting
            values = torch.empty(tensor.shape, dtype=torch.float64).uniform_(-0.5, 0.5, generator=generator)
        memo[id(tensor)] = nn.Parameter(values) if isinstance(tensor, nn.Parameter) else values
    twin: nn.Module = copy.deepcopy(module, memo)
    for part in twin.modules():
        if isinstance(getattr(part, "running_var", None), Tensor):
            part.running_var.uniform_(0.5, 1.5, generator=generator)  # type: ignore[union-attr, operator]
    twin.eval()  # timm's TinyViT has parts whose own `train` returns nothing
    return twin


def _drawn(value: Any, generator: torch.Generator) -> Any:
    """Arguments of the same shapes with random numbers; what is not a floating-point number is 1 or True."""
    if isinstance(value, Tensor):
        if value.is_floating_point():
            return torch.randn(value.shape, dtype=torch.float64, generator=generator)
        return torch.ones(value.shape, dtype=value.dtype)
    if isinstance(value, list | tuple):
        return type(value)(_drawn(item, generator) for item in value)
    return {key: _drawn(item, generator) for key, item in value.items()} if isinstance(value, dict) else value


def _first(outputs: Any) -> Tensor:
    return _first(outputs[0]) if isinstance(outputs, list | tuple) else outputs
