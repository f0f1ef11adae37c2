"""How many parameters and MACs a selection leaves, from the layers' shapes alone and without removing anything."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from secateur.pruning.counting import Counter, Counts
from secateur.pruning.cutting import STATED, axis_of, is_tensor
from secateur.pruning.operations import is_layer, layer_size
from secateur.pruning.units import UnitGroup


class Predictor:
    """Exact counts of `model` after any selection of units of `groups`, without removing anything.

    `input_size` is channels × height × width, or features. The network is run once, without values, as in `Counter`.
    """

    def __init__(self, model: nn.Module, groups: Sequence[UnitGroup], input_size: tuple[int, ...]) -> None:
        counter = Counter(model, input_size)
        self._full, self._positions = counter.count(model), counter.positions
        self._attention = counter.attention
        self._groups = {group.name: group for group in groups}
        modules = dict(model.named_modules())
        self._modules = {
            owner: modules[owner]
            for group in groups
            for owner in {part.owner for part in group.slices if not is_tensor(part.role) and part.role not in STATED}
        }
        parameters = dict(model.named_parameters())
        tensors = {(part.owner, part.role) for group in groups for part in group.slices if is_tensor(part.role)}
        self._per_channel = {
            (owner, role): parameters[owner].numel() // parameters[owner].shape[axis_of(parameters[owner], role)]
            for owner, role in tensors
            if owner in parameters  # and not a buffer
        }

    def counts(self, selection: Mapping[str, Sequence[int]] | None = None) -> Counts:
        """Counts after removing `selection` (group → indices of units); of the whole network without one."""
        removed: dict[tuple[str, str], int] = {}
        for name, units in (selection or {}).items():
            group = self._groups[name]
            for part in group.slices:
                key = (part.owner, part.role)
                removed[key] = removed.get(key, 0) + len(units) * part.index.shape[1]
        params, macs = self._full.params, self._full.macs
        for owner in {owner for owner, role in removed if owner in self._modules}:
            module = self._modules[owner]
            if not is_layer(module):
                size = sum(parameter.numel() // parameter.shape[0] for parameter in module.parameters())
                params -= removed[owner, "channels"] * size
                continue
            before, bias = _weights(module, 0, 0)
            after, bias_after = _weights(module, removed.get((owner, "out"), 0), removed.get((owner, "in"), 0))
            params -= before - after + bias - bias_after
            macs -= (before - after) * self._positions.get(owner, 0)
            if owner in self._attention:
                macs -= self._attention[owner] * removed.get((owner, "in"), 0) // layer_size(module, "in")
        for site, channels in removed.items():
            params -= channels * self._per_channel.get(site, 0)
        return Counts(params, macs)


def _weights(module: Any, out_removed: int, in_removed: int) -> tuple[int, int]:
    """Numbers of weights and of biases of a layer without some of its channels."""
    if isinstance(module, nn.Linear):
        out, inner = module.out_features - out_removed, module.in_features - in_removed
    elif module.groups > 1:  # whole groups go: the rest keep their size
        out, inner = module.out_channels - out_removed, module.weight.shape[1]
    else:
        out, inner = module.out_channels - out_removed, module.in_channels - in_removed
    kernel = 1
    for size in module.weight.shape[2:]:
        kernel *= size
    return int(out * inner * kernel), int(out) if module.bias is not None else 0
