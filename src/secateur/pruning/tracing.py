"""One pass through a network without its weights: which channels of which layers hang together, and why some must stay.

The structure comes from torch-pruning's DependencyGraph, and nothing else of that library is used. A ghost of the
network (same modules, tensors on the meta device) is traced, so that neither weights nor memory are touched. Only
operations that treat every channel alike are accepted; a channel that meets any other stays, with a stated reason.
"""

import copy
import warnings
from dataclasses import dataclass, field

import numpy as np
import torch
import torch_pruning
from torch import Tensor, nn

from secateur.errors import SecateurError

# Operations that compute each channel of their output from the same channel of their inputs, by autograd's names.
CHANNELWISE = ["Relu", "LeakyRelu", "Elu", "Celu", "Selu", "Hardtanh", "Hardswish", "Hardsigmoid", "Silu", "Gelu", "Sigmoid", "Tanh", "Mish", "Softplus", "PreluKernel", "Exp", "Abs", "Clamp", "Pow", "Sqrt", "Neg", "Threshold", "LogSigmoid", "Add", "Sub", "Mul", "Div", "MaxPool2DWithIndices", "MaxPool1D", "AvgPool2D", "AvgPool1D", "AvgPool3D", "AdaptiveAvgPool2D", "AdaptiveMaxPool2D", "UpsampleNearest2D", "UpsampleBilinear2D", "UpsampleBicubic2D", "NativeBatchNorm", "CudnnBatchNorm", "NativeDropout", "ConstantPadNd", "ReflectionPad2D", "ReplicationPad2D", "Clone", "ToCopy", "Alias", "Squeeze", "Unsqueeze"]
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
BATCH_NORMS = nn.modules.batchnorm._BatchNorm
NORMALISED = "normalised over its channels, so that removing one changes the others"
Site = tuple[str, str]  # (module or parameter, "out" | "in" | "channels" | "parameter")


@dataclass
class Trace:
    """What one pass found: channels as numbers, sites as ranges of them, ties as pairs, and reasons to stay."""

    sites: dict[Site, tuple[int, int]] = field(default_factory=dict)  # site -> (first channel's number, channels)
    ties: list[np.ndarray] = field(default_factory=list)  # arrays of shape 2 × pairs
    reasons: dict[int, str] = field(default_factory=dict)  # channel's number -> why it must stay
    order: list[str] = field(default_factory=list)  # convolutions and linear modules as they are executed
    collapsed: set[str] = field(default_factory=set)  # those with one position at any input size
    added: list[np.ndarray] = field(default_factory=list)  # numbers of channels that an addition joins
    channels: int = 0

    def site(self, key: Site, size: int) -> tuple[int, int]:
        """First number and size of a site, which is entered if it is new."""
        if key not in self.sites:
            self.sites[key] = (self.channels, size)
            self.channels += size
        return self.sites[key]

    def numbers(self, key: Site) -> np.ndarray:
        """Numbers of all the channels of a site."""
        first, size = self.sites[key]
        return np.arange(first, first + size)

    def stay(self, numbers: np.ndarray, reason: str) -> None:
        """Channels that must stay; the first reason counts."""
        for number in numbers.tolist():
            self.reasons.setdefault(number, reason)


def ghost(model: nn.Module) -> nn.Module:
    """Copy of `model` whose parameters and buffers have shapes but no values (meta device); costs milliseconds."""
    memo: dict[int, object] = {}
    for tensor in [*model.parameters(), *model.buffers()]:
        empty = torch.empty_like(tensor, device="meta")
        if isinstance(tensor, nn.Parameter):
            empty = nn.Parameter(empty, requires_grad=tensor.is_floating_point())
        memo[id(tensor)] = empty
    return copy.deepcopy(model, memo).eval()


def is_layer(module: nn.Module) -> bool:
    """Whether the module is one whose output channels criteria score: a convolution (not transposed) or a linear module."""
    return isinstance(module, (*CONVOLUTIONS, nn.Linear))


