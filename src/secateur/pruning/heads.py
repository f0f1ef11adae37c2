"""Attention heads: which rows of which layers belong to one head, found by what a module states, proved by running it.

A module that states its heads and has a projection is a candidate. Where its heads lie in the layers before the
projection is guessed in a few ways, and a guess holds if a copy of the module with random weights gives without a head
what it gives with that head silent, with attention fused and not. So a module whose code mixes heads, normalises over
them, or counts on their number is refused, whoever wrote it; where its code takes their width for the input's, the copy
is told the difference (`widths`). The neurons of MLPs that no walk through the graph follows are found in the same way.
"""

import copy
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import product
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from secateur.models import devices
from secateur.pruning.attention import Attention, alike, mlp, sources, stated
from secateur.pruning.cutting import Slice, cut, owner_of, site_size
from secateur.pruning.operations import BATCH_NORMS, CHANNEL_NORMS, is_layer, layer_size
from secateur.pruning.tracing import ghost

NEAR = 1e-8
"""Of the largest output, in float64: how far the module without a head may be from the one with it silent."""
CARRIES_NOT = "attention whose code mixes its heads or counts on their number"

Places = dict[tuple[str, str], Tensor]
"""(owner, role) -> channels of each head (heads × channels), owners by their names in the module."""


class Heads(NamedTuple):
    """The heads or gated neurons of one module: the layers that make them, the reader, and all their places."""

    kind: Literal["head", "neuron"]
    projection: str
    sources: tuple[str, ...]
    slices: tuple[Slice, ...]


def find_heads(
    model: nn.Module, input_size: tuple[int, ...], taken: Collection[str] = ()
) -> tuple[list[Heads], dict[str, str]]:
    """The heads of all modules that can lose some, in the order of execution; and layer -> why a module's cannot go.

    `input_size`: channels × height × width, or features. MLPs are left out whose first layer is `taken`. The model is
    neither run with values nor changed: what is run is a copy of each kind of attention, with random weights.
    """
    candidates = {
        name: module
        for name, module in model.named_modules()
        if (about := _about(module)) is not None and about.heads > 1
        and not (about.kind == "neuron" and any(f"{name}.{layer}" in taken for layer in module._modules))
    }  # fmt: skip
    calls = _calls(model, set(candidates), input_size) if candidates else {}
    found, reasons = [], {}
    known: dict[Any, Places | None] = {}
    for name, (args, kwargs, times) in calls.items():
        module = candidates[name]
        about = _about(module)
        assert about is not None
        key = _form(module, args, kwargs)
        if key not in known:
            guesses = _guesses(module, about) if times == 1 else iter(())
            known[key] = next((guess for guess in guesses if _holds(module, about, guess, args, kwargs)), None)
        places = known[key]
        if places is None:
            for layer, _ in sources(module, about.projection) if about.kind == "head" else ():
                reasons[f"{name}.{layer}"] = CARRIES_NOT if times == 1 else f"{name} is used {times} times in one pass"
            continue
        prefix = f"{name}." if name else ""
        slices = tuple(
            Slice(name if role == "heads" else prefix + owner, role, index.clone())
            for (owner, role), index in places.items()
        )
        making = tuple(prefix + layer for layer, _ in sources(module, about.projection) if (layer, "out") in places)
        found.append(Heads(about.kind, prefix + about.projection, making, slices))
    return found, reasons


def _about(module: nn.Module) -> Attention | None:
    return stated(module) or mlp(module)


def _calls(
    model: nn.Module, names: set[str], input_size: tuple[int, ...]
) -> dict[str, tuple[tuple[Any, ...], dict[str, Any], int]]:
    """Module -> arguments of its first call in a pass of one sample (meta device), and how often it is called."""
    shadow = ghost(model)
    found: dict[str, tuple[tuple[Any, ...], dict[str, Any], int]] = {}

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


def _guesses(module: nn.Module, about: Attention) -> Iterator[Places]:
    """The ways in which a module's heads may lie: parts, heads and channels in any order, axes from either side.

    What makes them is every layer that is wide enough, or those alone that are of the projection's kind.
    """
    every, same = sources(module, about.projection), alike(module, about.projection)
    seen: list[Places] = []
    for making in (every, same) if same != every else (every,):
        for joined_last, heads_first, from_the_end in product((False, True), repeat=3):
            places = _laid(module, about, making, heads_first, from_the_end)
            if joined_last:  # the projection reads the first channel of every head, then the second, as in NesT
                places[about.projection, "in"] = places[about.projection, "in"].reshape(-1, about.heads).T
            if making and not any(_same(places, other) for other in seen):
                seen.append(places)
                yield places


