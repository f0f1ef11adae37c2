"""Architectures of one's own: files in the folders of `architectures_path`, and installed packages' entry points.

A file `<name>.py` brings the architecture that its function `<name>(num_classes, in_chans, **arguments)` returns, or
those that it registers with timm. An entry point of the group `secateur.architectures` names such a module. Finding
them runs none of their code.
"""

import importlib
import importlib.metadata
import importlib.util
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from secateur import loaded
from secateur.errors import SecateurError

GROUP = "secateur.architectures"
REGISTERED = re.compile(r"^@register_model\s+def (\w+)\(", re.MULTILINE)
NEEDED = ("get_classifier", "reset_classifier")
"""What timm's networks have to tell and to replace their head."""
IMAGES = "IMAGES"
"""Name of a file's mapping with what timm calls `mean`, `std`, `interpolation` and `crop_pct` of the images."""


class Brought(NamedTuple):
    """The file that an architecture is defined in, and what it is imported as; `packaged`: by its own name."""

    path: Path
    module: str
    packaged: bool


def registered(path: Path) -> list[str]:
    """The architectures that a file registers with timm, read from its text."""
    try:
        return REGISTERED.findall(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SecateurError(f"architectures_path: {path} cannot be read ({error}).") from None


def find(folders: Iterable[str | Path] = ()) -> dict[str, Brought]:
    """Architecture → its file, of all in `folders` and in installed packages.

    Files that begin with "_" or "test_" bring none.

    Raises:
        SecateurError: a folder is missing, two files bring one name, or an entry point names no module.
    """
    known: dict[str, Brought] = {}

    def add(name: str, brought: Brought) -> None:
        if name in known and known[name].path.resolve() != brought.path.resolve():
            raise SecateurError(
                f"architecture '{name}' is defined twice: {known[name].path} and {brought.path}. Rename one of them."
            )
        known.setdefault(name, brought)

    for folder in map(Path, folders):
        if not folder.is_dir():
            raise SecateurError(f"architectures_path: folder '{folder}' does not exist.")
        for path in sorted(folder.glob("*.py")):
            if not path.name.startswith(("_", "test_")):
                for name in registered(path) or [path.stem]:
                    add(name, Brought(path, f"secateur.models.{path.stem}", False))
    for point in importlib.metadata.entry_points(group=GROUP):
        add(point.name, _packaged(point))
    return known


def _packaged(point: importlib.metadata.EntryPoint) -> Brought:
    try:
        specification = None if point.attr else importlib.util.find_spec(point.module)
    except (ImportError, AttributeError, ValueError):  # Python's own words for what is no module
        specification = None
    if specification is None or specification.origin is None:
        raise SecateurError(
            f"architecture '{point.name}': the entry point {GROUP} of an installed package says '{point.value}', which "
            f"is no module that can be found; it must be package.module, with a function {point.name} in it."
        )
    return Brought(Path(specification.origin), point.module, True)


def load(name: str, brought: Brought) -> None:
    """Run the file that brings architecture `name`, and make it known to timm.

    Raises:
        SecateurError: the file cannot be imported, or defines no such function.
    """
    from timm.models import is_model

    if is_model(name):
        return
    try:
        module = importlib.import_module(brought.module) if brought.packaged else _imported(brought)
    except Exception as error:  # a user's file raises anything
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise SecateurError(f"architecture '{name}': {brought.path} cannot be imported: {reason}") from None
    if is_model(name):
        return
    function = getattr(module, name, None)
    if not callable(function):
        raise SecateurError(
            f"architecture '{name}': {brought.path} defines no function {name}(num_classes, in_chans, **arguments) "
            "that returns a module."
        )
    _register(name, function, module)


def _imported(brought: Brought) -> Any:
    loader = loaded.Loader(brought.module, str(brought.path))
    specification = importlib.util.spec_from_file_location(brought.module, brought.path, loader=loader)
    assert specification is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[brought.module] = module  # timm's registry looks for it there
    try:
        loader.exec_module(module)
    except BaseException:
        del sys.modules[brought.module]
        raise
    return module


def _register(name: str, function: Callable[..., Any], module: Any) -> None:
    """Register a plain function with timm, which gives every network arguments of its own that are none of it."""
    from timm.models import generate_default_cfgs, register_model

    def build(pretrained: bool = False, **arguments: Any) -> Any:
        if pretrained:
            raise ValueError(f"{name} has no published weights; use weights: {{file: <path>}}.")
        for key in ("pretrained_cfg", "pretrained_cfg_overlay", "cache_dir"):
            arguments.pop(key, None)
        return function(**arguments)

    build.__name__, build.__module__ = name, module.__name__
    images = getattr(module, IMAGES, None)
    if images:
        module.default_cfgs = generate_default_cfgs({name: dict(images)})
    register_model(build)


def with_head(network: Any, classes: int | None) -> Any:
    """The network with timm's two functions of the head, where it has none: then that is its last linear layer.

    A network without a last linear layer of `classes` outputs stays as it is.
    """
    from torch import nn

    if all(hasattr(network, name) for name in NEEDED):
        return network
    linear = [name for name, module in network.named_modules() if isinstance(module, nn.Linear)]
    if not linear or network.get_submodule(linear[-1]).out_features != classes:
        return network
    base, head = type(network), linear[-1]

    def get_classifier(self: Any) -> nn.Module:
        classifier: nn.Module = self.get_submodule(head)
        return classifier

    def reset_classifier(self: Any, num_classes: int) -> None:
        owner, _, leaf = head.rpartition(".")
        old = self.get_submodule(head)
        setattr(self.get_submodule(owner), leaf, nn.Linear(old.in_features, num_classes, bias=old.bias is not None))

    added = {"get_classifier": get_classifier, "reset_classifier": reset_classifier, "__module__": base.__module__}
    network.__class__ = type(base.__name__, (base,), added)
    return network