def layer_size(module: nn.Module, role: str) -> int:
    """Number of input ("in") or output ("out") channels of a convolution or linear module."""
    if isinstance(module, nn.Linear):
        return module.out_features if role == "out" else module.in_features
    return int(module.out_channels if role == "out" else module.in_channels)


def trace(model: nn.Module, input_size: tuple[int, ...]) -> Trace:
    """Trace `model` at `input_size` (channels × height × width, or features) and tie the channels that go together.

    Raises SecateurError when the network cannot be run on one such sample or torch-pruning cannot follow it.
    """
    shadow = ghost(model)
    image = torch.empty(1, *input_size, device="meta", requires_grad=True)
    found = Trace()
    calls: dict[str, int] = {}
    inputs: dict[str, torch.Size] = {}
    hooks = []
    for name, module in shadow.named_modules():
        if is_layer(module) or isinstance(module, BATCH_NORMS):

            def seen(module: nn.Module, values: tuple[Tensor, ...], name: str = name) -> None:
                calls[name] = calls.get(name, 0) + 1
                inputs[name] = values[0].shape
                if calls[name] == 1 and is_layer(module):
                    found.order.append(name)

            hooks.append(module.register_forward_pre_hook(seen))
    graph = torch_pruning.DependencyGraph()
    try:
        with torch.enable_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # torch-pruning first tries model(*inputs); a one-element list makes that the right call at once
            graph.build_dependency(shadow, [image], verbose=False)
    except Exception as error:
        raise SecateurError(
            f"{type(model).__name__}: its structure cannot be traced at input size {tuple(input_size)} "
            f"({type(error).__name__}: {str(error)[:200]}). Check the input size; networks whose forward pass depends on "
            "the values of its input cannot be pruned."
        ) from None
    finally:
        for hook in hooks:
            hook.remove()
    names = {id(module): name for name, module in shadow.named_modules()}
    names |= {id(parameter): name for name, parameter in shadow.named_parameters()}
    _collapsed(found, graph, names, inputs)
    _follow(found, graph, shadow, names, image)
    _grouped_convolutions(found, shadow)
    for name, count in calls.items():
        if count > 1:
            for site in [key for key in found.sites if key[0] == name]:
                found.stay(found.numbers(site), f"{name} is used {count} times in one pass")
    return found


def _follow(
    found: Trace, graph: torch_pruning.DependencyGraph, shadow: nn.Module, names: dict[int, str], image: Tensor
) -> None:
    """Tie every layer's output channels to all the places that they reach."""
    modules = dict(shadow.named_modules())
    covered: dict[Site, np.ndarray] = {}
    for root in found.order:
        module = modules[root]
        size = layer_size(module, "out")
        if module not in graph.module2node:
            found.stay(np.arange(found.site((root, "out"), size)[0], found.channels), "without effect on the output")
            continue
        if covered.get((root, "out"), np.zeros(size, bool)).all():
            continue  # an earlier layer's channels led to all of these, and back
        first, _ = found.site((root, "out"), size)
        closure = graph.get_pruning_group(
            module, graph.get_pruner_of_module(module).prune_out_channels, list(range(size))
        )
        reason, joined = None, False
        for item in closure:
            node = item.dep.target
            places = _sites(node, item.dep.handler, graph, names)
            consumed = [role for (_, role), _ in places] == ["in"]
            reason = reason or _objection(node, consumed, image)
            joined = joined or _is_addition(node)
            for key, channels in places:
                index = np.asarray(item.idxs, dtype=np.int64)
                start, _ = found.site(key, channels)
                if index.max(initial=-1) >= channels:
                    reason = reason or f"channels are not matched one to one at {key[0]}"
                    continue
                covered.setdefault(key, np.zeros(channels, bool))[index] = True
                found.ties.append(np.stack([first + np.asarray(item.root_idxs, dtype=np.int64), start + index]))
        if reason:
            found.stay(np.arange(first, first + size), reason)
        if joined:
            found.added.append(np.arange(first, first + size))
    for (name, role), (first, size) in found.sites.items():
        if role == "in" and not covered[name, role].all():
            # part of this layer's input has an origin that was not followed: its order cannot be trusted
            found.stay(np.arange(first, first + size), f"part of the input of {name} was not followed")


