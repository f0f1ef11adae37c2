"""What the library's functions check and prepare alike: model, criterion, reference samples, random state."""

import difflib
import inspect
import secrets
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

import numpy as np
import torch
from torch import Tensor, nn

from secateur import seeds as streams
from secateur.data import references
from secateur.errors import InputError
from secateur.library.samples import ImageSource, Inputs, channels, gather, source
from secateur.models.unpacked import unpacked
from secateur.ranking import registry
from secateur.relevance.undisturbed import undisturbed

BATCH_SIZE = 64
CriterionLike = str | Callable[..., dict[str, Tensor]]
RandomState = int | None | np.random.Generator | np.random.RandomState


class RankSettings(TypedDict, total=False):
    """Settings of `secateur.rank` and `secateur.prune` that seldom need changing."""

    options: Mapping[str, Any]
    """The criterion's own, e.g. {"rule": "epsilon"}; `secateur criteria` lists them."""
    scope: str
    """"signal" (default): all units but the neurons inside gates; "inner": also without residual streams; "all"; or of
    "signal" one kind: "filters", "neurons", "heads" (of attention)."""
    combine: str
    """How the scores of a unit's channels become one: "sum", "mean", "max" or "first"; else the criterion's own way."""
    normalisation: str
    """Of each layer's scores: "none", "sum" or "l2"; else the criterion's own."""
    samples_per_class: int
    """Draw so many images of each class from those given; without it all are used."""
    size: int
    """Side in pixels that pictures are brought to; else the architecture's own."""
    batch_size: int
    """Images in one pass (default 64): changes memory and speed alone."""
    criteria_path: str | Path | Iterable[str | Path]
    """Folders with criterion files of your own."""


class PruneSettings(RankSettings, total=False):
    """`RankSettings`, and how units are chosen by their scores."""

    scheme: str
    """"global" (default): all groups in one ranking; "per-layer": the same rate in each."""
    min_units: int
    """So many units stay in each group (default 1)."""
    budget: str
    """What the rate is a share of: "units" (default), "params" or "macs"."""
    test: Any
    """Images to measure accuracy on, before and after: in any form that brings its labels, or (images, labels)."""


class Reference(NamedTuple):
    """Reference samples on the model's device, in its number type, and the number of its classes."""

    images: Tensor
    labels: Tensor | None
    classes: int


def check_settings(given: Mapping[str, Any], kind: type) -> None:
    """Raise InputError for a setting that there is not."""
    known = sorted(getattr(kind, "__optional_keys__", ()))
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise InputError(f"{name!r}: there is no such setting.{hint} Known are {', '.join(known)}.")


def criterion_of(criterion: CriterionLike, folders: str | Path | Iterable[str | Path] = ()) -> registry.Criterion:
    """A criterion by its name, or from a function `score(network, *, options…)` as a criterion's file defines one."""
    if isinstance(criterion, str):
        return registry.load(criterion, [folders] if isinstance(folders, (str, Path)) else folders)
    if not callable(criterion):
        raise InputError(f"criterion: a {type(criterion).__name__}; give a name, or a function score(network).")
    options = {
        one.name: one.default
        for one in inspect.signature(criterion).parameters.values()
        if one.kind is inspect.Parameter.KEYWORD_ONLY
    }
    name = getattr(criterion, "__name__", type(criterion).__name__)
    place = inspect.getsourcefile(criterion) if inspect.isroutine(criterion) else None
    return registry.Criterion(name, criterion, Path(place or "a function"), options=options)


def seed_of(random_state: RandomState) -> int:
    """A seed from what scikit-learn calls `random_state`: a number; a generator, that is drawn from; None: any."""
    match random_state:
        case None:
            return secrets.randbits(31)
        case bool():
            pass
        case int() | np.integer() if random_state >= 0:
            return int(random_state)
        case np.random.Generator():
            return int(random_state.integers(2**31))
        case np.random.RandomState():
            return int(random_state.randint(2**31))
    raise InputError(
        f"random_state: {random_state!r}; allowed are None, a number of at least 0, or numpy's generators."
    )


def check_model(model: Any) -> nn.Module:
    """The network, with layers of its own where its attention is packed; InputError for what is no network."""
    if isinstance(model, nn.Module):
        return unpacked(model)
    raise InputError(
        f"model: a {type(model).__name__}; needed is a torch.nn.Module, e.g. timm.create_model('resnet18', "
        "pretrained=True)."
    )


