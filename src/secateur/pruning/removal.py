"""Taking units out of a network: a new plain network with smaller layers, its unit groups, and its original channels.

No hooks and no masks: the new network is made of the same modules with smaller tensors and is trained, saved and
exported like any other. Only what stays is copied.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import torch
from torch import Tensor, nn

from secateur.errors import SecateurError
from secateur.pruning.cutting import cut, moved, others, owner_of, rescale, site_size
from secateur.pruning.operations import is_layer, layer_size
from secateur.pruning.selection import GLOBAL, Selection, Selector, select_many
from secateur.pruning.tracing import Site
from secateur.pruning.units import Producer, UnitGroup

Kept = dict[str, list[int]]


class Step:
    """One rate of a sweep: the units that are gone, by their numbers in the groups given to it, and what is left."""

    def __init__(self, rate: float, selection: Selection, cutting: "_Cutting") -> None:
        self.rate, self.selection, self._cutting = rate, selection, cutting

    @cached_property
    def model(self) -> nn.Module:
        """The network without the units; cut when it is first asked for."""
        return self._cutting.down_to(self.selection)


class _Cutting:
    """Cuts a network ever smaller, each time from what was left the last time."""

    def __init__(self, model: nn.Module, groups: Sequence[UnitGroup]) -> None:
        self._model, self._groups = model, list(groups)
        self._first = {group.name: group.original for group in groups}

    def down_to(self, selection: Selection) -> nn.Module:
        """The network without the units of a selection, which holds those of all earlier ones."""
        step: Selection = {}
        for group in self._groups:
            going = self._first[group.name][selection[group.name]]
            step[group.name] = torch.isin(group.original, going).nonzero().flatten().tolist()
        self._model, self._groups = remove(self._model, self._groups, step), shrink(self._groups, step)
        for group in self._groups:
            if group.size + len(selection[group.name]) != len(self._first[group.name]):
                raise ValueError(f"unit group {group.name}: a sweep's networks are cut in the order of their rates.")
        return self._model


def remove(model: nn.Module, groups: Sequence[UnitGroup], selection: Mapping[str, Sequence[int]]) -> nn.Module:
    """A new network like `model` without the selected units; `model` stays as it is.

    `groups` are the unit groups of this very `model` (`find_unit_groups`, or `shrink` after an earlier removal);
    `selection` gives for some or all of them the indices of units to remove. Parameters keep their type, device and
    `requires_grad`.

    Raises SecateurError for an unknown group or unit, a group that would lose every unit, or another network's groups.
    """
    new = cut(model, _staying(_sizes(model, groups), groups, selection))
    for before in groups:
        if selection.get(before.name) and any(part.scaled for part in before.slices):
            (after,) = shrink([before], {before.name: selection[before.name]})
            rescale(new, after.slices, (after.size / before.size) ** 0.5)
    return new


def shrink(groups: Sequence[UnitGroup], selection: Mapping[str, Sequence[int]]) -> list[UnitGroup]:
    """The unit groups of the network that `remove` makes, without tracing it: the same groups with fewer units.

    Each group's `original` keeps the numbers that its units had at first.
    """
    leaving = {site: gone.sort().values for site, gone in _leaving(groups, selection).items()}
    result = []
    for group in groups:
        left = _left(group, selection)
        slices = []
        for part in group.slices:
            gone = leaving.get((part.owner, part.role))
            index = part.index[left] if len(left) < group.size else part.index
            slices.append(replace(part, index=index if gone is None else moved(index, gone)))
        outs = {part.owner: part.index for part in slices if part.role == "out"}
        result.append(
            replace(
                group,
                size=len(left),
                producers=tuple(Producer(layer, outs[layer]) for layer, _ in group.producers),
                slices=tuple(slices),
                original=group.original[left],
            )
        )
    return result


def sweep(
    model: nn.Module,
    groups: Sequence[UnitGroup],
    scores: Mapping[str, Tensor],
    rates: Sequence[float],
    selector: Selector = GLOBAL,
) -> Iterator[Step]:
    """Remove at ever higher rates: yields each step's rate, selection (in the units of `groups`) and network.

    `rates` must ascend. Scores are sorted once, the structure is never traced again, and each network is cut from the
    one before it: ask for networks in the order of their rates (or for some of them), and do not change the weights of
    one before you have the next. The arguments are those of `selection.select`.
    """
    if list(rates) != sorted(rates):
        raise SecateurError(f"rates {list(rates)}: a sweep needs them in ascending order.")
    selections = select_many(groups, scores, rates, selector, model)
    yield from steps(model, groups, rates, selections)


def steps(
    model: nn.Module, groups: Sequence[UnitGroup], rates: Sequence[float], selections: Sequence[Selection]
) -> Iterator[Step]:
    """`sweep` with the units of each rate given: each selection must hold those of all lower rates."""
    cutting = _Cutting(model, groups)
    for rate, selection in zip(rates, selections, strict=True):
        yield Step(rate, selection, cutting)


def all_channels(model: nn.Module) -> Kept:
    """Output channels of every convolution and linear module: the record of a network that has lost nothing yet."""
    return {name: list(range(layer_size(module, "out"))) for name, module in model.named_modules() if is_layer(module)}


def remaining(kept: Kept, groups: Sequence[UnitGroup], selection: Mapping[str, Sequence[int]]) -> Kept:
    """Which original output channels are left in each layer after one more removal.

    `kept` is the record before it; `groups` and `selection` are those given to `remove`.
    """
    leaving = _leaving(groups, selection)
    result = {}
    for layer, channels in kept.items():
        gone = leaving.get((layer, "out"))
        lost = set() if gone is None else set(gone.tolist())
        result[layer] = [channel for place, channel in enumerate(channels) if place not in lost]
    return result


def removed_units(groups: Sequence[UnitGroup], kept: Kept) -> Selection:
    """The units of an unpruned network's `groups` that are gone according to the record `kept`.

    With `shrink` this gives the unit groups of a network that was pruned earlier and loaded again, whatever its rounds
    were. Raises SecateurError when the record lacks a layer of the groups or holds parts of units.
    """
    result: Selection = {}
    for group in groups:
        layer, index = group.producers[0]
        if layer not in kept:
            raise SecateurError(f"the record of kept channels lacks layer {layer}. It belongs to another network.")
        stays = torch.isin(index, torch.tensor(kept[layer], dtype=torch.int64))
        if not torch.equal(stays.any(dim=1), stays.all(dim=1)):
            raise SecateurError(
                f"the record of kept channels splits units of group {group.name}. It belongs to another network."
            )
        result[group.name] = (~stays.all(dim=1)).nonzero().flatten().tolist()
    return result


def _left(group: UnitGroup, selection: Mapping[str, Sequence[int]]) -> Tensor:
    """Indices of a group's units that are not selected."""
    stays = torch.ones(group.size, dtype=torch.bool)
    stays[torch.as_tensor(list(selection.get(group.name, [])), dtype=torch.int64)] = False
    return stays.nonzero().flatten()


