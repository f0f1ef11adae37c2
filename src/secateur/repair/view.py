"""What a remedy may look at and change: a pruned network beside the whole one, on images without labels."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from secateur.errors import SecateurError
from secateur.models.inputs import Images
from secateur.pruning.operations import is_layer
from secateur.pruning.units import UnitGroup
from secateur.relevance.calls import Call, trace
from secateur.relevance.reading import Watch

MOST_BYTES = 1 << 30
"""Of a whole network's answers that are kept; what goes beyond is computed anew each time."""


@dataclass(frozen=True)
class Reader:
    """A layer that lost inputs: its name, and which of its outputs in the whole network are left (int64, ascending)."""

    layer: str
    outputs: Tensor


@dataclass(frozen=True)
class Response:
    """One call of a consumer on one batch.

    `arguments`: of the pruned network's call, by name (`input`, `weight`, `bias`, and of a convolution its `stride`,
    `padding`, `dilation`, `groups`). `found`: what it answers; `wanted`: what the whole network's layer answers, at the
    outputs that are left. Both samples × channels × ... (a linear layer: ... × channels).
    """

    arguments: dict[str, Any]
    found: Tensor
    wanted: Tensor


class _Reached(Exception):
    """The layer that was watched has answered; the rest of the forward pass is not needed."""


