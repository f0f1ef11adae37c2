"""Load the pruned network of this folder. Needs torch and timm alone.

    from load import load
    model = load()  # in evaluation mode, on the CPU

The unpruned network is built and given the tensors of weights.safetensors; what its modules state of their sizes, heads
and scales is set to what network.json records. Nothing is unpickled and nothing is fetched.
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
    for name, tensor in load_file(Path(folder) / "weights.safetensors").items():
        owner, _, leaf = name.rpartition(".")
        module = model.get_submodule(owner)
        old, new = getattr(module, leaf), tensor.clone()  # cloned: tensors in a file may start at odd addresses
        gradient = old is None or old.requires_grad  # none: a bias that the pruned network has gained
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
        free = imported("pruned_widths", Path(folder) / "widths.py").free
        for owner, (projection, sources) in about["widths"].items():
            free(model.get_submodule(owner), projection, sources)
    return model.eval()


def build(architecture: str, arguments: dict[str, Any], own: Path) -> torch.nn.Module:
    """The unpruned network; `own` is the file of an architecture that timm does not have."""
    given: dict[str, Any] = {key: tuple(x) if isinstance(x, list) else x for key, x in arguments.items()}
    if architecture.startswith("torchvision/"):
        models = importlib.import_module("torchvision.models")
        return models.get_model(architecture.removeprefix("torchvision/"), weights=None, **given)
    if own.exists() and not timm.is_model(architecture):
        module = imported("pruned_architecture", own)
        if not timm.is_model(architecture):
            return getattr(module, architecture)(**given)  # a plain function
    return timm.create_model(architecture, pretrained=False, **given)


def imported(name: str, path: Path) -> Any:
    """The module that a file of this folder is, under a name by which it is found again."""
    specification = importlib.util.spec_from_file_location(name, path)
    assert specification is not None and specification.loader is not None
    sys.modules[name] = module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


if __name__ == "__main__":
    print(load())
