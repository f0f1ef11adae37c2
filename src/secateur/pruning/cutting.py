"""A network with fewer channels at given places: smaller tensors in copies of its modules, and their stated sizes."""

import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from secateur.models import memory_format
from secateur.pruning import sums
from secateur.pruning.attention import head_size, release, restate_heads, restate_size, stated_heads
from secateur.pruning.duplication import duplicate
from secateur.pruning.operations import CONVOLUTIONS, is_layer, layer_size
from secateur.pruning.tracing import Site


@dataclass(frozen=True, eq=False)
class Slice:
    """Channels of one place that a group's units take.

    `owner` is a module's name, or a parameter's or buffer's for the roles "parameter" and "axis<n>"; `role` is "out" or
    "in" (a layer's output or input channels), "channels" (norms, PReLU), "parameter" (its longest axis), "axis<n>"
    (its n-th), "heads" or "head_size" (what an attention module states of itself); `index` (size × channels a unit,
    int64) says which. The first `scaled` channels of every unit grow with √(units left / units before), see
    `head_channels`.
    """

    owner: str
    role: str
    index: Tensor
    scaled: int = 0


STATED = ("heads", "head_size")
"""Roles in which a place has no numbers: only what a module says of itself changes there."""


def cut(model: nn.Module, staying: Mapping[Site, Tensor]) -> nn.Module:
    """A new network with, at each site named, only the channels `staying` (ascending indices); the rest as in `model`.

    A grouped convolution must be given whole groups, inputs and outputs alike, or as many outputs of each and no input.
    A norm that divides by a sum over its channels is put right (`sums`).
    """
    by_owner: dict[str, dict[str, Tensor]] = defaultdict(dict)
    for (owner, role), index in staying.items():
        by_owner[owner][role] = index
    memo: dict[int, object] = {}
    form = memory_format.of(model)
    resized: dict[str, int | None] = {}
    narrowed: dict[str, int] = {}
    persistent: list[str] = []
    heads: dict[str, int] = {}
    head_sizes: dict[str, tuple[int, int]] = {}
    for owner, roles in by_owner.items():
        if all(is_tensor(role) for role in roles):
            tensor = owner_of(model, owner, next(iter(roles)))
            _keep(memo, tensor, [(axis_of(tensor, role), index) for role, index in roles.items()], form)
            persistent.append(owner)
            continue
        module: Any = model.get_submodule(owner)
        if "heads" in roles:
            heads[owner] = len(roles["heads"])
            continue
        if "head_size" in roles:
            head_sizes[owner] = (head_size(module), len(roles["head_size"]))
            continue
        resized[owner] = None
        if is_layer(module):
            grouped = getattr(module, "groups", 1) > 1
            if grouped and "in" not in roles:
                resized[owner] = module.groups
            weight = [(0, roles["out"])] if "out" in roles else []
            if "in" in roles and not grouped:
                weight.append((1, roles["in"]))
            _keep(memo, module.weight, weight, form)
            if module.bias is not None and "out" in roles:
                _keep(memo, module.bias, [(0, roles["out"])], form)
            continue
        if sums.sums(module):
            narrowed[owner] = module.weight.numel()
        for tensor in [*module.parameters(recurse=False), *module.buffers(recurse=False)]:
            if tensor.ndim == 1:  # not batch-norm's count of batches
                _keep(memo, tensor, [(0, roles["channels"])], form)
    new = duplicate(model, memo)
    for owner, groups in resized.items():
        resize(new.get_submodule(owner), groups)
    for owner, before in narrowed.items():
        sums.correct(new.get_submodule(owner), before)
    for owner, left in heads.items():
        restate_heads(new.get_submodule(owner), left)
    for owner, (size, after) in head_sizes.items():
        restate_size(new.get_submodule(owner), size, after)
    for owner in {owner.rpartition(".")[0] for owner, roles in by_owner.items() if "in" in roles}:
        release(
            new.get_submodule(owner),
            [leaf for leaf in new.get_submodule(owner)._modules if "in" in by_owner.get(f"{owner}.{leaf}", ())],
        )
    for owner in persistent:  # a buffer that is not saved would come back whole when the network is built anew
        place, _, leaf = owner.rpartition(".")
        new.get_submodule(place)._non_persistent_buffers_set.discard(leaf)
    restate_head(new, head_inputs(model))
    return new


def rescale(model: nn.Module, slices: Sequence[Slice], factor: float) -> None:
    """Multiply the `scaled` channels of a network that `cut` made, in its weights, biases and tensors, by `factor`.

    `slices` are the places in this network.
    """
    with torch.no_grad():
        for part in slices:
            rows = part.index[:, : part.scaled].flatten()
            for _, tensor, axis in tensors_of(model, part) if part.scaled else ():
                rows = rows.to(tensor.device)
                tensor.index_copy_(axis, rows, tensor.index_select(axis, rows) * factor)


