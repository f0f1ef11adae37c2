"""Scores of all hidden neurons by every criterion, for every draw of reference samples, and the sets to remove.

The signals of a pool of samples are computed once; each draw is a subset of them.
"""

import numpy as np
import torch
from torch import Tensor, nn

from secateur.branches.toy.mlp import HIDDEN_LAYERS
from secateur.branches.toy.stability import removal_order
from secateur.branches.toy.toy_study import ToyStudy
from secateur.errors import SecateurError
from secateur.pruning.scores import unit_scores
from secateur.pruning.units import find_unit_groups
from secateur.ranking.network import Network
from secateur.ranking.rank import checked_scores

Scores = dict[tuple[str, int, int], np.ndarray]
"""(criterion, samples per class, repetition) → one float64 number a hidden neuron, in the order of the layers."""


def score_draws(study: ToyStudy, model: nn.Module, references: str, names: tuple[str | int, ...]) -> Scores:
    """Scores of every hidden neuron of `model`, normalised in each layer, for all draws that the study needs.

    Args:
        study: gives the draws and the criteria.
        model: made by `mlp.build`, in evaluation mode.
        references: where the reference samples come from, "generated" or "training".
        names: of the network, for the criteria's own random streams. A stream depends on the repetition and not on the
            samples: what a criterion draws at random is the same for every number of samples, and evaluated once.

    Raises:
        SecateurError: a criterion failed or returned scores that do not fit; the message names it.
    """
    groups = find_unit_groups(model, torch.zeros(1, 2))
    by_draw: Scores = {}
    fixed: dict[str, np.ndarray] = {}
    for pool in study.pools(references, study.draw_counts(references)):
        cached = Network(
            model, HIDDEN_LAYERS, pool.inputs, pool.labels, batch_size=len(pool.labels), groups=groups
        ).cached()
        for samples, repetition, members in pool.members:
            for criterion in study.criteria:
                key = (criterion.name, samples, repetition)
                if criterion.name in fixed:
                    by_draw[key] = fixed[criterion.name]
                    continue
                generator = torch.Generator().manual_seed(study.seed(*names, criterion.name, repetition))
                before = generator.get_state()
                network = cached.subset(members, generator=generator)
                try:
                    given = criterion.file.score(network, **criterion.options)
                    layer_scores = checked_scores(criterion.name, model, HIDDEN_LAYERS, given)
                    scores = unit_scores(groups, layer_scores, "sum", criterion.normalisation)
                except SecateurError as error:
                    raise SecateurError(f"toy, criterion '{criterion.name}': {error}") from error
                by_draw[key] = torch.cat([scores[layer] for layer in HIDDEN_LAYERS]).numpy()
                # A criterion that needs no samples and drew no random number gives the same scores every time.
                if not criterion.file.needs and torch.equal(before, generator.get_state()):
                    fixed[criterion.name] = by_draw[key]
    return by_draw


def removals(scores: np.ndarray, count: int) -> Tensor:
    """Which neurons go: the `count` lowest over all layers, but never a layer's last one.

    Ties are broken by the order of layers and neurons, as in the authors' code. (The image studies spread ties over the
    layers instead; at one sample per class a third to two thirds of all neurons are zero, and the rule then matters.)

    Args:
        scores: draws × neurons, the three layers behind one another.
        count: neurons to remove, at most all but one a layer.

    Returns:
        Boolean, draws × neurons.
    """
    draws, units = scores.shape
    width = units // len(HIDDEN_LAYERS)
    order = removal_order(scores.reshape(draws, len(HIDDEN_LAYERS), width))
    ranked = scores.copy()
    for layer in range(len(HIDDEN_LAYERS)):
        ranked[np.arange(draws), layer * width + order[:, layer, -1]] = np.inf
    gone = np.zeros(scores.shape, dtype=bool)
    np.put_along_axis(gone, removal_order(ranked)[:, :count], True, axis=1)
    return torch.from_numpy(gone)
