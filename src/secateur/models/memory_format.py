"""The memory format in which a network and its images live: a fixed rule by kind of network, the same on every device.

PyTorch's kernels for convolutions are mostly faster when the channels of a pixel lie side by side ("channels last")
than when each channel is a plane of its own ("contiguous"); docs/benchmarks.md has the figures. A network is laid out
once, when it is built. Whatever is trained, ranked or cut from it keeps its format, and images follow the network that
they are given to; as they are stored with their channels last, a batch needs no transposition.
"""

import torch
from torch import Tensor, nn

CHANNELS_LAST, CONTIGUOUS = torch.channels_last, torch.contiguous_format
NAMED = {"channels_last": CHANNELS_LAST, "contiguous": CONTIGUOUS}
LEAST_CONVOLUTIONS = 2
"""A network with fewer is no convolutional one: a transformer has one, which cuts the image into patches."""


def chosen(network: nn.Module, named: str = "auto") -> torch.memory_format:
    """The format for a network: the one that is `named` ("channels_last", "contiguous"), or by the rule ("auto").

    Channels last where the network has at least two convolutions over images (`nn.Conv2d`), else contiguous. The rule
    knows neither the machine nor a clock, so that what is computed depends on neither.
    """
    if named != "auto":
        return NAMED[named]
    convolutions = sum(isinstance(module, nn.Conv2d) for module in network.modules())
    return CHANNELS_LAST if convolutions >= LEAST_CONVOLUTIONS else CONTIGUOUS


def lay_out(network: nn.Module, wanted: torch.memory_format) -> None:
    """Bring all weights and buffers of a network into a format, in place."""
    for tensor in [*network.parameters(), *network.buffers()]:
        tensor.data = laid_out(tensor.data, wanted)


def of(network: nn.Module) -> torch.memory_format:
    """The format in which a network's weights lie; contiguous where it has no convolution over images."""
    for module in network.modules():
        weight = getattr(module, "weight", None)
        if isinstance(module, nn.Conv2d) and isinstance(weight, Tensor) and weight[0].numel() > 1:
            return CHANNELS_LAST if weight.stride() == _strides(weight.shape, CHANNELS_LAST) else CONTIGUOUS
    return CONTIGUOUS


def laid_out(tensor: Tensor, wanted: torch.memory_format) -> Tensor:
    """`tensor` in a format: itself where it has it already. Only tensors of four dimensions have their channels last.

    The strides are the format's own even where a dimension of size 1 leaves them open (a convolution of one pixel, an
    image of one channel): PyTorch chooses kernels by strides, and the same weights must give the same sums by whatever
    way they came.
    """
    if tensor.stride() == _strides(tensor.shape, wanted):
        return tensor
    order = wanted if tensor.dim() == 4 else CONTIGUOUS
    return torch.empty_like(tensor, memory_format=order).copy_(tensor)


def _strides(shape: torch.Size, wanted: torch.memory_format) -> tuple[int, ...]:
    last = wanted is CHANNELS_LAST and len(shape) == 4
    order = (1, 3, 2, 0) if last else range(len(shape) - 1, -1, -1)
    strides, step = [0] * len(shape), 1
    for dimension in order:
        strides[dimension] = step
        step *= max(shape[dimension], 1)
    return tuple(strides)