def _laid(
    module: nn.Module, about: Attention, making: list[tuple[str, int]], heads_first: bool, from_the_end: bool
) -> Places:
    """The places of a module's heads, as one guess has them."""
    heads = about.heads
    width = layer_size(module._modules[about.projection], "in")
    inside = {module._modules[name] for name in (about.projection, *(name for name, _ in making))}
    places: Places = {}
    for name, parts in making:
        rows = torch.arange(parts * width)
        size = width // heads
        rows = rows.reshape(heads, -1) if heads_first else rows.reshape(parts, heads, size).transpose(0, 1).flatten(1)
        places[name, "out"] = rows
    places[about.projection, "in"] = torch.arange(width).reshape(heads, -1)
    for prefix, part in module.named_modules():
        if part in inside or isinstance(part, (*CHANNEL_NORMS, BATCH_NORMS)):
            continue
        if is_layer(part):
            for role in ("out", "in"):
                if layer_size(part, role) == heads:
                    places[prefix, role] = torch.arange(heads).unsqueeze(1)
            continue
        for name, tensor in [*part.named_parameters(prefix, False), *part.named_buffers(prefix, False)]:
            if (axis := _axis(tensor, heads, width, from_the_end)) is not None:
                places[name, f"axis{axis}"] = torch.arange(tensor.shape[axis]).reshape(heads, -1)
    if about.kind == "head":
        places["", "heads"] = torch.arange(heads).unsqueeze(1)
    return places


def _axis(tensor: Tensor, heads: int, width: int, from_the_end: bool) -> int | None:
    """The axis of a parameter or buffer that goes with the heads: one number a head, or a vector of their channels."""
    if not tensor.is_floating_point():
        return None
    if tensor.ndim == 1:
        return 0 if tensor.shape[0] in (heads, width) else None
    axes = [axis for axis, size in enumerate(tensor.shape) if size == heads]
    return None if not axes else axes[-1 if from_the_end else 0]


def _same(places: Places, other: Places) -> bool:
    return places.keys() == other.keys() and all(torch.equal(places[site], other[site]) for site in places)


def _form(module: nn.Module, args: Any, kwargs: Any) -> Any:
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


def _holds(module: nn.Module, about: Attention, places: Places, args: tuple, kwargs: Mapping[str, Any]) -> bool:
    """Whether a copy of the module without one of its heads gives what it gives with that head silent."""
    generator = torch.Generator().manual_seed(0)
    with devices.fork_rng():
        twin = _random(module, generator)
    args, kwargs = _drawn(args, generator), _drawn(dict(kwargs), generator)
    head = about.heads // 2
    staying = {site: _without(index, head, site_size(owner_of(twin, *site), site[1])) for site, index in places.items()}
    silent = places[about.projection, "in"][head]

    def silence(_: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        axis = 1 if not isinstance(twin._modules[about.projection], nn.Linear) else given[0].ndim - 1
        return (given[0].index_fill(axis, silent, 0), *given[1:])

    fused: list[Any] = [part for part in twin.modules() if hasattr(part, "fused_attn")]
    try:
        with torch.no_grad():
            for way in (False, True) if fused else (None,):
                for part in fused:
                    part.fused_attn = way
                smaller = cut(twin, staying)
                whole = _first(twin(*args, **kwargs))
                hook = twin._modules[about.projection].register_forward_pre_hook(silence)  # type: ignore[union-attr]
                expected = _first(twin(*args, **kwargs))
                hook.remove()
                difference = float((_first(smaller(*args, **kwargs)) - expected).abs().max())
                if torch.equal(whole, expected) or not difference <= NEAR * float(expected.abs().max()):
                    return False
    except Exception:  # whatever a module's own code raises at an unexpected number of heads
        return False
    return True


def _random(module: nn.Module, generator: torch.Generator) -> nn.Module:
    """A copy of a module on the CPU in float64 and evaluation mode, its numbers drawn at random."""
    memo: dict[int, Any] = {}
    for tensor in [*module.parameters(), *module.buffers()]:
        values = torch.zeros(tensor.shape, dtype=tensor.dtype) if tensor.is_meta else tensor.detach().cpu()
        if tensor.is_floating_point():
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


def _without(index: Tensor, head: int, size: int) -> Tensor:
    stays = torch.ones(size, dtype=torch.bool)
    stays[index[head]] = False
    return stays.nonzero().flatten()


def _first(outputs: Any) -> Tensor:
    return _first(outputs[0]) if isinstance(outputs, list | tuple) else outputs


def overlapping(heads: Heads, taken: Sequence[Slice]) -> bool:
    """Whether other units have channels at the places of these heads."""
    sites = {(part.owner, part.role) for part in heads.slices}
    return any((part.owner, part.role) in sites for part in taken)
