"""Building networks: a timm architecture for a task, its head, and weights stored as safetensors."""

import difflib
import importlib
import importlib.util
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from secateur.errors import SecateurError

MAIN = "main"
"""The revision that is whatever the hub holds today."""
REFUSED = frozenset(
    (
        "cache_dir",
        "checkpoint_path",
        "pretrained_cfg",
        "pretrained_cfg_overlay",
        "pretrained_strict",
        "weights_backbone",
    )
)
"""Arguments of timm's and torchvision's functions that make them read a file or the network."""
NEEDED = ("get_classifier", "reset_classifier")
"""What a network must have, besides being a module."""
REGISTERED = re.compile(r"^@register_model\s+def (\w+)\(", re.MULTILINE)


@cache
def architectures() -> tuple[str, ...]:
    """Names of all architectures that timm knows, ours included, read from the sources without importing torch."""
    specification = importlib.util.find_spec("timm")
    assert specification is not None and specification.submodule_search_locations
    return tuple(sorted(_registered(Path(specification.submodule_search_locations[0]) / "models") | _own()))


def file_of(architecture: str) -> Path | None:
    """The file beside this one that registers an architecture with timm; None for those of others."""
    return _own().get(architecture.split(".")[0])


@cache
def _own() -> dict[str, Path]:
    return _registered(Path(__file__).parent)


def _registered(folder: Path) -> dict[str, Path]:
    """Architecture → the file of `folder` that registers it."""
    texts = {path: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.py"))}
    return {name: path for path, text in texts.items() for name in REGISTERED.findall(text)}


def weights_source(given: str | dict[str, str]) -> dict[str, str]:
    """Where weights come from, as a mapping of one key: `hub` (a revision), `file` (a path), `pretrain` (a dataset).

    As text it is "hub", "hub@<revision>" or a path.
    """
    if not isinstance(given, str):
        return given
    place, at, revision = given.partition("@")
    if place == "hub" and (revision or not at):
        return {"hub": revision or MAIN}
    return {"file": given}


def register(architecture: str) -> None:
    """Make an architecture of ours known to timm, before it is built or asked about by its name; others are known.

    Only its own file is loaded: what a run does not use can neither change nor break it.
    """
    path = file_of(architecture)
    if path is not None:
        importlib.import_module(f"secateur.models.{path.stem}")


def check_architecture(name: str, key: str) -> None:
    """Raise a SecateurError that names the config's `key` and the nearest names where timm knows no `name`."""
    if name.split(".")[0] not in architectures():
        near = difflib.get_close_matches(name, architectures(), 4, cutoff=0.5)
        hint = f"the nearest are {', '.join(near)}" if near else "see timm.list_models()"
        raise SecateurError(f"{key}: timm has no architecture '{name}'; {hint}.")


def check_arguments(given: Mapping[str, Any], where: str) -> None:
    """Raise a SecateurError where arguments of an architecture would open a file or fetch something."""
    refused = sorted(REFUSED & set(given))
    if refused:
        raise SecateurError(
            f"{where}: the argument '{refused[0]}' is not allowed: weights come from where Secateur says, and "
            "nothing is fetched while a network is built."
        )


def create(backbone: dict[str, Any], classes: int, channels: int, seed: int) -> Any:
    """A freshly initialised network on the CPU, in train mode.

    Args:
        backbone: entry of the config: `architecture` (timm name) and `arguments` (passed to timm as they are).
        classes: outputs of the head.
        channels: image channels.
        seed: of the initialisation; the global random state is left as it was.
    """
    import timm
    import torch

    from secateur.models import devices

    register(backbone["architecture"])
    check_arguments(backbone["arguments"], "backbones")
    with devices.fork_rng():
        torch.manual_seed(seed)
        try:
            network = timm.create_model(
                backbone["architecture"], num_classes=classes, in_chans=channels, **arguments(backbone)
            )
        except Exception as error:  # what builds a network, of timm's or of one's own, raises anything
            reason = " ".join(str(error).split())[:300] or type(error).__name__
            raise SecateurError(
                f"backbones: {backbone['architecture']} cannot be built with the arguments "
                f"{str(backbone['arguments'])[:300]}: {reason}"
            ) from None
    absent = [name for name in NEEDED if not hasattr(network, name)]
    if absent:
        raise SecateurError(
            f"backbones: the network {backbone['architecture']} has no {' and no '.join(absent)}, which timm's have: "
            "they tell and replace the head. src/secateur/models/alexnet.py shows how to write them."
        )
    return network


def arguments(backbone: dict[str, Any]) -> dict[str, Any]:
    """The config's `arguments` with lists as tuples, as timm expects them."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in backbone["arguments"].items()}


def head_prefixes(network: Any) -> tuple[str, ...]:
    """Beginnings of the names of the classifier's tensors: they belong to a task and are not transferred."""
    classifier = network.get_classifier()
    heads = classifier if isinstance(classifier, tuple | list) else (classifier,)  # distilled networks have two
    return tuple(f"{name}." for name, module in network.named_modules() if any(module is head for head in heads))


def input_layers(network: Any) -> tuple[str, ...]:
    """Names of the convolutions that read the image, as timm states them; else the first convolution there is."""
    import torch

    stated = (getattr(network, "pretrained_cfg", None) or {}).get("first_conv")
    if stated:
        return (stated,) if isinstance(stated, str) else tuple(stated)
    return next(((name,) for name, module in network.named_modules() if isinstance(module, torch.nn.Conv2d)), ())


def reset_head(network: Any, classes: int, seed: int) -> None:
    """Replace the classifier of a timm network by a freshly initialised one with `classes` outputs."""
    import torch

    from secateur.models import devices, memory_format

    with devices.fork_rng():
        torch.manual_seed(seed)
        network.reset_classifier(classes)
    memory_format.lay_out(network, memory_format.of(network))
