"""Load the pruned network of this folder, with torch and timm alone: `from load import load; model = load()`.

The unpruned network is built and given the tensors of weights.safetensors; what its modules state of their sizes, heads
and scales is set to what network.json records. Nothing is unpickled, nothing is fetched; it is on the CPU, to evaluate.
"""

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors.torch import load_file


def load(folder: str | Path = Path(__file__).resolve().parent) -> torch.nn.Module:  # noqa: B008
    """The network whose weights.safetensors and network.json lie in `folder`."""
    about = json.loads((Path(folder) / "network.json").read_text(encoding="utf-8"))
    with torch.random.fork_rng():
        model = build(about["architecture"], about["arguments"], Path(folder) / "architecture.py")
    if about.get("unpacked"):  # attention that has layers of its own in place of packed weights
        model = imported("pruned_attention", Path(folder) / "attention.py").unpacked(model)
    for name, tensor in load_file(Path(folder) / "weights.safetensors").items():
        module, leaf = model.get_submodule(name.rpartition(".")[0]), name.rpartition(".")[2]
        new = tensor.clone()  # tensors in a file may start at odd addresses
        gradient = getattr(getattr(module, leaf), "requires_grad", True)  # None: a bias that the network has gained
        setattr(module, leaf, torch.nn.Parameter(new, gradient) if leaf in module._parameters else new)
    dtype = next((value.dtype for value in model.parameters() if value.is_floating_point()), torch.float32)
    for module in model.modules():  # what is not in the file was built in single precision
        for leaf, buffer in module._buffers.items():
            if leaf in module._non_persistent_buffers_set and buffer is not None and buffer.is_floating_point():
                module._buffers[leaf] = buffer.to(dtype)
    for owner, stated in about["attributes"].items():
        for name, value in stated.items():
            setattr(model.get_submodule(owner), name, tuple(value) if isinstance(value, list) else value)
    if "widths" in about:  # modules whose code takes the width of their heads for that of their input
        imported("pruned_widths", Path(folder) / "widths.py").free_again(model, about["widths"])
    return model.eval()


def build(architecture: str, arguments: dict[str, Any], own: Path) -> torch.nn.Module:
    """The unpruned network; `own` is the file of an architecture that timm does not have."""
    given: dict[str, Any] = {key: tuple(x) if isinstance(x, list) else x for key, x in arguments.items()}
    if architecture.startswith("torchvision/"):
        models = importlib.import_module("torchvision.models")
        return models.get_model(architecture.removeprefix("torchvision/"), weights=None, **given)
    module = imported("pruned_architecture", own) if own.exists() and not timm.is_model(architecture) else None
    if module and not timm.is_model(architecture):
        return getattr(module, architecture)(**given)  # a plain function
    return timm.create_model(architecture, pretrained=False, **given)


def imported(name: str, path: Path) -> Any:
    """The module that a file of this folder is, under a name by which it is found again."""
    specification: Any = importlib.util.spec_from_file_location(name, path)
    sys.modules[name] = module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module
