"""What a network was built from and what it has lost: kept with it, so that it can be saved and pruned further."""

import hashlib
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from secateur.models.build import REFUSED
from secateur.pruning.removal import Kept

NOT_KEPT = ("pretrained", "device", "dtype", *REFUSED)


@dataclass(frozen=True)
class Origin:
    """The architecture and arguments that built the unpruned network, and the channels that are left of it.

    `architecture` is timm's name or "torchvision/<name>"; None where it is not known. `kept` is None for a network that
    has lost nothing.
    """

    architecture: str | None
    arguments: dict[str, Any]
    kept: Kept | None
    weights: str = ""
    """What `fingerprint` gave of the network as it was pruned: tells whether it was trained since."""


def origin_of(model: nn.Module) -> Origin:
    """What is known of a network: what an earlier pruning or loading left with it, else what timm says of it."""
    known = getattr(model, "origin", None)
    return known if isinstance(known, Origin) else Origin(*stated(model), None)


def fingerprint(model: nn.Module) -> str:
    """MD5 of a network's tensors."""
    digest = hashlib.md5(usedforsecurity=False)
    for name, tensor in model.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def stated(model: nn.Module) -> tuple[str | None, dict[str, Any]]:
    """Architecture and arguments as timm keeps them with its networks."""
    told: Any = getattr(model, "pretrained_cfg", None) or {}
    about = told.to_dict() if hasattr(told, "to_dict") else dict(told)
    name, tag = about.get("architecture"), about.get("tag")
    if not name:
        return None, {}
    given = {key: value for key, value in getattr(model, "_model_args", {}).items() if key not in NOT_KEPT}
    for key in ("num_classes", "in_chans"):
        if isinstance(getattr(model, key, None), int):
            given[key] = getattr(model, key)
    return f"{name}.{tag}" if tag else name, given
