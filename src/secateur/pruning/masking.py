"""The oracle of removal: the whole network, with the selected units' signal set to zero where it is consumed.

It computes what the pruned network must compute, by other means and at full cost: for checking, never for pruning.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from secateur.pruning import cutting, embedding
from secateur.pruning.cutting import Slice
from secateur.pruning.units import UnitGroup


@contextlib.contextmanager
def masked(
    model: nn.Module, groups: Sequence[UnitGroup], selection: Mapping[str, Sequence[int]]
) -> Iterator[nn.Module]:
    """Within this context `model` behaves as if the selected units were silent; afterwards it is as it was.

    Every layer that consumes a unit sees zeros in its place: after batch-norm and activation, so that no shift leaks.
    So does every norm that divides by a sum over the unit's channels.
    Channels of heads are zero in queries, keys and values, where nothing else can be done to them; without channels of
    streams that norms read, norms are those of the channels that are left (`embedding`).
    """
    read: list[Slice] = []
    unmade: list[Slice] = []
    narrowed: list[Slice] = []
    for group in groups:
        if units := list(selection.get(group.name, [])):
            places = {"head_channel": unmade, "embedding": narrowed}.get(group.kind, read)
            places += [replace(part, index=part.index[units]) for part in group.slices]
    with cutting.unread(model, read), cutting.silent(model, unmade), embedding.without(model, narrowed):
        yield model


def largest_difference(
    model: nn.Module,
    pruned: nn.Module,
    groups: Sequence[UnitGroup],
    selection: Mapping[str, Sequence[int]],
    inputs: Tensor,
) -> float:
    """Largest difference between `pruned` and `model` with the same units silent, relative to the largest output.

    Both networks run in eval mode on `inputs` (samples × channels × height × width) and keep the mode that they had.
    """
    modes = [(network, network.training) for network in (model, pruned)]
    try:
        with torch.no_grad():  # not inference mode: a buffer that a network makes in passing must serve later ones too
            with masked(model.eval(), groups, selection):
                expected = model(inputs)
            found = pruned.eval()(inputs)
    finally:
        for network, training in modes:
            network.train(training)
    return float((found - expected).abs().max() / expected.abs().max().clamp_min(torch.finfo(expected.dtype).tiny))
