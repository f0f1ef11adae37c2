"""From scores of layers' output channels to scores of units: each layer normalised, then a unit's members combined."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from secateur.errors import SecateurError
from secateur.pruning import COMBINATIONS, NORMALISATIONS
from secateur.pruning.units import UnitGroup


def unit_scores(
    groups: Sequence[UnitGroup],
    layer_scores: Mapping[str, Tensor],
    combine: str = "sum",
    normalisation: str = "none",
) -> dict[str, Tensor]:
    """Score of every unit: float64 tensors of one number a unit, on the CPU, under the groups' names.

    `layer_scores` gives one number for each output channel of every producer of the groups; other layers are ignored.

    `normalisation` makes layers comparable, before channels of several layers meet in one unit: "none" for criteria
    whose totals already mean the same in every layer (conserved relevance); "sum" divides by the sum of the layer's
    absolute scores, so that each layer weighs the same; "l2" divides by their Euclidean norm (Molchanov et al.,
    "Pruning Convolutional Neural Networks for Resource Efficient Inference", 2017). A layer of zeros stays zero.

    `combine` then joins the channels of one unit, over all its layers. "sum" (default): relevance and Taylor terms are
    shares of the output, and what is lost with a unit is the sum of what is lost with its channels. "mean" removes the
    advantage that a residual channel has by being produced in many layers. "max" keeps a unit if any one of its
    channels matters. "first" takes the channel of the unit's first producer alone: the only one by which a criterion
    with independent random scores gives every unit the same chance.

    Raises SecateurError for an unknown setting, a missing layer, a wrong number of scores or one that is not finite.
    """
    if combine not in COMBINATIONS:
        raise SecateurError(f"combine {combine!r}: allowed are {', '.join(COMBINATIONS)}.")
    if normalisation not in NORMALISATIONS:
        raise SecateurError(f"normalisation {normalisation!r}: allowed are {', '.join(NORMALISATIONS)}.")
    result = {}
    for group in groups:
        members = [
            _channel_scores(group, layer, index, layer_scores, normalisation) for layer, index in group.producers
        ]
        channels = torch.cat(members, dim=1)
        if combine == "sum":
            score = channels.sum(dim=1)
        elif combine == "mean":
            score = channels.mean(dim=1)
        elif combine == "max":
            score = channels.amax(dim=1)
        else:
            score = channels[:, 0]
        if not torch.isfinite(score).all():
            raise SecateurError(f"scores of group {group.name} are too large to be combined. Scale them down.")
        result[group.name] = score
    return result


def _channel_scores(
    group: UnitGroup, layer: str, index: Tensor, layer_scores: Mapping[str, Tensor], normalisation: str
) -> Tensor:
    """Normalised scores of one layer's channels that are in the group's units (size × channels a unit), checked."""
    if layer not in layer_scores:
        raise SecateurError(
            f"no scores for layer {layer}, whose channels are in unit group {group.name}. A criterion must score every "
            "layer that it is given."
        )
    scores = layer_scores[layer].detach().to(device="cpu", dtype=torch.float64)
    if scores.ndim != 1 or scores.numel() <= int(index.max()):
        raise SecateurError(
            f"scores of layer {layer} have shape {tuple(scores.shape)}; needed is one number for each of its output "
            f"channels (at least {int(index.max()) + 1})."
        )
    if not torch.isfinite(scores).all():
        bad = int((~torch.isfinite(scores)).sum())
        raise SecateurError(f"scores of layer {layer}: {bad} are not finite (NaN or infinite). Correct the criterion.")
    if normalisation != "none":
        total = scores.abs().sum() if normalisation == "sum" else scores.norm()
        if not torch.isfinite(total):
            raise SecateurError(f"scores of layer {layer} are too large to be normalised. Scale them down.")
        scores = scores / total if total > 0 else scores
    return scores[index]
