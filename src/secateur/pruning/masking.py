"""The oracle of removal: the whole network, with the selected units' signal set to zero where it is consumed.

It computes what the pruned network must compute, by other means and at full cost: for checking, never for pruning.
"""

import contextlib
from collections import defaultdict
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
    Channels of heads are zero in queries, keys and values, where nothing else can be done to them; without channels of
    streams that norms read, norms are those of the channels that are left (`embedding`).
    """
    silent: dict[str, list[Tensor]] = defaultdict(list)
    unmade: list[Slice] = []
    narrowed: list[Slice] = []
    for group in groups:
        units = list(selection.get(group.name, []))
        if units and group.kind == "head_channel":
            unmade += [replace(part, index=part.index[units]) for part in group.slices]
            continue
        if units and group.kind == "embedding":
            narrowed += [replace(part, index=part.index[units]) for part in group.slices]
            continue
        for part in group.consumers:
            if units:
                silent[part.owner].append(part.index[units].flatten())
    hooks = []
    for owner, indices in silent.items():
        module = model.get_submodule(owner)
        channels = torch.cat(indices)

        def silence(module: nn.Module, values: tuple[Tensor, ...], channels: Tensor = channels) -> tuple[Tensor, ...]:
            dimension = values[0].ndim - 1 if isinstance(module, nn.Linear) else 1
            return (values[0].index_fill(dimension, channels.to(values[0].device), 0), *values[1:])

        hooks.append(module.register_forward_pre_hook(silence))
    try:
        with cutting.silent(model, unmade), embedding.without(model, narrowed):
            yield model
    finally:
        for hook in hooks:
            hook.remove()


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