def _sites(
    node: torch_pruning.dependency.Node, handler: object, graph: torch_pruning.DependencyGraph, names: dict[int, str]
) -> list[tuple[Site, int]]:
    """The sites at which a step of the graph removes channels, with their sizes; none for operations without weights."""
    module = node.module
    if isinstance(module, nn.Parameter):
        return [((names[id(module)], "parameter"), int(module.shape[node.pruning_dim]))]
    name = names.get(id(module))
    if name is None:
        return []
    if is_layer(module):
        both = graph.is_out_channel_pruning_fn(handler) and graph.is_in_channel_pruning_fn(handler)
        roles = ["out", "in"] if both else ["out" if graph.is_out_channel_pruning_fn(handler) else "in"]
        return [((name, role), layer_size(module, role)) for role in roles]
    if isinstance(module, BATCH_NORMS):
        return [((name, "channels"), module.num_features)]
    if isinstance(module, nn.PReLU):
        return [((name, "channels"), module.num_parameters)] if module.num_parameters > 1 else []
    return []


def _objection(node: torch_pruning.dependency.Node, consumed: bool, image: Tensor) -> str | None:
    """Why channels that pass (or, `consumed`, end in) this step must stay, or None where each channel is treated alike."""
    module, kinds = node.module, torch_pruning.ops.OPTYPE
    if not node.outputs and not consumed:
        return "an output of the network"
    following = getattr(node.grad_fn, "next_functions", ())
    if is_layer(module) or isinstance(module, BATCH_NORMS):
        weight = module.weight
        if is_layer(module) and not _is_leaf(node.grad_fn, weight):
            return "a layer whose weight is computed from its parameters (standardised or re-parametrised)"
        return None
    if any(getattr(step, "variable", None) is image for step, _ in following):
        return "joined with the image itself"
    if isinstance(module, nn.Parameter):
        return (
            None
            if module.numel() == module.shape[node.pruning_dim]
            else "joined with a parameter of several dimensions"
        )
    if isinstance(module, (nn.LayerNorm, nn.GroupNorm, nn.modules.instancenorm._InstanceNorm)):
        return NORMALISED
    if node.type in (kinds.CONCAT, kinds.RESHAPE) or isinstance(module, nn.PReLU):
        return None
    if node.type != kinds.ELEMENTWISE:
        return f"passes an operation that mixes or picks channels ({kinds(node.type).name.lower()})"
    name = node.grad_fn.name().removesuffix("Backward0").removesuffix("Backward1").removesuffix("Backward")
    if name in CHANNELWISE:
        return None
    if name in ("Addmm", "Mm", "UnsafeView") and all(isinstance(out.module, nn.Linear) for out in node.outputs):
        return None  # the insides of a linear module
    if name == "T" and not node.inputs:
        return None  # a linear module's weight
    if name == "Mean" and len(node.grad_fn._saved_self_sym_sizes) == 4 and _dimensions(node.grad_fn, 4) <= {2, 3}:
        return None
    if name in ("NativeLayerNorm", "NativeGroupNorm"):
        return NORMALISED
    return f"passes an operation that may mix channels ({name})"


def _dimensions(grad_fn: torch.autograd.graph.Node, count: int) -> set[int]:
    """Dimensions that a mean goes over; autograd keeps negative ones as unsigned 64-bit numbers."""
    return {(dim - 2**64 if dim >= 2**63 else dim) % count for dim in grad_fn._saved_dim}  # type: ignore[attr-defined]


