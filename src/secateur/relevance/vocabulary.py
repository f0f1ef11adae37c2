"""What each torch function means to the passes: affine maps, activations, and what ordinary autograd does exactly."""

import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_CONVOLUTION = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
_TRANSPOSED = ("input", "weight", "bias", "stride", "padding", "output_padding", "groups", "dilation")
_GENERAL = ("input", "weight", "bias", "stride", "padding", "dilation", "transposed", "output_padding", "groups")
_BATCH_NORM = ("input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps")

# The parameters, in order, of the functions whose arguments have to be known by name.
SIGNATURES: dict[str, tuple[str, ...]] = {
    **{f"conv{n}d": _CONVOLUTION for n in (1, 2, 3)},
    **{f"conv_transpose{n}d": _TRANSPOSED for n in (1, 2, 3)},
    "convolution": _GENERAL,
    "_convolution": _GENERAL,
    "linear": ("input", "weight", "bias"),
    "batch_norm": _BATCH_NORM,
    "layer_norm": ("input", "normalized_shape", "weight", "bias", "eps"),
    "rms_norm": ("input", "normalized_shape", "weight", "eps"),
    "group_norm": ("input", "num_groups", "weight", "bias", "eps"),
    "instance_norm": ("input", "running_mean", "running_var", "weight", "bias", "use_input_stats", "momentum", "eps"),
    "dropout": ("input", "p", "training", "inplace"),
    "normalize": ("input", "p", "dim", "eps", "out"),
    "scaled_dot_product_attention": (
        *("query", "key", "value", "attn_mask", "dropout_p", "is_causal"),
        *("scale", "enable_gqa"),
    ),
}
# torch.batch_norm has its parameters in another order than torch.nn.functional.batch_norm.
_RAW_BATCH_NORM = ("input", "weight", "bias", "running_mean", "running_var", "training", "momentum", "eps")

AFFINE = {
    **{name: "convolution" for name in SIGNATURES if "conv" in name},
    "linear": "linear",
    "batch_norm": "normalisation",
}
DROPOUTS = {
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "alpha_dropout",
    "feature_alpha_dropout",
    "feature_dropout",
}
# Element-wise functions with f(0) = 0 that are not homogeneous: relevance passes by the factor f(x)/x.
FACTORS = {
    *("silu", "gelu", "hardswish", "mish", "elu", "selu", "celu", "relu6", "hardtanh"),
    *("tanh", "softsign", "tanhshrink", "softshrink", "hardshrink"),
}
CLAMPS = {"clamp", "clip", "clamp_min", "clamp_max"}
GATES = {"sigmoid", "hardsigmoid"}
RAMPS = {"relu", "leaky_relu", "prelu", "rrelu", "threshold", "softplus"}
LIKE_ANOTHER = {"expand_as", "view_as", "reshape_as", "type_as"}
NORMS = {"layer_norm", "rms_norm", "group_norm", "instance_norm"}
PRODUCTS = {"mul", "multiply"}
DIVISIONS = {"div", "divide", "true_divide"}
MATRIX_PRODUCTS = {"matmul", "__matmul__", "__rmatmul__", "bmm", "mm", "mv", "einsum", "tensordot", "inner"}
FUSED = "scaled_dot_product_attention"
ATTENTION = {"softmax", FUSED}
"""What a rule of the kind "attention" is given to."""
SQUARES = {"pow", "__pow__", "square"}
STATISTICS = {"norm", "vector_norm", "linalg_norm", "linalg_vector_norm", "var", "std", "var_mean", "std_mean"}
"""What a signal is divided by to normalise it."""
AVERAGES = {"mean", "sum"}
SUMS = {"add", "sub", "subtract", "rsub"}
COPIES = {"clone", "contiguous", "to"}
POOLINGS = {f"{size}{kind}_pool{n}d" for size in ("", "adaptive_") for kind in ("max", "avg") for n in (1, 2, 3)}

