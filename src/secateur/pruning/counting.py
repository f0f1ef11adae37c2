"""What a network costs, counted on the network as it is: parameters and multiply-accumulates."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from secateur.errors import SecateurError
from secateur.pruning.attention import once_a_head, own_macs
from secateur.pruning.operations import is_layer, layer_size
from secateur.pruning.tracing import ghost


class Counts(NamedTuple):
    """Number of parameters, and of multiply-accumulate operations for one sample."""

    params: int
    macs: int


def count(model: nn.Module, input_size: tuple[int, ...]) -> Counts:
    """Parameters and MACs of `model` for one sample of `input_size` (channels × height × width, or features).

    MACs are those of convolutions, linear modules and other matrix products: half of what PyTorch's FlopCounterMode
    counts. Normalisations, activations, pooling and additions are not counted. Nothing is computed: the pass goes
    through a copy without values, so that the time does not depend on the size of the weights.

    Raises SecateurError when the network does not accept the input size.
    """
    total = _passed(ghost(model), type(model).__name__, input_size).get_total_flops() // 2
    return Counts(sum(parameter.numel() for parameter in model.parameters()), total)


def _passed(shadow: nn.Module, name: str, input_size: tuple[int, ...]) -> FlopCounterMode:
    """What PyTorch counts in one pass of a network without values; `name` is for the error."""
    dtype = next((parameter.dtype for parameter in shadow.parameters()), torch.float32)
    shadow.requires_grad_(False)  # PyTorch's counter fails where a parameter is handed to a module as its input
    counter = FlopCounterMode(display=False)
    try:
        with torch.no_grad(), counter:
            shadow(torch.empty(1, *input_size, device="meta", dtype=dtype))
    except (RuntimeError, ValueError, AssertionError) as error:
        raise SecateurError(
            f"{name} does not run at input size {tuple(input_size)} "
            f"({(str(error) or type(error).__name__).splitlines()[0][:200]}). "
            "Give the input size as channels × height × width."
        ) from None
    return counter


class Counter:
    """Counts networks cut from `model` in about a millisecond each: the pass that `count` makes is made only once.

    The one pass (at `input_size`: channels × height × width, or features) tells at how many positions each layer works,
    which no removal of channels changes, and what the products of each attention cost (`attention`: its projection ->
    MACs), which fall with its heads. Everything else is read off the network that is counted.
    """

    def __init__(self, model: nn.Module, input_size: tuple[int, ...]) -> None:
        self.positions: dict[str, int] = {}
        self._samples: dict[str, int] = {}
        shadow = ghost(model)
        for name, module in shadow.named_modules():
            if is_layer(module):
                module.register_forward_hook(self._watch(name))
        self._other = 0
        self.attention: dict[str, int] = {}
        passed = _passed(shadow, type(model).__name__, input_size)
        for name in once_a_head(model, self._samples):
            del self.positions[name]  # its cost falls with the heads, as that of the products does
        weights = {name: model.get_submodule(name).weight.numel() for name in self.positions}  # type: ignore[union-attr, operator]
        layers = {name: positions * weights[name] for name, positions in self.positions.items()}
        whole = f"{type(shadow).__name__}."
        flops = {name: sum(of.values()) // 2 for name, of in passed.get_flop_counts().items()}
        by_module = {name.removeprefix(whole): macs for name, macs in flops.items() if name.startswith(whole)}
        self.attention = own_macs(model, by_module, layers)
        self._inputs = {name: layer_size(model.get_submodule(name), "in") for name in self.attention}
        self._other = passed.get_total_flops() // 2 - self.count(model).macs

    def _watch(self, name: str) -> Callable[[nn.Module, object, torch.Tensor], None]:
        def seen(module: nn.Module, _: object, output: torch.Tensor) -> None:
            channels = output.shape[-1] if isinstance(module, nn.Linear) else output.shape[1]
            self.positions[name] = self.positions.get(name, 0) + output.numel() // channels
            self._samples[name] = len(output)

        return seen

    def count(self, model: nn.Module) -> Counts:
        """Counts of `model`: the network given at first, or one with units removed from it."""
        macs = self._other
        for name, positions in self.positions.items():
            macs += positions * model.get_submodule(name).weight.numel()  # type: ignore[union-attr, operator]
        for name, own in self.attention.items():
            macs += own * layer_size(model.get_submodule(name), "in") // self._inputs[name]
        return Counts(sum(parameter.numel() for parameter in model.parameters()), macs)
