"""Gates: layers whose outputs reach the network's output as factors of other signals alone, as in squeeze-and-excite.

Such a layer carries no signal: it says by how much a channel of another layer counts. Rules that share out a signal
(relevance) give its units nothing by definition, so that a ranking by them says nothing about it.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from secateur.pruning.operations import is_layer
from secateur.pruning.tracing import ghost

SQUASHING = ("SigmoidBackward", "HardsigmoidBackward")
"""Autograd's names of the functions whose result is a gate, however many numbers it has."""
VIEWS = ("View", "UnsafeView", "Unsqueeze", "Squeeze", "Expand", "Permute", "Transpose", "Reshape", "Alias", "Clone")
"""Steps behind which a gate is still one."""


def gated(model: nn.Module, input_size: tuple[int, ...]) -> set[str]:
    """Names of the convolutions and linear modules of `model` that are inside a gate.

    In a product of two signals the gate is a sigmoid's output, or else the factor that has fewer numbers: the rule by
    which relevance passes products (relevance/execution.py). Two signals of one size are no gates. A layer is inside a
    gate where every way from it to the output leads through one.

    Args:
        model: neither run with values nor changed.
        input_size: channels × height × width, or features.
    """
    shadow = ghost(model)
    dtype = next((parameter.dtype for parameter in shadow.parameters()), torch.float32)
    results: dict[str, list[Any]] = {}

    def watch(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def seen(_: nn.Module, __: Any, output: Any) -> None:
            if isinstance(output, Tensor) and output.grad_fn is not None:
                results.setdefault(name, []).append(output.grad_fn)

        return seen

    for name, module in shadow.named_modules():
        if is_layer(module):
            module.register_forward_hook(watch(name))
    with torch.enable_grad():
        outputs = shadow(torch.empty(1, *input_size, device="meta", dtype=dtype, requires_grad=True))
    carrying = _carrying([tensor.grad_fn for tensor in _tensors(outputs)])
    return {name for name, steps in results.items() if not any(step in carrying for step in steps)}


def blind(model: nn.Module, input_size: tuple[int, ...]) -> set[str]:
    """Names of the layers of `model` that read nothing of the image, as MLPs that make position biases of constants.

    Arguments as of `gated`.
    """
    shadow = ghost(model).requires_grad_(False)
    seeing: dict[str, bool] = {}

    def watch(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def seen(_: nn.Module, __: Any, output: Any) -> None:
            seeing[name] = seeing.get(name, False) or (isinstance(output, Tensor) and output.requires_grad)

        return seen

    for name, module in shadow.named_modules():
        if is_layer(module):
            module.register_forward_hook(watch(name))
    dtype = next((parameter.dtype for parameter in shadow.parameters()), torch.float32)
    with torch.enable_grad():
        shadow(torch.empty(1, *input_size, device="meta", dtype=dtype, requires_grad=True))
    return {name for name, sees in seeing.items() if not sees}


def _carrying(ends: list[Any]) -> set[Any]:
    """Autograd's steps from which a signal gets to the output otherwise than as a gate."""
    found: set[Any] = set()
    waiting = [step for step in ends if step is not None]
    while waiting:
        step = waiting.pop()
        if step in found:
            continue
        found.add(step)
        waiting += [before for place, (before, _) in enumerate(step.next_functions) if before and place != _gate(step)]
    return found


def _gate(step: Any) -> int | None:
    """Which of a product's two factors is a gate; None where none is, and for all other steps."""
    if not step.name().startswith("MulBackward"):
        return None
    factors = [before for before, _ in step.next_functions]
    if len(factors) != 2 or any(factor is None or hasattr(factor, "variable") for factor in factors):
        return None  # times a constant or a parameter
    squashed = [_squashed(factor) for factor in factors]
    if squashed[0] != squashed[1]:
        return squashed.index(True)
    sizes = [step._saved_self.numel(), step._saved_other.numel()]
    return sizes.index(min(sizes)) if sizes[0] != sizes[1] else None


def _squashed(step: Any) -> bool:
    """Whether a step's result is a sigmoid's, seen through views of it."""
    while step is not None and step.name().removesuffix("0").removesuffix("Backward") in VIEWS:
        step = step.next_functions[0][0]
    return step is not None and step.name().startswith(SQUASHING)


def _tensors(outputs: Any) -> list[Tensor]:
    if isinstance(outputs, Tensor):
        return [outputs]
    values = outputs.values() if isinstance(outputs, dict) else outputs if isinstance(outputs, list | tuple) else []
    return [tensor for value in values for tensor in _tensors(value)]