_EXACT = """
    Add Sub Rsub Neg Mul Div Addcmul Mm Bmm Mv Mean Sum Max Amax Maximum Relu LeakyRelu PreluKernel
    Cat Stack Split SplitWithSizes SafeSplit Unbind Chunk Clone ToCopy CopySlices CopyBackwards AccumulateGrad Identity
    View UnsafeView ReshapeAlias Reshape Alias T Transpose Permute Squeeze Unsqueeze Expand Repeat RepeatInterleave
    Select Slice Index IndexSelect Gather AsStrided Narrow Unfold Im2Col Col2Im Roll Flip Where MaskedFill
    AvgPool2D AvgPool3D AdaptiveAvgPool2D AdaptiveAvgPool3D MkldnnAdaptiveAvgPool2D
    MaxPool2DWithIndices MaxPool3DWithIndices AdaptiveMaxPool2D AdaptiveMaxPool3D
    Pad ConstantPadNd ReflectionPad1D ReflectionPad2D ReflectionPad3D
    ReplicationPad1D ReplicationPad2D ReplicationPad3D
    UpsampleNearest1D UpsampleNearest2D UpsampleNearest3D UpsampleNearestExact2D
    UpsampleLinear1D UpsampleBilinear2D UpsampleBicubic2D UpsampleTrilinear3D PixelShuffle PixelUnshuffle ChannelShuffle
    Affine Activation Addition Share HeldLayerNorm
"""
EXACT_NODES = frozenset(_EXACT.split())
"""Autograd nodes whose gradient carries the multiplier exactly: a linear function, or homogeneous of degree one."""
BILINEAR = ("Mul", "Div", "Addcmul", "Mm", "Bmm", "Mv")
"""Of those, the ones that are linear in one factor, and only where the other is a constant."""


def arguments_of(function: Callable, name: str, args: tuple, kwargs: dict) -> dict[str, Any]:
    """The arguments of a call of a function in SIGNATURES, by name."""
    names = SIGNATURES[name]
    if name == "batch_norm" and function is not F.batch_norm:
        names = _RAW_BATCH_NORM
    return {**dict(zip(names, args, strict=False)), **kwargs}


def plain_name(function: Callable) -> tuple[str, bool]:
    """A function's name without the marks of operators and in-place variants, and whether it works in place."""
    name: str = getattr(function, "__name__", "")
    if name.startswith("__") and name.endswith("__"):
        inner = name.strip("_")
        for prefix in ("i", "r"):
            if inner.startswith(prefix) and inner[1:] in ("add", "sub", "mul", "truediv"):
                return {"truediv": "div", "sub": "rsub" if prefix == "r" else "sub"}.get(
                    inner[1:], inner[1:]
                ), prefix == "i"
        return {"truediv": "div", "add": "add", "sub": "sub", "mul": "mul"}.get(inner, name), False
    if name.endswith("_") and not name.startswith("_"):
        return name[:-1], True
    return name, False


def out_of_place(name: str) -> Callable | None:
    """The variant of an in-place function that returns a new tensor; None where torch has none."""
    return next((getattr(room, name) for room in (F, Tensor, torch) if hasattr(room, name)), None)


def exact(node: Any) -> bool:
    """Whether an autograd node hands the multiplier down exactly."""
    kind = node.name().split("::")[-1].rstrip("0123456789").removesuffix("Backward")
    if kind not in EXACT_NODES:
        return False
    if kind in BILINEAR:  # one factor must be a constant, and a signal must not divide
        sources = [source for source, _ in node.next_functions]
        return sum(source is not None for source in sources) == 1 and (kind != "Div" or sources[0] is not None)
    return True


def inexact_node(start: Any, known: set[Any], ruled: set[Any]) -> Any:
    """The first autograd node from `start` down to the nodes in `known` that is not exact; None where all are.

    `ruled`: nodes that are right because a rule has seen to it (see `nodes_between`).
    """
    seen, waiting = set(known), [start]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if node not in ruled and not exact(node):
            return node
        waiting.extend(source for source, _ in node.next_functions)
    return None


def nodes_between(start: Any, known: set[Any]) -> set[Any]:
    """The autograd nodes from `start` down to those in `known`, which are left out."""
    found: set[Any] = set()
    waiting = [start]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in found and node not in known:
            found.add(node)
            waiting.extend(source for source, _ in node.next_functions)
    return found


def current_module(names: dict[int, str]) -> tuple[str, str]:
    """Name and class of the innermost module in whose code the present call stands; names: id of module -> name."""
    frame = sys._getframe(1)
    while frame is not None:
        candidate = frame.f_locals.get("self")
        if isinstance(candidate, nn.Module) and id(candidate) in names:
            return names[id(candidate)], type(candidate).__name__
        frame = frame.f_back  # type: ignore[assignment]
    return "", "network"
