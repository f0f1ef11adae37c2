"""What an attention module states of its heads, and how many multiply-accumulates are its own."""

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from torch import Tensor, nn

from secateur.pruning.operations import is_layer, layer_size
from secateur.pruning.widths import free

PROJECTIONS = ("proj", "out_proj", "o_proj", "to_out", "proj_out", "output")
COUNTS = ("num_heads", "heads")
HEADS = (*COUNTS, "num_kv_heads")
WIDTHS = (
    "attn_dim", "all_head_dim", "dim_attn", "inner_dim", "kv_dim", "dim_out", "out_dim", "key_attn_dim", "val_attn_dim"
)  # fmt: skip
SIZES = ("head_dim", "dim_head", "head_size", "key_dim", "val_dim")
SHAPES = ("bias_shape",)
"""What modules state of their heads: number, channels of all together and of each, and shapes that end in the first."""
SCALE = "scale"
"""What products of queries and keys are multiplied by: mostly 1/√(channels of a head)."""

PAIRS = (("fc1", "fc2"), ("w12", "w3"))
"""Names of the layer of an MLP that makes its neurons, with their gates where it has any, and of the one behind it."""


class Attention(NamedTuple):
    """How many heads a module has, and the name in it of the layer that joins them; or how many neurons likewise.

    The name is one with dots where the layer lies inside a wrapper, as in Gemma's clipped layers and LeViT's.
    """

    heads: int
    projection: str
    kind: Literal["head", "neuron"] = "head"


def stated(module: nn.Module) -> Attention | None:
    """The heads of a module that has any: their number, and a projection whose inputs they divide."""
    if not (heads := stated_heads(module)):
        return None
    for name, layer in _projections(module):
        if layer_size(layer, "in") % heads == 0:
            return Attention(heads, name)
    return None


def stated_heads(module: nn.Module) -> int:
    """The number of heads that a module states; 0 where it states none."""
    found = (vars(module).get(name) for name in COUNTS)
    return next((heads for heads in found if type(heads) is int and heads > 0), 0)


