"""Which operations treat every channel alike, so that removing a channel equals silencing it, and which do not.

Only operations known to be safe are accepted: a channel that meets any other must stay, and the reason is kept.
"""

from typing import Any

import numpy as np
import torch
import torch_pruning
from torch import Tensor, nn
from torch_pruning.dependency import Node

from secateur.pruning.graph import unsized

# Operations that compute each channel of their output from the same channel of their inputs, by autograd's names.
ACTIVATIONS = "Relu LeakyRelu Elu Celu Selu Hardtanh Hardswish Hardsigmoid Silu Gelu Sigmoid Tanh Mish Softplus"
ARITHMETIC = "PreluKernel Exp Abs Clamp Pow Sqrt Neg Threshold LogSigmoid Add Sub Mul Div"
SPATIAL = (
    "MaxPool2DWithIndices AvgPool2D AvgPool3D AdaptiveAvgPool2D AdaptiveMaxPool2D UpsampleNearest2D "
    "UpsampleBilinear2D UpsampleBicubic2D ConstantPadNd ReflectionPad2D ReplicationPad2D"
)
PLUMBING = "NativeBatchNorm CudnnBatchNorm NativeDropout Clone ToCopy Alias"
CHANNELWISE = frozenset(f"{ACTIVATIONS} {ARITHMETIC} {SPATIAL} {PLUMBING}".split())

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
BATCH_NORMS = nn.modules.batchnorm._BatchNorm
CHANNEL_NORMS = (nn.LayerNorm, nn.GroupNorm, nn.modules.instancenorm._InstanceNorm)
KINDS = torch_pruning.ops.OPTYPE

OUTPUT = "an output of the network"
NORMALISED = "normalised over its channels, so that removing one changes the others"


def is_layer(module: object) -> bool:
    """Whether criteria score the module's output channels: a convolution (not a transposed one) or a linear module."""
    return isinstance(module, (*CONVOLUTIONS, nn.Linear))


def layer_size(module: Any, role: str) -> int:
    """Number of input ("in") or output ("out") channels of a convolution or linear module."""
    if isinstance(module, nn.Linear):
        return module.out_features if role == "out" else module.in_features
    return int(module.out_channels if role == "out" else module.in_channels)


def objection(node: Node, consumed: bool, channels_last: bool, image: Tensor) -> str | None:
    """Why channels that pass (or, if `consumed`, end in) this step must stay; None where each is treated alike.

    `channels_last` says that among the tied layers is a linear module at several positions, whose channels are not the
    second axis, on which means and concatenations would have to be judged otherwise.
    """
    module = node.module
    if not node.outputs and not consumed:
        return OUTPUT
    if unsized(node):
        return "joined or reshaped with what has no known number of channels"
    if is_layer(module):
        if weight_is_plain(node.grad_fn, module.weight):
            return None
        return "a layer whose weight is computed from its parameters (standardised or re-parametrised)"
    if isinstance(module, BATCH_NORMS):
        return None
    if any(getattr(step, "variable", None) is image for step, _ in getattr(node.grad_fn, "next_functions", ())):
        return "joined with the image itself"
    if isinstance(module, nn.Parameter):
        alone = module.numel() == module.shape[node.pruning_dim]
        return None if alone else "joined with a parameter of several dimensions"
    if isinstance(module, CHANNEL_NORMS):
        return NORMALISED
    if isinstance(module, nn.PReLU) or node.type == KINDS.RESHAPE:
        return None
    if node.type == KINDS.CONCAT:
        fine = not channels_last and node.grad_fn._saved_dim in (1, 2**64 - 3)
        return None if fine else "joined along another axis than the channels'"
    if node.type != KINDS.ELEMENTWISE:
        return f"passes an operation that mixes or picks channels ({KINDS(node.type).name.lower()})"
    return _operation(node, channels_last)


def _operation(node: Node, channels_last: bool) -> str | None:
    """`objection` for an operation without weights."""
    name = node.grad_fn.name().rstrip("012").removesuffix("Backward")
    if name in CHANNELWISE or node.grad_fn.name().removesuffix("Backward0") in CHANNELWISE:
        return None
    if name in ("Addmm", "Mm", "UnsafeView") and all(isinstance(user.module, nn.Linear) for user in node.outputs):
        return None  # the inside of a linear module
    if name == "T" and not node.inputs:
        return None  # a linear module's weight
    if name == "Mean" and not channels_last and _mean_dimensions(node) <= {2, 3}:
        return None
    if name == "Unsqueeze" and not channels_last and 2 <= node.grad_fn._saved_dim < 2**63:
        return None
    if name in ("NativeLayerNorm", "NativeGroupNorm"):
        return NORMALISED
    return f"passes an operation that may mix channels ({name})"


def _mean_dimensions(node: Node) -> set[int]:
    """Dimensions that a mean goes over, counted from the front; autograd keeps negative ones as unsigned numbers."""
    count = len(node.grad_fn._saved_self_sym_sizes)
    return {(dim - 2**64 if dim >= 2**63 else dim) % count for dim in node.grad_fn._saved_dim}


def weight_is_plain(grad_fn: Any, weight: Tensor) -> bool:
    """Whether `weight` itself, at most transposed or viewed, enters the operation whose result is `grad_fn`'s."""
    stack = [(grad_fn, 0)]
    while stack:
        step, depth = stack.pop()
        if getattr(step, "variable", None) is weight:
            return True
        for following, _ in step.next_functions if depth < 4 else ():
            if following is None:
                continue
            inside = ("TBackward0", "AddmmBackward0", "MmBackward0", "UnsafeViewBackward0")
            if hasattr(following, "variable") or following.name() in inside:
                stack.append((following, depth + 1))
    return False


def is_addition(node: Node) -> bool:
    """Whether the step adds two signals (not a signal and a constant or parameter)."""
    if node.type != KINDS.ELEMENTWISE or node.grad_fn.name() not in ("AddBackward0", "SubBackward0"):
        return False
    return len(signals(node)) > 1


def signals(node: Node) -> list[Node]:
    """Inputs of a step that are not parameters."""
    return [source for source in node.inputs if not isinstance(source.module, nn.Parameter)]


def at_one_position(node: Node, sizes: dict[int, torch.Size], known: dict[int, bool]) -> bool:
    """Whether the step's result has one position whatever the image's size, as in fully connected layers.

    `sizes` gives the input shapes of layers by the id of the module; `known` remembers answers by the id of the node.
    """
    if id(node) not in known:
        known[id(node)] = False  # ends the walk where a module is used twice
        module = node.module
        if isinstance(module, nn.Linear):
            answer = True
        elif isinstance(module, CONVOLUTIONS) and any(size > 1 for size in module.kernel_size):
            padded = np.any(np.asarray(module.padding, dtype=object) != 0)
            answer = tuple(module.kernel_size) == tuple(sizes[id(module)][2:]) and not padded
        elif node.type == KINDS.ELEMENTWISE and node.grad_fn.name().startswith("Mean"):
            answer = True
        else:
            before = signals(node)
            answer = bool(before) and all(at_one_position(source, sizes, known) for source in before)
        known[id(node)] = answer
    return known[id(node)]
