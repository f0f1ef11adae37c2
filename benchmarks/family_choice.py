"""Which member stands for a family, by a rule: the fewest parameters of all that one module of timm registers.

Every architecture is built without weights (on PyTorch's meta device), so nothing is fetched. The input is the smallest
of a few sizes at which the network runs, given as it is or as `img_size` where the network must know it.
"""

import contextlib
import warnings
from importlib.util import find_spec
from typing import Any, NamedTuple

import timm
import torch
from torch import nn

SIDES = (64, 96, 128, 160, 192, 224, 256, 384, 512, 768, 1024)
CLASSES = 10
LARGE = 200_000_000
"""Parameters above which a member is built with two blocks, so that it fits into memory in float64."""


class Member(NamedTuple):
    """A family's smallest member: its name, timm's arguments for it, and the side of the images given to it."""

    architecture: str
    arguments: dict[str, Any]
    side: int


def families() -> list[str]:
    """All modules of timm itself that register architectures; others may have registered theirs in the same place."""
    return sorted(name for name in timm.list_modules() if find_spec(f"timm.models.{name}"))


def parameters(architecture: str) -> int | None:
    """Number of parameters of an architecture as timm has it; None where it cannot be built."""
    try:
        return sum(parameter.numel() for parameter in _hollow(architecture, {}).parameters())
    except Exception:  # whatever another package's constructor raises
        return None


def smallest(family: str) -> str:
    """The architecture of a family with the fewest parameters; among equals the first in timm's list."""
    sizes = {name: parameters(name) for name in timm.list_models(module=family)}
    known = {name: size for name, size in sizes.items() if size is not None}
    return min(known, key=known.__getitem__)


def member(architecture: str) -> Member:
    """An architecture with ten classes at the smallest input that it takes; at timm's own size where none is taken."""
    own: dict[str, Any] = {"num_classes": CLASSES}
    if (parameters(architecture) or 0) > LARGE:
        own["depth"] = 2
    for side in SIDES:
        for arguments in (own, {**own, "img_size": side}):
            with contextlib.suppress(Exception), torch.no_grad():
                outputs = _hollow(architecture, arguments)(torch.empty(2, 3, side, side, device="meta"))
                if outputs.shape == (2, CLASSES):
                    return Member(architecture, arguments, side)
    size = timm.get_pretrained_cfg(architecture).input_size  # some networks do not run without values
    return Member(architecture, own, size[-1])


def _hollow(architecture: str, arguments: dict[str, Any]) -> nn.Module:
    """The network without values, in evaluation mode."""
    with warnings.catch_warnings(), torch.device("meta"):
        warnings.simplefilter("ignore")
        return timm.create_model(architecture, pretrained=False, **arguments).eval()
