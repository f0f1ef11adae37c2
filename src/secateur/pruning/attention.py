"""What an attention module states of its heads, and how many multiply-accumulates are its own."""

from typing import Literal, NamedTuple

from torch import nn

from secateur.pruning.cutting import restate_heads
from secateur.pruning.operations import is_layer, layer_size

PROJECTIONS = ("proj", "out_proj", "o_proj", "to_out", "proj_out")


GATED = (("fc1", "fc2"), ("w12", "w3"))
"""Names of the packed layer of a gated MLP, whose outputs are signals and their gates, and of the one behind it."""


class Attention(NamedTuple):
    """How many heads a module has, and the name in it of the layer that joins them; or how many neurons likewise."""

    heads: int
    projection: str
    kind: Literal["head", "neuron"] = "head"


def stated(module: nn.Module) -> Attention | None:
    """The heads of a module that has any: `num_heads`, and a projection whose inputs they divide."""
    heads = vars(module).get("num_heads")
    if type(heads) is not int or heads < 1:
        return None
    for name in PROJECTIONS:
        layer = module._modules.get(name)
        if is_layer(layer) and layer_size(layer, "in") % heads == 0:
            return Attention(heads, name)
    return None


def gated_mlp(module: nn.Module) -> Attention | None:
    """The neurons of a gated MLP whose signals and gates one layer makes, as in SwiGLU: each a head of one channel."""
    for first, second in GATED:
        packed, reader = module._modules.get(first), module._modules.get(second)
        if is_layer(packed) and is_layer(reader) and layer_size(packed, "out") == 2 * layer_size(reader, "in"):
            return Attention(layer_size(reader, "in"), second, "neuron")
    return None


def head_size(module: nn.Module) -> int:
    """Channels of one head of a module with heads."""
    about = stated(module)
    assert about is not None
    return layer_size(module._modules[about.projection], "in") // about.heads


def restate(module: nn.Module, size: int) -> None:
    """Set what a module whose layers lost heads states of them to what its projection has left, by heads of `size`."""
    projection = next(module._modules[name] for name in PROJECTIONS if is_layer(module._modules.get(name)))
    if (left := layer_size(projection, "in") // size) != module.num_heads:
        restate_heads(module, left)


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