@contextlib.contextmanager
def silent(model: nn.Module, slices: Sequence[Slice]) -> Iterator[nn.Module]:
    """Within this context all numbers by which channels are made are 0, and so are the channels; afterwards as before.

    For what is multiplied before a layer reads it, as queries and keys are. `slices`: the places; inputs stay.
    """
    kept = [(tensor, tensor.data) for part in slices for _, tensor, _ in tensors_of(model, part)]
    try:
        for part in slices:
            for _, tensor, axis in tensors_of(model, part):
                tensor.data = tensor.data.index_fill(axis, part.index.flatten().to(tensor.device), 0)
        yield model
    finally:
        for tensor, values in kept:
            tensor.data = values


@contextlib.contextmanager
def unread(model: nn.Module, slices: Sequence[Slice]) -> Iterator[nn.Module]:
    """Within this context all that reads channels sees zeros in their place; afterwards the network is as before.

    `slices`: the places. Those read that are inputs of layers, and norms whose sums are over them.
    """
    hooks = []
    try:
        for part in slices:
            module: Any = None if is_tensor(part.role) else model.get_submodule(part.owner)
            if part.role == "in" or (part.role == "channels" and sums.sums(module)):
                hooks.append(module.register_forward_pre_hook(_zeros(part.index.flatten())))
        yield model
    finally:
        for hook in hooks:
            hook.remove()


def _zeros(channels: Tensor) -> Callable[[nn.Module, tuple[Tensor, ...]], tuple[Tensor, ...]]:
    """A hook before a module that gives it zeros at some channels of its input."""

    def silence(module: nn.Module, values: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        count = values[0].ndim
        last = isinstance(module, nn.Linear)
        axis = count - 1 if last else sums.axis(module, count) if sums.sums(module) else 1
        return (values[0].index_fill(axis, channels.to(values[0].device), 0), *values[1:])

    return silence


def tensors_of(model: nn.Module, part: Slice) -> list[tuple[str, Tensor, int]]:
    """The tensors that make a slice's channels, by name, and on which axis: none where channels are read or stated."""
    owner = owner_of(model, part.owner, part.role)
    if is_tensor(part.role):
        return [(part.owner, owner, axis_of(owner, part.role))]
    if part.role not in ("out", "channels"):
        return []
    return [(f"{part.owner}.{name}", tensor, 0) for name, tensor in owner.named_parameters(recurse=False)]


def others(size: int, gone: Tensor) -> Tensor:
    """Which of `size` channels are not `gone`, ascending."""
    stays = torch.ones(size, dtype=torch.bool)
    stays[gone] = False
    return stays.nonzero().flatten()


def moved(index: Tensor, gone: Tensor) -> Tensor:
    """The new numbers of channels that stay, after those that are `gone` (ascending)."""
    return index - torch.searchsorted(gone, index)  # as many places down as channels below it are gone


def resize(module: Any, groups: int | None = None) -> None:
    """Set a module's stated numbers of channels to those of its tensors; of a convolution `groups` stay, if given."""
    if isinstance(module, nn.Linear):
        module.out_features, module.in_features = module.weight.shape
    elif isinstance(module, CONVOLUTIONS):
        out, inner = module.weight.shape[:2]
        if groups is not None:
            module.groups = groups
        elif module.groups > 1:
            module.groups = out // (module.out_channels // module.groups)  # whole groups go: the rest keep their size
        module.out_channels, module.in_channels = out, inner * module.groups
    elif isinstance(module, nn.PReLU):
        module.num_parameters = module.weight.numel()
    elif isinstance(module, nn.LayerNorm) or sums.sums(module):
        if hasattr(module, "normalized_shape"):
            module.normalized_shape = tuple(module.weight.shape)
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


def is_tensor(role: str) -> bool:
    """Whether the owner of a place in this role is a parameter or buffer, not a module."""
    return role == "parameter" or role.startswith("axis")


def axis_of(tensor: Tensor, role: str) -> int:
    """The axis of a parameter or buffer that a role speaks of."""
    return int(role[4:]) if role.startswith("axis") else max(range(tensor.ndim), key=lambda dim: tensor.shape[dim])


def owner_of(model: nn.Module, owner: str, role: str) -> Any:
    """The module, parameter or buffer that a place belongs to; AttributeError where the network has none."""
    if not is_tensor(role):
        return model.get_submodule(owner)
    place, _, leaf = owner.rpartition(".")
    module = model.get_submodule(place)
    found = module._parameters.get(leaf, module._buffers.get(leaf))
    if found is None:
        raise AttributeError(f"{owner} is no parameter or buffer")
    return found


def site_size(owner: Any, role: str) -> int:
    """Number of channels of a module (or parameter) in a role; of attention its heads, or the channels of each."""
    if isinstance(owner, Tensor):
        return int(owner.shape[axis_of(owner, role)])
    if role == "heads":
        return stated_heads(owner)
    if role == "head_size":
        return head_size(owner)
    if is_layer(owner):
        return layer_size(owner, role)
    if isinstance(owner, nn.LayerNorm) or sums.sums(owner):
        return int(owner.weight.numel())
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
