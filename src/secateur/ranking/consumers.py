"""Who reads a unit: the layers behind it, their weights' input slices, and what they read on the reference samples."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from secateur.errors import SecateurError
from secateur.pruning.cutting import STATED, axis_of, is_tensor, owner_of
from secateur.pruning.units import UnitGroup
from secateur.ranking.statistics import Statistics
from secateur.relevance.reading import Watch, rows_of
from secateur.relevance.undisturbed import undisturbed

MOST_BYTES = 1 << 30
"""Of Gram matrices that are summed up at a time; layers whose matrices go beyond wait for a further pass."""
NO_READERS = (
    "It looks at the layers that read a unit. Channels of attention heads have none: queries are multiplied with keys "
    "before any layer reads them. Take a criterion of weights (weight, group_norm), outputs (lrp, taylor), gates "
    "(taylor_gate, head_gate) or removals (oracle), or another scope than head_channels."
)
NO_GROUPS = "Consumers are those of the network's units: give `groups` to Network."

PART_BYTES = 1 << 27
"""Of the rows of one layer that are written out at a time."""

Handle = Callable[[str, Tensor, int], None]
"""Is told a layer, rows that it reads (rows × columns, float64), and how many samples these are."""
Read = Callable[[Sequence[str], Handle], None]
"""Tells a handle of all rows that some layers read, part by part."""


@dataclass(frozen=True, eq=False)
class Consumer:
    """A layer that reads the units of a group and stays when they go.

    A grouped convolution is none: it loses whole groups, its outputs with its inputs, so what it passes on is part of
    the unit, and its readers are the consumers.

    `inputs` (size × inputs a unit, int64): which of the layer's input channels (features, behind a flattening) are
    each unit's. `columns` (size × columns a unit): the same as places in the weight, flattened behind its first axis:
    a channel of a convolution has as many as the kernel has positions. `going` (size × outputs a unit): the layer's
    own outputs that are in the same unit, as in a layer that is added to what it reads; mostly none.
    """

    group: str
    layer: str
    inputs: Tensor
    columns: Tensor
    going: Tensor


def consumers_of(model: nn.Module, groups: Sequence[UnitGroup]) -> list[Consumer]:
    """The consumers of all units of `groups`, group by group, in the order of execution.

    Raises SecateurError for channels of heads, which no layer reads whole.
    """
    if any(group.kind == "head_channel" for group in groups):
        raise SecateurError(NO_READERS)
    consumers = []
    for group in groups:
        outputs = {part.owner: part.index for part in group.slices if part.role == "out"}
        for part in group.consumers:
            module: Any = model.get_submodule(part.owner)
            if getattr(module, "groups", 1) > 1:
                continue
            kernel = module.weight.shape[2:].numel()
            columns = (part.index.unsqueeze(2) * kernel + torch.arange(kernel)).flatten(1)
            going = outputs.get(part.owner, part.index[:, :0])
            consumers.append(Consumer(group.name, part.owner, part.index, columns, going))
    return consumers


def weights_of(model: nn.Module, group: UnitGroup) -> list[Tensor]:
    """All weights that go with the units of a group: for each place where they have channels, units × weights, float64.

    Filters that make them, factors of batch-norms, parameters joined with them and weights that read them; no biases,
    no shifts. Each weight counts once: those by which a layer reads a unit that it also makes are part of its filters.
    """
    outputs = {part.owner: part.index for part in group.slices if part.role == "out"}
    parameters = {name for name, _ in model.named_parameters()}
    parts = []
    for part in group.slices:
        if part.role in STATED:  # what attention says of itself, no weights
            continue
        if is_tensor(part.role):
            tensor = owner_of(model, part.owner, part.role).detach()
            if part.owner in parameters:  # not a buffer
                parts.append(tensor.movedim(axis_of(tensor, part.role), 0)[part.index])
            continue
        module: Any = model.get_submodule(part.owner)
        if module.weight is None or (part.role == "in" and getattr(module, "groups", 1) > 1):
            continue
        weight = module.weight.detach()
        if part.role == "in":
            going = outputs.get(part.owner, part.index[:, :0])
            chosen = weight.movedim(1, 0)[part.index]  # units × inputs a unit × outputs × ...
            chosen[torch.arange(group.size).unsqueeze(1), :, going] = 0
            parts.append(chosen)
        else:
            parts.append(weight[part.index])
    return [values.flatten(1).double() for values in parts]


class Consumers:
    """The consumers of a network's units, with their weights and statistics of what they read.

    A row is what one filter multiplies at one position of one sample: the patch under the kernel with its padding, or
    the vector that a linear layer reads. Statistics are over all rows of all samples, in double precision.
    """

    def __init__(
        self,
        every: Sequence[Consumer],
        sizes: dict[str, int],
        weight: Callable[[str, bool], Tensor],
        read: Read,
        samples: int,
    ) -> None:
        """
        Args:
            every: the consumers, from `consumers_of`.
            sizes: group → number of units.
            weight: a layer's weight, out × columns; folded with the batch-norm after it or not.
            read, samples: gives the rows of so many samples.
        """
        self.every, self._sizes, self._weight, self._read, self._samples = list(every), sizes, weight, read, samples
        self._moments: dict[str, Statistics] = {}

    def over(self, read: Read, samples: int) -> "Consumers":
        """The same consumers on other samples."""
        return Consumers(self.every, self._sizes, self._weight, read, samples)

    @cached_property
    def layers(self) -> list[str]:
        """Names of the layers that are a consumer of any unit."""
        return list(dict.fromkeys(consumer.layer for consumer in self.every))

    def zeros(self) -> dict[str, Tensor]:
        """Group → zeros of one number a unit, float64, on the CPU: the start of a sum."""
        return {group: torch.zeros(size, dtype=torch.float64) for group, size in self._sizes.items()}

    def weights(self, consumer: Consumer, fold: bool = True) -> Tensor:
        """What a consumer multiplies each unit by: units × columns a unit × outputs, float64, on the CPU.

        `fold`: with the batch-norm after the consumer. Outputs that go with the unit itself are zero.
        """
        weight = self._weight(consumer.layer, fold).detach().cpu().double()
        columns = weight[:, consumer.columns].permute(1, 2, 0).clone()
        places = consumer.going.unsqueeze(1).expand(-1, columns.shape[1], -1)
        return columns.scatter_(2, places, 0)

    def moments(self) -> dict[str, Statistics]:
        """Layer → mean and second moment of its columns; computed once."""
        if not self._moments:
            self._moments = self._sums(self.layers, False)
        return self._moments

    def grams(self) -> Iterator[tuple[Consumer, Statistics]]:
        """Consumer by consumer, those of one layer one after the other: with the Gram matrix of the layer's columns.

        As many layers are read in one pass as have Gram matrices of `MOST_BYTES` together.
        """
        waiting = [(layer, 8 * self._weight(layer, False).shape[1] ** 2) for layer in self.layers]
        while waiting:
            chunk, total = [waiting[0][0]], waiting[0][1]
            for layer, size in waiting[1:]:
                if total + size > MOST_BYTES:
                    break
                chunk, total = [*chunk, layer], total + size
            waiting = waiting[len(chunk) :]
            sums = self._sums(chunk, True)
            for layer in chunk:
                for consumer in self.every:
                    if consumer.layer == layer:
                        yield consumer, sums[layer]
                del sums[layer]

    def _sums(self, layers: Sequence[str], gram: bool) -> dict[str, Statistics]:
        sums: dict[str, Statistics] = {layer: Statistics(self._samples, gram) for layer in layers}
        self._read(layers, lambda layer, rows, samples: sums[layer].add(rows, samples))
        return sums


def read_rows(model: nn.Module, layers: Sequence[str], batches: Iterable[Tensor], handle: Handle) -> None:
    """Run the batches through `model`, which is left as it was, and tell `handle` of all rows that `layers` read."""
    names = {id(model.get_submodule(layer).weight): layer for layer in layers}

    def seen(weight: Tensor, arguments: dict[str, Any], _: Tensor) -> None:
        values: Tensor = arguments["input"]
        each = 8 * values[0].numel() * weight.shape[2:].numel()
        for part in values.split(max(1, PART_BYTES // max(1, each))):
            handle(names[id(weight)], rows_of(arguments | {"input": part})[0], len(part))

    weights = [model.get_submodule(layer).get_parameter("weight") for layer in layers]
    with undisturbed(model), torch.inference_mode(False), torch.no_grad():
        for batch in batches:
            with Watch(weights, seen):
                model(batch)


def scores_of(groups: Sequence[UnitGroup], zeros: dict[str, Tensor], of_units: dict[str, Tensor]) -> dict[str, Tensor]:
    """Units' scores as those of layers' output channels: each channel of a unit has the unit's number, others stay 0.

    `zeros`: layer → zeros, one an output channel (`Network.zeros`). For criteria whose `COMBINE` is "first".
    """
    if not groups:
        raise SecateurError(NO_GROUPS)
    for group in groups:
        for layer, channels in group.producers:
            if layer in zeros:
                zeros[layer][channels] = of_units[group.name].to(zeros[layer]).unsqueeze(1)
    return zeros
