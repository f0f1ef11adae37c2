"""`secateur.relevance`: what the network saw in an image, by LRP."""

from collections.abc import Iterator, Sequence
from typing import Any, TypedDict, Unpack

import torch
from torch import Tensor, nn

from secateur.errors import InputError
from secateur.library.asking import BATCH_SIZE, check_model, check_settings, in_range, reference
from secateur.progress import track
from secateur.ranking.network import Network
from secateur.relevance.undisturbed import undisturbed


class RelevanceSettings(TypedDict, total=False):
    """Settings of `secateur.relevance` that seldom need changing; what they mean: docs/relevance.md."""

    start: str
    """What is distributed: "one-hot" (default), "logit" or "softmax-contrast"."""
    additions: str
    """How an addition of two signals splits relevance: by "value" (default), "positive" parts or "absolute" value."""
    bias: str
    """Whether biases "absorb" relevance or "ignore" it; else each rule's own way."""
    size: int
    """Side in pixels that pictures are brought to; else the architecture's own."""
    batch_size: int
    """Images in one pass (default 64): changes memory and speed alone."""


def relevance(
    model: nn.Module,
    images: Any,
    labels: Any = None,
    rule: Any = "zplus",
    *,
    layers: Sequence[str] | None = None,
    **settings: Unpack[RelevanceSettings],
) -> Tensor | dict[str, Tensor]:
    """Relevance of every pixel, or of every position of some layers, for a class.

    Args:
        model: a classifier; it is left as it was.
        images: as of `secateur.rank`.
        labels: the class of each image whose score is explained; without labels (and where the images bring none)
            the one that the network predicts.
        rule: "zplus", "epsilon", "epsilon-plus", "epsilon-alpha2beta1", another rule or a composite
            (`secateur.relevance.composites.assign`).
        layers: names of convolutions and linear layers.

    Returns:
        A tensor of the images' shape; with `layers` a mapping of layer → samples × channels × positions, the relevance
        of its output. On the CPU.

    Raises:
        SecateurError: what cannot be used, or a part of the network that relevance cannot be carried through, by name.
    """
    model = check_model(model)
    check_settings(settings, RelevanceSettings)
    if images is None:
        raise InputError("images: there are none; relevance is that of images.")
    given = reference(model, images, labels, settings, 0, ("samples",))
    size = settings.get("batch_size", BATCH_SIZE)
    truth = _predicted(model, given.images, size) if given.labels is None else in_range(given.labels, given.classes)
    network = Network(model, list(layers or ()), given.images, truth, batch_size=size)
    options = (rule, settings.get("start", "one-hot"), settings.get("additions", "value"), settings.get("bias"))
    steps = -(-len(given.images) // size)
    if layers is None:
        relevances: Iterator[Tensor] = track(network.input_relevance(*options), steps, "relevance")
        return torch.cat([part.detach().cpu() for part in relevances])
    parts = [
        {name: values.detach().cpu() for name, values in part.items()}
        for part in track(network.relevance(*options), steps, "relevance")
    ]
    return {name: torch.cat([part[name] for part in parts]) for name in layers}


def _predicted(model: nn.Module, images: Tensor, size: int) -> Tensor:
    with undisturbed(model), torch.no_grad():
        return torch.cat([model(part).argmax(1) for part in images.split(size)])
