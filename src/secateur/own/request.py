"""What is asked for when a user's own network is pruned: refused in one line before anything is read or computed."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from secateur.errors import SecateurError
from secateur.models.inputs import LARGEST_SIDE, SMALLEST_SIDE
from secateur.portability import exporting
from secateur.pruning.isomorphism import SCHEMES
from secateur.pruning.selection import BUDGETS, GLOBAL, Selector
from secateur.pruning.units import SCOPES
from secateur.repair import NONE
from secateur.repair import registry as remedies


@dataclass(frozen=True)
class Request:
    """What `secateur prune` is asked for."""

    architecture: str
    """timm's name (or "torchvision/<name>"); `arguments` go to the function that builds it."""
    weights: str | Path
    """Its weights: a file (safetensors, or torch.save of tensors only), "hub" or "hub@<revision>"."""
    data: Path
    """Folder with train/ and test/ of one subfolder a class, or such a folder undivided (a fifth of each class, drawn
    by `seed`, is then the test split). Classes are numbered in the order of their names."""
    criterion: str
    """Name of the criterion; `criteria` are folders searched for it besides the built-in one, `options` its own."""
    samples_per_class: int
    """Training images of each class that the criterion may look at."""
    rate: float
    """Share of the units (or of the selector's budget) to remove, at least 0 and below 1."""
    output: Path
    arguments: Mapping[str, Any] = field(default_factory=dict)
    size: int | None = None
    """Side of the square input in pixels; without it, the architecture's own."""
    selector: Selector = GLOBAL
    """How units are chosen; its input size is that of the network's images, whatever it says."""
    scope: str = "signal"
    """As in `pruning.units.SCOPES`."""
    remedy: str = NONE
    """What to do after the removal, on the same images: see docs/remedies.md."""
    combine: str | None = None
    normalisation: str | None = None
    """`combine`, `normalisation`: as in `pruning.scores.unit_scores`; where not given, the criterion's own."""
    options: Mapping[str, Any] = field(default_factory=dict)
    criteria: Iterable[str | Path] = ()
    seed: int = 0
    """Of the draw of reference images, of the split and of random criteria."""
    device: str = "auto"
    batch_size: int = 64
    overwrite: bool = False
    """Write to `output` even if it holds something; other files in it stay."""
    export: Iterable[str] = ()
    """Further forms of the network: see `sharing.exporting.FORMS`."""
    licence: str | None = None
    """Of the weights, for the model card; of published ones the card knows it."""


def check(request: Request) -> None:
    """Raise a SecateurError for what can be seen to be wrong before anything is read."""
    check_numbers(request.samples_per_class, request.rate, request.size, request.seed)
    check_words(request.selector.budget, request.selector.scheme, request.scope)
    check_output(Path(request.output), request.overwrite)
    remedies.check(request.remedy)
    exporting.check(request.export)


def check_numbers(samples_per_class: int, rate: float, size: int | None, seed: int) -> None:
    """Raise a SecateurError that names the option, where a number makes no sense."""
    if samples_per_class < 1:
        raise SecateurError(f"samples_per_class: {samples_per_class} is too small; at least 1 image a class is needed.")
    if not 0 <= rate < 1:
        raise SecateurError(f"rate {rate!r}: allowed is a fraction of at least 0 and below 1.")
    if size is not None and not SMALLEST_SIDE <= size <= LARGEST_SIDE:
        raise SecateurError(
            f"size: {size} pixels are no side of an input; allowed are {SMALLEST_SIDE} to {LARGEST_SIDE}."
        )
    if seed < 0:
        raise SecateurError(f"seed: {seed} is negative; allowed are whole numbers from 0.")


def check_words(budget: str, scheme: str, scope: str) -> None:
    """Raise a SecateurError that names the option and what is allowed, where a word is unknown."""
    for name, given, allowed in (("budget", budget, BUDGETS), ("scheme", scheme, SCHEMES), ("scope", scope, SCOPES)):
        if given not in allowed:
            raise SecateurError(f"{name} {given!r}: allowed are {', '.join(allowed)}.")


def check_output(folder: Path, overwrite: bool) -> None:
    """Raise a SecateurError where `folder` holds anything that is not to be overwritten, or cannot be written."""
    if folder.is_dir():
        if any(folder.iterdir()) and not overwrite:
            raise SecateurError(
                f"{folder}: is not empty. Name another folder, or allow to write over it (--overwrite)."
            )
    elif folder.exists() or folder.is_symlink():
        raise SecateurError(f"{folder}: is a file. Name a folder for the pruned network and its summary.")
    place = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not place.is_dir():
        raise SecateurError(f"{folder}: cannot be made, as {place} is a file.")
    if not os.access(place, os.W_OK | os.X_OK):
        raise SecateurError(f"{folder}: cannot be written, as {place} does not allow it. Name another folder.")
