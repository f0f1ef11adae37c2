"""Building networks: a timm architecture for a task, its head, and weights stored as safetensors."""

import difflib
import importlib.util
import re
from functools import cache
from pathlib import Path
from typing import Any

from secateur.errors import SecateurError

REGISTERED = re.compile(r"^@register_model\s+def (\w+)\(", re.MULTILINE)


@cache
def architectures() -> tuple[str, ...]:
    """Names of all architectures that timm knows, ours included, read from the sources without importing torch."""
    specification = importlib.util.find_spec("timm")
    assert specification is not None and specification.submodule_search_locations
    folders = [Path(specification.submodule_search_locations[0]) / "models", Path(__file__).parent]
    texts = (path.read_text(encoding="utf-8") for folder in folders for path in sorted(folder.glob("*.py")))
    return tuple(sorted({name for text in texts for name in REGISTERED.findall(text)}))


def check_architecture(name: str, key: str) -> None:
    """Raise a SecateurError that names the config's `key` and the nearest names where timm knows no `name`."""
    if name.split(".")[0] not in architectures():
        near = difflib.get_close_matches(name, architectures(), 4, cutoff=0.5)
        hint = f"the nearest are {', '.join(near)}" if near else "see timm.list_models()"
        raise SecateurError(f"{key}: timm has no architecture '{name}'; {hint}.")


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

    import secateur.models.small  # noqa: F401 (registers our own architectures with timm)

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        try:
            return timm.create_model(
                backbone["architecture"], num_classes=classes, in_chans=channels, **arguments(backbone)
            )
        except TypeError as error:
            raise SecateurError(
                f"backbones: timm's {backbone['architecture']} does not take the arguments "
                f"{backbone['arguments']}: {error}"
            ) from None


def arguments(backbone: dict[str, Any]) -> dict[str, Any]:
    """The config's `arguments` with lists as tuples, as timm expects them."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in backbone["arguments"].items()}


def reset_head(network: Any, classes: int, seed: int) -> None:
    """Replace the classifier of a timm network by a freshly initialised one with `classes` outputs."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network.reset_classifier(classes)
