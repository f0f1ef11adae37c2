"""A network with fewer channels at given places: smaller tensors in copies of its modules, and their stated sizes."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from secateur.models import memory_format
from secateur.pruning.duplication import duplicate
from secateur.pruning.operations import CONVOLUTIONS, is_layer, layer_size
from secateur.pruning.tracing import Site


def cut(model: nn.Module, staying: Mapping[Site, Tensor]) -> nn.Module:
    """A new network with, at each site named, only the channels `staying` (ascending indices); the rest as in `model`.

    A grouped convolution must be given whole groups, inputs and outputs alike.
    """
    by_owner: dict[str, dict[str, Tensor]] = defaultdict(dict)
    for (owner, role), index in staying.items():
        by_owner[owner][role] = index
    memo: dict[int, object] = {}
    form = memory_format.of(model)
    parameters = dict(model.named_parameters())
    for owner, roles in by_owner.items():
        if "parameter" in roles:
            tensor = parameters[owner]
            dimension = max(range(tensor.ndim), key=lambda dim: tensor.shape[dim])
            _keep(memo, tensor, [(dimension, roles["parameter"])], form)
            continue
        module: Any = model.get_submodule(owner)
        if is_layer(module):
            grouped = getattr(module, "groups", 1) > 1
            weight = [(0, roles["out"])] if "out" in roles else []
            if "in" in roles and not grouped:
                weight.append((1, roles["in"]))
            _keep(memo, module.weight, weight, form)
            if module.bias is not None and "out" in roles:
                _keep(memo, module.bias, [(0, roles["out"])], form)
            continue
        for tensor in [*module.parameters(recurse=False), *module.buffers(recurse=False)]:
            if tensor.ndim == 1:  # not batch-norm's count of batches
                _keep(memo, tensor, [(0, roles["channels"])], form)
    new = duplicate(model, memo)
    for owner, roles in by_owner.items():
        if "parameter" not in roles:
            resize(new.get_submodule(owner))
    restate_head(new, head_inputs(model))
    return new


def resize(module: Any) -> None:
    """Set a module's stated numbers of channels to those of its tensors."""
    if isinstance(module, nn.Linear):
        module.out_features, module.in_features = module.weight.shape
    elif isinstance(module, CONVOLUTIONS):
        out, inner = module.weight.shape[:2]
        if module.groups > 1:
            module.groups = out // (module.out_channels // module.groups)  # whole groups go: the rest keep their size
        module.out_channels, module.in_channels = out, inner * module.groups
    elif isinstance(module, nn.PReLU):
        module.num_parameters = module.weight.numel()
    else:
        tensor = next(tensor for tensor in [*module.parameters(False), *module.buffers(False)] if tensor.ndim == 1)
        module.num_features = tensor.numel()


def head_inputs(model: nn.Module) -> int | None:
    """Number of features that enter a timm network's classifier; None for other networks."""
    find: Any = getattr(model, "get_classifier", None)
    head = find() if callable(find) else None
    return layer_size(head, "in") if is_layer(head) else None


def restate_head(model: nn.Module, before: int | None) -> None:
    """Correct what a pruned timm network states about its features, so that a new head can be built from it."""
    after = head_inputs(model)
    if after is None or after == before:
        return
    head: Any = model.get_classifier()  # type: ignore[operator]
    path = next(name for name, module in model.named_modules() if module is head).split(".")
    for depth in range(len(path)):
        module = model.get_submodule(".".join(path[:depth]))
        for attribute in ("num_features", "head_hidden_size", "in_features"):
            if getattr(module, attribute, None) == before:
                setattr(module, attribute, after)


def site_size(owner: Any, role: str) -> int:
    """Number of channels of a module (or parameter) in a role."""
    if isinstance(owner, Tensor):
        return max(owner.shape)
    if is_layer(owner):
        return layer_size(owner, role)
    return int(owner.num_parameters if isinstance(owner, nn.PReLU) else owner.num_features)


def _keep(
    memo: dict[int, object], tensor: Tensor, cuts: Sequence[tuple[int, Tensor]], form: torch.memory_format
) -> None:
    """Enter a smaller tensor into deepcopy's memo, so that the copy gets it and the full one is never copied."""
    smaller = tensor.detach()
    last = form is memory_format.CHANNELS_LAST and tensor.ndim == 4  # chosen in the order in which the numbers lie
    smaller = smaller.permute(0, 2, 3, 1) if last else smaller
    for dimension, index in cuts:
        smaller = smaller.index_select(3 if last and dimension == 1 else dimension, index.to(tensor.device))
    smaller = memory_format.laid_out(smaller.permute(0, 3, 1, 2) if last else smaller, form)
    if isinstance(tensor, nn.Parameter):
        smaller = nn.Parameter(smaller, requires_grad=tensor.requires_grad)
    memo[id(tensor)] = smaller