class Whole:
    """The network before the removal, on the images that remedies look at; what its layers answer is kept if it fits.

    One object serves all networks that are cut from the same one.
    """

    def __init__(self, model: nn.Module, images: Images | Tensor, batch_size: int = 32) -> None:
        """
        Args:
            model: on the device of `images`; it stays as it is.
            images: N images, or a tensor N × C × H × W; N ≥ 1. No label is asked for.
            batch_size: images in one forward pass.
        """
        if len(images) < 1:
            raise SecateurError("A remedy needs at least one image.")
        self.model, self.images, self.batch_size = model.eval(), images, batch_size
        self._kept: dict[tuple[str, int], list[Tensor]] = {}
        self._bytes = 0

    @property
    def batches(self) -> int:
        """Number of batches."""
        return -(-len(self.images) // self.batch_size)

    def batch(self, number: int) -> Tensor:
        """The images of one batch."""
        return self.images[number * self.batch_size : (number + 1) * self.batch_size]

    def answers(self, layer: str, number: int) -> list[Tensor]:
        """What a layer answers in each of its calls on one batch, at all of its outputs."""
        if (layer, number) in self._kept:
            return self._kept[layer, number]
        answers = [answer for _, answer in _calls(self.model, layer, self.batch(number), self.count[layer])]
        size = sum(answer.nbytes for answer in answers)
        if self._bytes + size <= MOST_BYTES:
            self._kept[layer, number] = answers
            self._bytes += size
        return answers

    @cached_property
    def _plan(self) -> list[Call]:
        return trace(self.model, self.images[:1]).calls

    @cached_property
    def count(self) -> dict[str, int]:
        """Layer → how often it is called in one forward pass, in the order of execution."""
        calls: dict[str, int] = {}
        for call in self._plan:
            if call.kind in ("convolution", "linear"):
                calls[call.layer] = calls.get(call.layer, 0) + 1
        return calls

    @cached_property
    def norms(self) -> dict[str, str]:
        """Layer → the batch-norm that alone reads it."""
        buffers = {
            id(module.running_mean): name
            for name, module in self.model.named_modules()
            if getattr(module, "running_mean", None) is not None
        }
        return {
            call.layer: buffers[id(call.norm["running_mean"])]
            for call in self._plan
            if call.norm is not None and self.count[call.layer] == 1 and id(call.norm["running_mean"]) in buffers
        }


class Repair:
    """A pruned network, which a remedy changes in place, beside the whole one. Nothing here knows a label."""

    def __init__(
        self,
        whole: Whole,
        pruned: nn.Module,
        groups: Sequence[UnitGroup],
        selection: Mapping[str, Sequence[int]],
    ) -> None:
        """
        Args:
            whole: the network before the removal, with the images.
            pruned: what `removal.remove` made of it; it is changed.
            groups, selection: the unit groups of the whole network, and the units of them that were removed.
        """
        self.whole, self.pruned = whole, pruned.eval()
        self._groups, self._selection = groups, selection

    @property
    def images(self) -> Images | Tensor:
        """The images that the repair may look at: N, or N × C × H × W."""
        return self.whole.images

    @cached_property
    def consumers(self) -> list[Reader]:
        """The layers that lost inputs, in the order of execution."""
        fed: set[str] = set()
        gone: dict[str, list[Tensor]] = defaultdict(list)
        for group in self._groups:
            units = list(self._selection.get(group.name, ()))
            for part in group.slices if units else ():
                if part.role == "in":
                    fed.add(part.owner)
                if part.role == "out":
                    gone[part.owner].append(part.index[units].flatten())
        modules = dict(self.whole.model.named_modules())
        readers = []
        for layer in self.whole.count:
            if layer in fed:
                outputs = torch.ones(modules[layer].weight.shape[0], dtype=torch.bool)
                if layer in gone:
                    outputs[torch.cat(gone[layer])] = False
                readers.append(Reader(layer, outputs.nonzero().flatten()))
        return readers

    def responses(self, consumer: Reader) -> Iterator[Response]:
        """Batch by batch and call by call: what a consumer answers now, and what the whole network's layer answers.

        The pruned network's input is that of the network as it is now: repaired up to here.

        Raises SecateurError for a layer that does not apply its weight as an affine map.
        """
        for number in range(self.whole.batches):
            calls = self.whole.count[consumer.layer]
            now = _calls(self.pruned, consumer.layer, self.whole.batch(number), calls)
            for (arguments, answer), wanted in zip(now, self.whole.answers(consumer.layer, number), strict=True):
                channels = wanted.ndim - 1 if "stride" not in arguments else wanted.ndim - len(arguments["stride"]) - 1
                yield Response(arguments, answer, wanted.index_select(channels, consumer.outputs.to(wanted.device)))

    def shift(self, layer: str, change: Tensor) -> None:
        """Add `change`, one number per output channel, to what a layer of the pruned network answers.

        To its bias; where it has none to the batch-norm after it, which then subtracts so much less; else it gains one.
        """
        module: Any = self.pruned.get_submodule(layer)
        change = change.to(module.weight.device, module.weight.dtype)
        with torch.no_grad():
            if module.bias is not None:
                module.bias += change
            elif layer in self.whole.norms:
                self.pruned.get_submodule(self.whole.norms[layer]).running_mean -= change  # type: ignore[operator]
            else:
                module.bias = nn.Parameter(change.clone(), requires_grad=module.weight.requires_grad)


@torch.no_grad()
def _calls(network: nn.Module, layer: str, batch: Tensor, count: int) -> list[tuple[dict[str, Any], Tensor]]:
    """The `count` calls of a layer in one forward pass, which ends with the last of them."""
    module: Any = network.get_submodule(layer)
    calls: list[tuple[dict[str, Any], Tensor]] = []

    def seen(_: Tensor, arguments: dict[str, Any], result: Tensor) -> None:
        # The network may go on to change its own tensors in place (as `relu_` and `x += y` do).
        calls.append((arguments | {"input": arguments["input"].clone()}, result.clone()))
        if len(calls) == count:
            raise _Reached

    try:
        with Watch([module.weight], seen):
            network(batch.to(module.weight.dtype))
    except _Reached:
        return calls
    kind = type(module).__name__ if is_layer(module) else "no layer"
    raise SecateurError(
        f"layer '{layer}' ({kind}) does not apply its weight as it is (a standardised or computed weight, say), so its "
        "response cannot be repaired; use the remedy none or batch_norm."
    )