def _leaving(groups: Sequence[UnitGroup], selection: Mapping[str, Sequence[int]]) -> dict[Site, Tensor]:
    """Channels that go, by site; checks the selection."""
    known = {group.name: group for group in groups}
    for name, units in selection.items():
        if name not in known:
            raise SecateurError(f"unit group {name!r} is unknown; there are {', '.join(list(known)[:8])}.")
        size = known[name].size
        if any(not 0 <= unit < size for unit in units):
            raise SecateurError(f"unit group {name}: units {min(units)} to {max(units)} selected, but it has {size}.")
        if len(set(units)) == size:
            raise SecateurError(f"unit group {name}: all of its {size} units are selected, but a layer must keep one.")
    parts: dict[Site, list[Tensor]] = defaultdict(list)
    for group in groups:
        units = sorted(set(selection.get(group.name, [])))
        if units:
            for part in group.slices:
                parts[part.owner, part.role].append(part.index[units].flatten())
    return {site: torch.cat(indices) for site, indices in parts.items()}


def _sizes(model: nn.Module, groups: Sequence[UnitGroup]) -> dict[Site, int]:
    """Channels of every site of the groups in `model`; an error where the groups are another network's."""
    sizes: dict[Site, int] = {}
    for group in groups:
        for part in group.slices:
            site = (part.owner, part.role)
            if site not in sizes:
                try:
                    sizes[site] = site_size(owner_of(model, *site), part.role)
                except AttributeError:
                    raise SecateurError(
                        f"{type(model).__name__} has no {part.owner}: the unit groups are another network's."
                    ) from None
            if int(part.index.max()) >= sizes[site]:
                raise SecateurError(
                    f"{part.owner} has {sizes[site]} channels, but the unit groups expect at least "
                    f"{int(part.index.max()) + 1}. Use the groups of this network: "
                    "after a removal, those that `shrink` gives."
                )
    return sizes


def _staying(
    sizes: Mapping[Site, int], groups: Sequence[UnitGroup], selection: Mapping[str, Sequence[int]]
) -> dict[Site, Tensor]:
    """Channels that stay, ascending, at the sites that lose any."""
    return {site: others(sizes[site], gone) for site, gone in _leaving(groups, selection).items()}
