"""Ranking units: one criterion's scores of a network's units, checked before anyone trusts them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from secateur.errors import SecateurError
from secateur.models import devices
from secateur.models.inputs import Images
from secateur.models.weights import check_finite
from secateur.pruning.scores import unit_scores
from secateur.pruning.units import UnitGroup, layers_of
from secateur.ranking.network import Network
from secateur.ranking.registry import Criterion, with_options


class _NotFinite(SecateurError):
    """Scores that are NaN or infinite: the criterion's fault, or that of the network's weights."""


@dataclass(frozen=True)
class Scoring:
    """How a criterion is asked for scores.

    `criterion`: from `registry.load`. `seed`: of its own random stream. `options`: keyword arguments for its `score`.
    `combine`: how the scores of a unit's member channels become one, "sum", "mean", "max" or "first"; `normalisation`:
    of each layer's scores, "none", "sum" or "l2"; both the criterion's own choice where None. `batch_size`: images a
    pass; changes memory and speed, not the result beyond rounding.
    """

    criterion: Criterion
    seed: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    combine: str | None = None
    normalisation: str | None = None
    batch_size: int = 128


def rank(
    model: nn.Module, groups: Sequence[UnitGroup], inputs: Images | Tensor, labels: Tensor | None, scoring: Scoring
) -> dict[str, Tensor]:
    """Scores of all units of `groups`, higher = more important.

    Args:
        model: the network, on the device of `inputs`; left as it was: mode, weights, buffers and random state.
        groups: the units, from `pruning.units.find_unit_groups` of the same model.
        inputs, labels: the reference samples, N images or a tensor N × C × H × W, and N. A criterion that says it needs
            no labels gets none; for one that needs no data, `inputs` may be an image of zeros.
        scoring: the criterion, and how it is asked.

    Returns:
        Group name → float64 tensor of one finite score a unit, on the CPU.

    Raises:
        SecateurError: the criterion raised, left a layer out, or returned a wrong shape, NaN or infinity;
            the message names the criterion and the layer.
    """
    criterion = scoring.criterion
    layers = layers_of(groups)
    generator = torch.Generator().manual_seed(scoring.seed)
    modes = [(module, module.training) for module in model.modules()]
    chosen = with_options(criterion, dict(scoring.options))
    try:
        # The global random state is put back even if a criterion draws from it instead of network.generator.
        with devices.fork_rng():
            torch.manual_seed(scoring.seed)
            model.eval()
            given = labels if "labels" in criterion.needs else None
            size = scoring.batch_size
            network = Network(model, layers, inputs, given, batch_size=size, generator=generator, groups=groups)
            scores = criterion.score(network, **chosen)
    finally:
        for module, training in modes:
            module.training = training
    checked = checked_scores(criterion.name, model, layers, scores)
    combine, normalisation = scoring.combine or criterion.combine, scoring.normalisation or criterion.normalisation
    return unit_scores(groups, checked, combine, normalisation)


def checked_scores(criterion: str, model: nn.Module, layers: Sequence[str], scores: Any) -> dict[str, Tensor]:
    """What a criterion returned, held against what it must be: layer → float64 on the CPU, one a channel, finite.

    Raises a SecateurError that names the criterion and the layer; or the network's weights, where NaN comes from those.
    """
    try:
        return {layer: _checked(criterion, layer, scores, channels(model, layer)) for layer in layers}
    except _NotFinite:
        check_finite(model.state_dict(), "the network's weights")
        raise


def channels(model: nn.Module, layer: str) -> int:
    """Number of output channels of the convolution or linear module called `layer`."""
    module = model.get_submodule(layer)
    return int(module.out_channels if hasattr(module, "out_channels") else module.out_features)  # type: ignore[arg-type]


def _checked(criterion: str, layer: str, scores: Any, expected: int) -> Tensor:
    if not isinstance(scores, dict):
        raise SecateurError(
            f"criterion '{criterion}': score() returned {type(scores).__name__}; "
            "it must return a dict of layer name → tensor."
        )
    if layer not in scores:
        raise SecateurError(f"criterion '{criterion}': no scores for layer '{layer}'.")
    values = _numbers(criterion, layer, scores[layer])
    if tuple(values.shape) != (expected,):
        raise SecateurError(
            f"criterion '{criterion}', layer '{layer}': scores have shape {tuple(values.shape)}; "
            f"one number for each of its {expected} output channels is needed."
        )
    wrong = int((~torch.isfinite(values)).sum())
    if wrong:
        raise _NotFinite(f"criterion '{criterion}', layer '{layer}': {wrong} of {expected} scores are NaN or infinite.")
    return values


def _numbers(criterion: str, layer: str, given: Any) -> Tensor:
    """What a criterion returned for a layer as float64 on the CPU, where that loses nothing."""
    try:
        values = torch.as_tensor(given)
        kind = f"{values.layout}, {values.dtype}, on {values.device}".replace("torch.", "").removeprefix("strided, ")
        plain = values.layout == torch.strided and not (values.is_complex() or values.is_meta or values.is_quantized)
        if plain and not values.is_nested:
            return values.detach().to("cpu", torch.float64)
    except Exception:  # lists of different lengths, text, None, objects that say anything
        kind = f"of type {type(given).__name__}"
    raise SecateurError(
        f"criterion '{criterion}', layer '{layer}': scores are {kind}; a dense tensor (or list) of real numbers is "
        "needed, one for each output channel."
    )
