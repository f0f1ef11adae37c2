"""Pruned networks on disk: the weights as safetensors and a small JSON that says how to rebuild the network; no code.

`network.json` holds the architecture's name and arguments, which original output channels are left in each layer, and
the MD5 of `weights.safetensors`, by which a torn or exchanged pair of files is found out.
"""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from secateur.errors import SecateurError
from secateur.files import md5, read_json, replacing, write_json
from secateur.models import devices
from secateur.models.build import register
from secateur.models.unpacked import replaced, unpacked
from secateur.pruning import attention, sums, widths
from secateur.pruning.cutting import head_inputs, resize, restate_head
from secateur.pruning.operations import BATCH_NORMS, is_layer, layer_size
from secateur.pruning.removal import Kept

FORMAT = "secateur pruned network 1"
WEIGHTS, DESCRIPTION = "weights.safetensors", "network.json"
NAME = re.compile(r"(torchvision/)?[A-Za-z0-9_.-]+")
Builder = Callable[[str, dict[str, Any]], nn.Module]


class Saved(NamedTuple):
    """A network read from disk (on the CPU, in eval mode) and what its description says."""

    model: nn.Module
    architecture: str
    arguments: dict[str, Any]
    kept: Kept


def save(
    model: nn.Module,
    folder: str | Path,
    *,
    architecture: str,
    arguments: Mapping[str, Any],
    kept: Mapping[str, Any],
    attributes: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Write `model` to `folder` (made if needed) as `weights.safetensors` and `network.json`, each whole or not at all.

    `architecture` and `arguments` are what `timm.create_model(architecture, **arguments)` built the unpruned network
    from (or "torchvision/<name>" and that function's arguments); `kept` is the record of `removal.all_channels` and
    `removal.remaining`. `attributes` are numbers that modules state of themselves and that the unpruned network's do
    not: module → name → value (see `sharing.portable`). Weights keep their precision.

    Raises SecateurError when `kept` does not fit the network or the arguments cannot be written as JSON.
    """
    folder = Path(folder)
    record = {layer: [int(channel) for channel in channels] for layer, channels in kept.items()}
    _check_record(model, record, str(folder))
    settings = {key: value for key, value in arguments.items() if key != "pretrained"}
    try:
        json.dumps(settings)
    except (TypeError, ValueError) as error:
        raise SecateurError(f"arguments of {architecture}: {error}. Allowed are JSON's types of value.") from None
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in model.state_dict().items()}
    with replacing(folder / WEIGHTS) as temporary:
        save_file(tensors, temporary)
    description: dict[str, Any] = {"format": FORMAT, "architecture": architecture, "arguments": settings}
    own, given = sums.stated(model), attributes or {}
    every = {name: {**own.get(name, {}), **given.get(name, {})} for name in {**own, **given}}
    description |= {"kept": record, "attributes": every}
    description["heads"] = attention.counts(model)
    if freed := widths.recorded(model):  # for load.py; here it follows from the shapes
        description["widths"] = freed
    told = {"unpacked": replaced(model), "weights_md5": md5(folder / WEIGHTS)}  # the first for load.py
    write_json(folder / DESCRIPTION, description | told)


def load(folder: str | Path, *, build: Builder | None = None) -> Saved:
    """Rebuild the network that `save` wrote to `folder`.

    `build(architecture, arguments)` makes the unpruned network; by default timm's or torchvision's function does,
    without pretrained weights. The global random state is left as it was.

    Raises SecateurError for files that are missing, truncated, not of one pair, or another program's, and where the
    unpruned network does not have the layers and sizes that the files speak of.
    """
    folder = Path(folder)
    for name in (DESCRIPTION, WEIGHTS):
        if not (folder / name).is_file():
            raise SecateurError(f"{folder}: holds no {name}. A pruned network is {DESCRIPTION} and {WEIGHTS} together.")
    architecture, arguments, kept, attributes, heads = _description(folder)
    try:
        # Cloned, since tensors that start at odd addresses of the file are summed in another order by the processor.
        tensors = {name: tensor.clone() for name, tensor in load_file(folder / WEIGHTS).items()}
    except (SafetensorError, OSError, ValueError) as error:
        raise SecateurError(f"{folder / WEIGHTS}: not a readable safetensors file ({error}). Save it again.") from None
    with devices.fork_rng():
        model = (build or build_unpruned)(architecture, arguments)
    separate = unpacked(model)
    model = separate if all(name in tensors for name in separate.state_dict()) else model
    where = str(folder)
    _gain(model, tensors)
    _check_names(model, tensors, architecture, where)
    before = head_inputs(model)
    groups = {name: stated.get("groups") for name, stated in attributes.items() if isinstance(stated, dict)}
    _shrink_to(model, tensors, heads, groups, where)
    _check_record(model, kept, where)
    model.load_state_dict(tensors, assign=True)
    _match_precision(model)
    restate_head(model, before)
    _state(model, attributes, where)
    return Saved(model.eval(), architecture, arguments, kept)


def build_unpruned(architecture: str, arguments: Mapping[str, Any]) -> nn.Module:
    """The network `architecture` of timm (ours included), or of torchvision after "torchvision/", randomly initialised.

    Raises SecateurError for an unknown name or arguments that the network does not take.
    """
    from secateur.models.build import check_arguments

    settings: dict[str, Any] = {}
    for key, value in arguments.items():
        settings[key] = tuple(value) if isinstance(value, list) else value
    settings.pop("pretrained", None)
    check_arguments(settings, f"architecture {architecture!r}")
    if not NAME.fullmatch(architecture):  # timm fetches what stands behind "hf-hub:", and opens behind "local-dir:"
        raise SecateurError(
            f"architecture {architecture!r} is not allowed: a name has letters, digits, '_', '-' and '.'."
        )
    try:
        if architecture.startswith("torchvision/"):
            import torchvision

            return torchvision.models.get_model(architecture.removeprefix("torchvision/"), weights=None, **settings)
        import timm

        register(architecture)
        return timm.create_model(architecture, pretrained=False, **settings)
    except Exception as error:  # other people's constructors say anything about arguments that make no sense
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise SecateurError(
            f"architecture {architecture!r} with arguments {str(dict(arguments))[:200]} cannot be built ({reason}). "
            "Allowed are timm's names (timm.list_models()) and torchvision's after 'torchvision/'."
        ) from None


def plain(value: Any) -> bool:
    """Whether a value is a number, a text, or a tuple of whole numbers: what modules state of themselves."""
    if isinstance(value, tuple):
        return all(type(item) is int for item in value)
    return isinstance(value, (bool, int, float, str))


def _state(model: nn.Module, attributes: Mapping[str, Any], where: str) -> None:
    """Set what modules state of themselves to what the description records."""
    modules = dict(model.named_modules())
    for owner, stated in attributes.items():
        module = modules.get(owner)
        for name, value in stated.items() if isinstance(stated, dict) else [("", None)]:
            new = tuple(value) if isinstance(value, list) else value
            old = vars(module).get(name) if module is not None and not name.startswith("_") else None
            if old is None or not plain(old) or not plain(new) or isinstance(old, tuple) is not isinstance(new, tuple):
                raise SecateurError(f"{where}: the description states {owner}.{name} = {value!r}, which there is not.")
            setattr(module, name, new)


def _description(folder: Path) -> tuple[str, dict[str, Any], Kept, dict[str, Any], dict[str, int]]:
    """Architecture, arguments, record of kept channels, attributes and numbers of heads, checked for form and against
    the weights."""
    path = folder / DESCRIPTION
    found = read_json(path)
    expected = {"architecture": str, "arguments": dict, "kept": dict, "weights_md5": str}
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise SecateurError(f"{path}: is no description of a pruned network (format {FORMAT!r} is needed).")
    for key, kind in expected.items():
        if not isinstance(found.get(key), kind):
            raise SecateurError(f"{path}: entry {key!r} is missing or of the wrong kind. Save the network again.")
    if md5(folder / WEIGHTS) != found["weights_md5"]:
        raise SecateurError(
            f"{folder}: {WEIGHTS} is truncated or not the one that {DESCRIPTION} describes. Save again."
        )
    attributes, heads = found.get("attributes", {}), found.get("heads", {})  # networks saved earlier have none
    for key, value in (("attributes", attributes), ("heads", heads)):
        if not isinstance(value, dict) or (key == "heads" and any(type(n) is not int or n < 1 for n in value.values())):
            raise SecateurError(f"{path}: entry {key!r} is of the wrong kind. Save the network again.")
    return found["architecture"], found["arguments"], found["kept"], attributes, heads


def _gain(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Give the network what its file has beside: a bias that a remedy added, a buffer that heads were cut from."""
    for name, module in model.named_modules():
        if is_layer(module) and module.bias is None and f"{name}.bias" in tensors:
            module.bias = nn.Parameter(torch.zeros(layer_size(module, "out")))
        for leaf in list(module._non_persistent_buffers_set):
            if f"{name}.{leaf}" in tensors:
                module._non_persistent_buffers_set.discard(leaf)


def _match_precision(model: nn.Module) -> None:
    """Give buffers that are not saved the precision of the weights, which the network may have been brought to."""
    dtype = next((tensor.dtype for tensor in model.parameters() if tensor.is_floating_point()), torch.float32)
    for module in model.modules():
        for leaf in module._non_persistent_buffers_set:
            buffer = module._buffers.get(leaf)
            if buffer is not None and buffer.is_floating_point():
                module._buffers[leaf] = buffer.to(dtype)


def _check_names(model: nn.Module, tensors: Mapping[str, Tensor], architecture: str, where: str) -> None:
    """Raise unless the tensors are exactly those that the unpruned network has."""
    own = model.state_dict()
    problems = [f"missing {name}" for name in own if name not in tensors]
    problems += [f"surplus {name}" for name in tensors if name not in own]
    if problems:
        shown = "; ".join(problems[:6]) + (f"; and {len(problems) - 6} more" if len(problems) > 6 else "")
        raise SecateurError(f"{where}: the weights are not those of a {architecture}: {shown}.")


def _shrink_to(
    model: nn.Module, tensors: Mapping[str, Tensor], heads: Mapping[str, int], groups: Mapping[str, Any], where: str
) -> None:
    """Make the network's tensors as small as those of the file, and its modules' stated sizes with them.

    `heads`: module -> how many it has left; where it is not there, no head has lost a channel. `groups`: convolution ->
    in how many groups it works; where it is not there, it has lost whole groups or none.
    """
    modules = dict(model.named_modules())
    sizes = {name: attention.head_size(module) for name, module in modules.items() if attention.stated(module)}
    for prefix, module in model.named_modules():
        changed = False
        sized = is_layer(module) or isinstance(module, (nn.PReLU, nn.LayerNorm, BATCH_NORMS)) or sums.sums(module)
        for name, own in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
            full = f"{prefix}.{name}" if prefix else name
            if full not in tensors or tensors[full].shape == own.shape:
                continue
            found, allowed = tuple(tensors[full].shape), tuple(own.shape)
            known = (
                sized or own.numel() == max(allowed) or prefix.startswith(tuple(sizes)) or found[:-1] == allowed[:-1]
            )
            fits = len(found) == len(allowed) and all(0 < new <= old for new, old in zip(found, allowed, strict=True))
            if not (known and fits):
                raise SecateurError(f"{where}: {full} has shape {found}, which no removal makes of {allowed}.")
            empty = torch.empty(found, dtype=own.dtype)
            setattr(module, name, nn.Parameter(empty, own.requires_grad) if isinstance(own, nn.Parameter) else empty)
            changed = True
        if changed and sized:
            before = layer_size(module, "in") if is_layer(module) else 0
            resize(module, groups.get(prefix))
            if is_layer(module) and layer_size(module, "in") < before:
                attention.release(modules[prefix.rpartition(".")[0]], [prefix.rpartition(".")[2]])
    for name, size in sizes.items():
        if layer_size(attention.projection_of(modules[name]), "in") % heads.get(name, 1):
            raise SecateurError(f"{where}: {name} cannot have {heads[name]} heads, which the description states.")
        attention.restate(modules[name], size, heads.get(name))


def _check_record(model: nn.Module, kept: Mapping[str, Any], where: str) -> None:
    """Raise unless the record of kept channels has exactly the network's layers, and as many channels as they have."""
    layers = {name: module for name, module in model.named_modules() if is_layer(module)}
    if set(kept) != set(layers):
        odd = sorted(set(kept) ^ set(layers))
        raise SecateurError(f"{where}: record of kept channels and network differ in the layers {', '.join(odd[:6])}.")
    for name, channels in kept.items():
        size = layer_size(layers[name], "out")
        whole = isinstance(channels, list) and all(type(channel) is int and channel >= 0 for channel in channels)
        if not whole or sorted(set(channels)) != channels or len(channels) != size:
            raise SecateurError(f"{where}: layer {name} has {size} output channels, but its record lists others.")
