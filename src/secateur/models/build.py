"""Building networks: an architecture of timm, of torchvision or of one's own, for a task; its head."""

import ast
import difflib
import importlib.util
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from secateur.errors import SecateurError
from secateur.models import own

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
TORCHVISION = "torchvision/"
"""Before the names of torchvision's architectures."""
_brought: dict[str, own.Brought] = {}


@cache
def architectures() -> tuple[str, ...]:
    """Names of all architectures that timm knows, ours included, read from the sources without importing torch."""
    return tuple(sorted(_registered(_folder("timm") / "models") | _ours()))


def search(folders: Iterable[str | Path]) -> None:
    """From now on architectures of these folders are known in this process, and those of installed packages.

    Raises:
        SecateurError: what `own.find` raises, and a name that timm or Secateur has.
    """
    by_name = own.find(folders)
    for name, brought in by_name.items():
        if name in architectures():
            raise SecateurError(f"architectures_path: {brought.path}: timm or Secateur has a '{name}'; rename yours.")
    _brought.clear()
    _brought.update(by_name)


def behind(architecture: str) -> own.Brought | None:
    """The file that brings an architecture, ours or the user's; None for those of timm and torchvision."""
    name = architecture.split(".")[0]
    if name in _ours():
        return own.Brought(_ours()[name], f"secateur.models.{_ours()[name].stem}", packaged=True)
    return _brought.get(name)


def file_of(architecture: str) -> Path | None:
    """The path of that file."""
    brought = behind(architecture)
    return brought.path if brought else None


@cache
def _ours() -> dict[str, Path]:
    return _registered(Path(__file__).parent)


def _registered(folder: Path) -> dict[str, Path]:
    """Architecture → the file of `folder` that registers it."""
    return {name: path for path in sorted(folder.glob("*.py")) for name in own.registered(path)}


@cache
def _of_torchvision() -> tuple[str, ...]:
    """Names of torchvision's classifiers, read from its sources."""
    trees = [ast.parse(path.read_bytes()) for path in sorted((_folder("torchvision") / "models").glob("*.py"))]
    functions = [node for tree in trees for node in tree.body if isinstance(node, ast.FunctionDef)]
    return tuple(
        sorted(
            TORCHVISION + function.name
            for function in functions
            if any("register_model" in ast.dump(decorator) for decorator in function.decorator_list)
        )
    )


def _folder(package: str) -> Path:
    specification = importlib.util.find_spec(package)
    assert specification is not None and specification.submodule_search_locations
    return Path(specification.submodule_search_locations[0])


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
    """Make an architecture of ours or the user's known to timm, before it is built or asked about by its name.

    Only its own file is loaded: what a run does not use can neither change nor break it.

    Raises:
        SecateurError: the user's file cannot be imported, or does not define it.
    """
    brought = behind(architecture)
    if brought:
        own.load(architecture.split(".")[0], brought)


def check_architecture(name: str, key: str) -> None:
    """Raise a SecateurError that names the config's `key` and the nearest names where nobody brings `name`."""
    package = "torchvision" if name.startswith(TORCHVISION) else "timm"
    known = _of_torchvision() if name.startswith(TORCHVISION) else (*architectures(), *_brought)
    if (name if name.startswith(TORCHVISION) else name.split(".")[0]) not in known:
        near = difflib.get_close_matches(name, known, 4, cutoff=0.5)
        hint = f"the nearest are {', '.join(near)}" if near else f"see {package}'s list_models()"
        yours = " One of your own is a file in a folder of architectures_path." if package == "timm" else ""
        raise SecateurError(f"{key}: {package} has no architecture '{name}'; {hint}.{yours}")


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
        backbone: entry of the config: `architecture` (a name of timm, torchvision or one's own) and `arguments` (passed
            to what builds it as they are).
        classes: outputs of the head.
        channels: image channels.
        seed: of the initialisation; the global random state is left as it was.

    Raises:
        SecateurError: nobody can build it so, or it does not tell its head.
    """
    import torch

    from secateur.models import devices

    register(backbone["architecture"])
    check_arguments(backbone["arguments"], "backbones")
    with devices.fork_rng():
        torch.manual_seed(seed)
        try:
            network = _built(backbone["architecture"], classes, channels, arguments(backbone))
        except SecateurError:
            raise
        except Exception as error:  # what builds a network, of timm's or of one's own, raises anything
            reason = " ".join(str(error).split())[:300] or type(error).__name__
            raise SecateurError(
                f"backbones: {backbone['architecture']} cannot be built with the arguments "
                f"{str(backbone['arguments'])[:300]}: {reason}"
            ) from None
    absent = [name for name in own.NEEDED if not hasattr(network, name)]
    if absent:
        raise SecateurError(
            f"backbones: the network {backbone['architecture']} has no {' and no '.join(absent)}, which timm's have: "
            f"they tell and replace the head; and its last layer is no linear one with {classes} outputs, which would "
            "be taken for it. src/secateur/models/alexnet.py shows how to write them."
        )
    return network


def _built(architecture: str, classes: int, channels: int, given: dict[str, Any]) -> Any:
    import timm

    from secateur.models.unpacked import unpacked

    if not architecture.startswith(TORCHVISION):
        made = timm.create_model(architecture, num_classes=classes, in_chans=channels, **given)
        return own.with_head(unpacked(made), classes)
    import torchvision

    if channels != 3:
        raise SecateurError(
            f"backbones: {architecture} sees colour images, not {channels} channel(s). Write colour: rgb for it, which "
            "repeats the grey of grey images."
        )
    name = architecture.removeprefix(TORCHVISION)
    made = torchvision.models.get_model(name, weights=None, num_classes=classes, **given)
    return own.with_head(unpacked(made), classes)


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