def sources(module: nn.Module, projection: str) -> list[tuple[str, int]]:
    """The layers of a module that may make its heads, and of how many parts (queries, keys, values).

    Of wrappers the last layers, which may also have other numbers of channels for queries and keys than for values:
    parts are then none that could be counted.
    """
    width = layer_size(module.get_submodule(projection), "in")
    if "." in projection:
        last = [_last(name, child) for name, child in module.named_children() if name != projection.split(".")[0]]
        return [
            (name, 0 if layer_size(layer, "out") % width else layer_size(layer, "out") // width)
            for name, layer in last
            if layer is not None and layer_size(layer, "out") % stated_heads(module) == 0
        ]
    return [
        (name, layer_size(layer, "out") // width)
        for name, layer in module._modules.items()
        if is_layer(layer) and name != projection and layer_size(layer, "out") in (width, 2 * width, 3 * width)
    ]


def alike(module: nn.Module, projection: str) -> list[tuple[str, int]]:
    """Those of `sources` that are layers of the projection's kind, not convolutions that make keys fewer; or all.

    Of layers inside wrappers those as wide as the projection, not keys and values that all heads share.
    """
    every = sources(module, projection)
    kind = type(module.get_submodule(projection))
    if "." in projection:
        return [(name, parts) for name, parts in every if parts] or every
    return [(name, parts) for name, parts in every if type(module._modules[name]) is kind] or every


def _projections(module: nn.Module) -> list[tuple[str, Any]]:
    """The layers that may join a module's heads: its own, then the only ones inside its wrappers."""
    named = [(name, child) for name in PROJECTIONS if (child := module._modules.get(name)) is not None]
    inside = [[(n, part) for n, part in child.named_modules(prefix=name) if is_layer(part)] for name, child in named]
    return sorted((one[0] for one in inside if len(one) == 1), key=lambda found: "." in found[0])


def _last(name: str, child: nn.Module) -> tuple[str, Any]:
    """The last layer of a wrapper, or a layer itself."""
    layers = [(place, part) for place, part in child.named_modules(prefix=name) if is_layer(part)]
    return layers[-1] if layers else (name, None)


def mlp(module: nn.Module) -> Attention | None:
    """The neurons of an MLP, each a head of one channel.

    Of one that is gated, one layer makes signals and gates, as in SwiGLU; of another, code may turn the hidden channels
    into an image and back (PVT-v2), which no walk through the graph follows.
    """
    for first, second in PAIRS:
        made, reader = module._modules.get(first), module._modules.get(second)
        if isinstance(made, nn.Linear) and isinstance(reader, nn.Linear):
            if made.out_features in (reader.in_features, 2 * reader.in_features):
                return Attention(reader.in_features, second, "neuron")
        elif is_layer(made) and is_layer(reader) and layer_size(made, "out") == 2 * layer_size(reader, "in"):
            return Attention(layer_size(reader, "in"), second, "neuron")
    return None


def head_size(module: nn.Module) -> int:
    """Channels of one head of a module with heads."""
    about = stated(module)
    assert about is not None
    return layer_size(module.get_submodule(about.projection), "in") // about.heads


def projection_of(module: nn.Module) -> Any:
    """The layer behind attention, of a module that has one."""
    return _projections(module)[0][1]


def counts(model: nn.Module) -> dict[str, int]:
    """Module → the number of its heads, for every module whose heads `stated` gives."""
    return {name: about.heads for name, module in model.named_modules() if (about := stated(module)) is not None}


def restate(module: nn.Module, size: int, heads: int | None = None) -> None:
    """Set what a module whose layers were cut states of its heads to what its projection has left.

    `size`: channels of a head before. `heads`: those that are left; None where no head lost a channel.
    """
    width = layer_size(projection_of(module), "in")
    heads = heads or width // size
    if heads != stated_heads(module):
        restate_heads(module, heads)
    if heads and width // heads != size:
        restate_size(module, size, width // heads)


def restate_heads(module: nn.Module, left: int) -> None:
    """Set what an attention module, whose layers are cut, and its parts state of their heads to `left` of them."""
    before = stated_heads(module)
    for part in module.modules():
        for name, value in vars(part).items():
            counts = name in HEADS and value == before
            if counts or (name in WIDTHS and type(value) is int and value % before == 0):
                setattr(part, name, left if counts else value // before * left)
            elif name in SHAPES and value[-1] == before:
                setattr(part, name, (*value[:-1], left))
            elif isinstance(value, dict) and not name.startswith("_") and _cache(value):
                value.clear()
    _free(module)


def restate_size(module: nn.Module, before: int, left: int) -> None:
    """Set what an attention module, whose layers are cut, and its parts state of their heads' size to `left` channels.

    A scale that is 1/√`before` becomes 1/√`left`: what fused attention divides by on its own.
    """
    for part in module.modules():
        for name, value in vars(part).items():
            if name in SIZES and value == before:
                setattr(part, name, left)
            elif name in WIDTHS and type(value) is int and value % before == 0:
                setattr(part, name, value // before * left)
            elif name == SCALE and type(value) is float and math.isclose(value, before**-0.5):
                setattr(part, name, left**-0.5)
    _free(module)


def release(module: nn.Module, narrowed: Sequence[str]) -> None:
    """Let a module's code read the heads' width off its projection where layers that make them, `narrowed`, read less.

    Modules that state no heads, and layers that make none, change nothing.
    """
    about = stated(module)
    if about is not None and any(name in narrowed for name, _ in alike(module, about.projection)):
        _free(module)


def _free(module: nn.Module) -> None:
    about = stated(module)
    assert about is not None
    free(module, about.projection, [name for name, _ in alike(module, about.projection)])


def _cache(value: dict[Any, Any]) -> bool:
    """Whether a dictionary holds tensors that a module keeps to compute them once, as tables of positions by device."""
    return bool(value) and all(isinstance(kept, Tensor) for kept in value.values())


def once_a_head(model: nn.Module, samples: dict[str, int]) -> list[str]:
    """Layers inside attention that work on one head at a time, heads taken for samples, as MViT's pooling of queries.

    `samples` gives for each layer how many it sees in a pass of one image.
    """
    found = []
    for name, module in model.named_modules():
        if stated(module) is not None and stated_heads(module) > 1:
            found += [
                layer
                for layer, count in samples.items()
                if layer.startswith(f"{name}." if name else "") and count == stated_heads(module)
                and layer_size(model.get_submodule(layer), "in") == head_size(module)
            ]  # fmt: skip
    return found


def own_macs(model: nn.Module, by_module: dict[str, int], layers: dict[str, int]) -> dict[str, int]:
    """Projection's name -> multiply-accumulates of its attention that are no layer's: of queries with keys, and values.

    `by_module`: all of each module's, its parts' with them; `layers`: each layer's. They fall with the projection's
    inputs, as each head has its own products.
    """
    found = {}
    for name, module in model.named_modules():
        about = stated(module)
        if about is None or name not in by_module:
            continue
        prefix = f"{name}." if name else ""
        inside = sum(macs for layer, macs in layers.items() if layer.startswith(prefix))
        if (own := by_module[name] - inside) > 0:
            found[f"{prefix}{about.projection}"] = own
    return found