def home(model: nn.Module) -> tuple[torch.device, torch.dtype]:
    """Device and number type of a network."""
    first = next((value for value in model.parameters() if value.is_floating_point()), torch.zeros(()))
    return first.device, first.dtype


def classes_of(model: nn.Module, images: Tensor) -> int:
    """How many classes the network tells apart, from a forward pass of one image.

    Raises InputError where it cannot take the images or gives anything but one row of logits an image.
    """
    size = " × ".join(map(str, images.shape[1:]))
    try:
        with undisturbed(model), torch.no_grad():
            outputs = model(images[:1])
    except Exception as error:  # other people's networks say anything about an input that they were not made for
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise InputError(
            f"model: {type(model).__name__} cannot take images of {size} ({type(error).__name__}: {reason}). Give them "
            "as the network expects them, or pictures, which are brought to its size (`size` sets another one)."
        ) from None
    if not isinstance(outputs, Tensor) or outputs.ndim != 2 or len(outputs) != 1 or not outputs.is_floating_point():
        shape = tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
        raise InputError(
            f"model: {type(model).__name__} gives {shape} for one image of {size}; needed is a classifier's row of "
            "logits, 1 × classes."
        )
    return int(outputs.shape[1])


def reference(
    model: nn.Module, images: Any, labels: Any, settings: Mapping[str, Any], seed: int, needs: Iterable[str]
) -> Reference:
    """The reference samples that a criterion with these `needs` is asked on; `settings` as of `RankSettings`.

    Raises InputError for what is missing or does not fit.
    """
    on, dtype = home(model)
    if images is None:
        if "samples" in needs or labels is not None:
            raise InputError("images: there are none, and this criterion looks at images. Give images and labels.")
        zeros = torch.zeros(1, *_stated_size(model, settings.get("size")), device=on, dtype=dtype)
        return Reference(zeros, None, classes_of(model, zeros))
    all_images = source(images, labels, Inputs(model, settings.get("size")))
    index = _drawn(all_images, settings, seed)
    chosen, truth = gather(all_images, index, settings.get("batch_size", BATCH_SIZE))
    chosen = chosen.to(device=on, dtype=dtype)
    classes = classes_of(model, chosen)
    if labels is None:
        check_classes(all_images, classes)
    if "labels" in needs and truth is None:
        raise InputError("labels: there are none, and this criterion asks for the class of every image.")
    return Reference(chosen, None if truth is None else in_range(truth, classes).to(on), classes)


def in_range(labels: Tensor, classes: int) -> Tensor:
    """The labels; InputError for one that is no class of the network."""
    if int(labels.max()) >= classes:
        raise InputError(
            f"labels: {int(labels.max())} is among them, but the network tells {classes} classes apart: allowed are 0 "
            f"to {classes - 1}."
        )
    return labels


def check_classes(images: ImageSource, classes: int) -> None:
    """Raise InputError for a dataset that names more or fewer classes than the network has: it numbers others."""
    if images.classes is not None and len(images.classes) != classes:
        shown = ", ".join(images.classes[:6]) + (", …" if len(images.classes) > 6 else "")
        raise InputError(
            f"images: they are of {len(images.classes)} classes ({shown}), the network tells {classes} apart. Give a "
            "network with these classes, or `labels` that count as the network does."
        )


def _drawn(images: ImageSource, settings: Mapping[str, Any], seed: int) -> np.ndarray | None:
    """Which images are used; None for all."""
    wanted = settings.get("samples_per_class")
    if wanted is None:
        return None
    if isinstance(wanted, bool) or not isinstance(wanted, (int, np.integer)) or wanted < 1:
        raise InputError(f"samples_per_class: {wanted!r}; a number of at least 1 is needed.")
    labels = images.labels
    if labels is None:
        truth = gather(images, None, settings.get("batch_size", BATCH_SIZE), "reading labels")[1]
        if truth is None:
            raise InputError("samples_per_class: images of each class can only be drawn where there are labels.")
        labels = truth.numpy()
    return references.chosen(labels, int(wanted), streams.derive(seed, "reference", "own"))


def _stated_size(model: nn.Module, size: int | None) -> tuple[int, ...]:
    """Channels, height and width of the images that a network says it takes."""
    if size is not None:
        return (channels(model), size, size)
    known = getattr(model, "pretrained_cfg", None) or {}
    stated = known.get("input_size") if hasattr(known, "get") else getattr(known, "input_size", None)
    if not stated:
        raise InputError("images: the network does not say what size they have. Give one, or `size`.")
    return (channels(model), *stated[1:])