def _is_leaf(grad_fn: torch.autograd.graph.Node, weight: Tensor) -> bool:
    """Whether `weight` itself (at most transposed or viewed) enters the operation that ends in `grad_fn`."""
    stack = [(grad_fn, 0)]
    while stack:
        step, depth = stack.pop()
        if getattr(step, "variable", None) is weight:
            return True
        if depth < 4:
            stack += [
                (follower, depth + 1)
                for follower, _ in step.next_functions
                if follower is not None
                and (
                    hasattr(follower, "variable") or follower.name() in ("TBackward0", "AddmmBackward0", "MmBackward0")
                )
            ]
            if step is grad_fn or step.name() == "ViewBackward0":
                stack += [
                    (f, depth + 1)
                    for f, _ in step.next_functions
                    if f is not None and f.name() == "UnsafeViewBackward0"
                ]
    return False


def _is_addition(node: torch_pruning.dependency.Node) -> bool:
    """Whether the step adds two signals (not a signal and a constant or parameter)."""
    if node.type != torch_pruning.ops.OPTYPE.ELEMENTWISE or not node.grad_fn.name().startswith(("Add", "Sub")):
        return False
    if node.grad_fn.name().startswith("Addmm"):
        return False
    return sum(not isinstance(source.module, nn.Parameter) for source in node.inputs) > 1


def _collapsed(
    found: Trace, graph: torch_pruning.DependencyGraph, names: dict[int, str], inputs: dict[str, torch.Size]
) -> None:
    """Find the layers that have one position whatever the image's size: linear ones, and convolutions used as such."""
    memo: dict[int, bool] = {}
    modules = {names[id(module)]: module for module in graph.module2node if id(module) in names}

    def one_position(node: torch_pruning.dependency.Node) -> bool:
        if id(node) not in memo:
            memo[id(node)] = False  # for a loop in the graph of a reused module
            module = node.module
            if isinstance(module, nn.Linear):
                memo[id(node)] = True
            elif isinstance(module, CONVOLUTIONS):
                kernel, seen = tuple(module.kernel_size), tuple(inputs[names[id(module)]][2:])
                if any(size > 1 for size in kernel):
                    memo[id(node)] = kernel == seen and not any(
                        np.atleast_1d(np.asarray(module.padding, dtype=object)) != 0
                    )
                else:
                    memo[id(node)] = (_signals(node) and all(map(one_position, _signals(node)))) or False
            elif node.type == torch_pruning.ops.OPTYPE.ELEMENTWISE and node.grad_fn.name().startswith("Mean"):
                memo[id(node)] = True
            else:
                memo[id(node)] = bool(_signals(node)) and all(map(one_position, _signals(node)))
        return memo[id(node)]

    for name in found.order:  # in the order of execution, so that each walk back ends at a layer already known
        module = modules.get(name)
        if module is not None and one_position(graph.module2node[module]):
            found.collapsed.add(name)


def _signals(node: torch_pruning.dependency.Node) -> list[torch_pruning.dependency.Node]:
    """Inputs of a step that are not parameters."""
    return [source for source in node.inputs if not isinstance(source.module, nn.Parameter)]


def _grouped_convolutions(found: Trace, shadow: nn.Module) -> None:
    """Tie all input and output channels of each group of a grouped convolution, so that it goes as a whole or stays.

    A depthwise convolution is the case of one channel a group. Removing single channels would leave groups of unequal
    size, which no convolution can express.
    """
    for name in found.order:
        module = shadow.get_submodule(name)
        groups = getattr(module, "groups", 1)
        if groups == 1:
            continue
        for role in ("out", "in"):
            found.site((name, role), layer_size(module, role))
        numbers = [found.numbers((name, role)).reshape(groups, -1) for role in ("out", "in")]
        together = np.concatenate(numbers, axis=1)
        heads = np.repeat(together[:, :1], together.shape[1], axis=1)
        found.ties.append(np.stack([heads.ravel(), together.ravel()]))
