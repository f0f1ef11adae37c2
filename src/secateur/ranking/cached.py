"""A network whose signals are computed once and then looked at many times, for any subset of the samples."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from secateur.errors import SecateurError

if TYPE_CHECKING:
    from secateur.pruning.units import UnitGroup
    from secateur.ranking.consumers import Consumers, Handle
    from secateur.ranking.network import Network


class CachedNetwork:
    """Looks like a `Network` to a criterion; every pass runs once over all samples and is kept (in memory, whole).

    Criteria that ask for the same pass share it. `subset` gives the same view on some of the samples without any
    further pass, for all subsets draw on one memory.
    """

    def __init__(
        self,
        network: "Network",
        passes: dict[Any, Any] | None = None,
        indices: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        self._network, self._indices = network, indices
        self._passes: dict[Any, Any] = {} if passes is None else passes
        self.layers = network.layers
        self.generator = network.generator if generator is None else generator
        self.has_additions = network.has_additions
        self.groups = network.groups
        self.input_shape = network.input_shape

    @property
    def samples(self) -> int:
        """Number of samples of this subset."""
        return self._network.samples if self._indices is None else len(self._indices)

    def subset(self, indices: Sequence[int] | Tensor, generator: torch.Generator | None = None) -> "CachedNetwork":
        """The same network over the samples `indices` (places among those of this view), with its own random stream."""
        chosen = torch.as_tensor(indices, dtype=torch.long).reshape(-1)
        if len(chosen) == 0 or int(chosen.min()) < 0 or int(chosen.max()) >= self.samples:
            raise SecateurError(f"A subset needs indices from 0 to {self.samples - 1}, at least one; got {indices}.")
        if self._indices is not None:
            chosen = self._indices[chosen]
        return CachedNetwork(self._network, self._passes, chosen, generator or self.generator)

    def weight(self, layer: str, fold: bool = True) -> Tensor:
        """As `Network.weight`."""
        return self._remember(("weight", layer, fold), lambda: self._network.weight(layer, fold))

    def bias(self, layer: str) -> Tensor:
        """As `Network.bias`."""
        return self._remember(("bias", layer), lambda: self._network.bias(layer))

    def zeros(self) -> dict[str, Tensor]:
        """As `Network.zeros`."""
        return {layer: torch.zeros_like(self.bias(layer), dtype=torch.float64) for layer in self.layers}

    def outputs(self) -> Iterator[dict[str, Tensor]]:
        """As `Network.outputs`, in one batch. Taken from a gradient pass where one was made."""
        for of in ("loss", "logit"):
            if ("gradients", of) in self._passes:
                yield {layer: pair[0] for layer, pair in next(self.gradients(of)).items()}
                return
        whole = self._remember("outputs", lambda: _joined(self._network.outputs()))
        yield {layer: self._taken(signal) for layer, signal in whole.items()}

    def activations(self) -> Iterator[dict[str, Tensor]]:
        """As `Network.activations`, in one batch."""
        whole = self._remember("activations", lambda: _joined(self._network.activations()))
        yield {layer: self._taken(signal) for layer, signal in whole.items()}

    def gradients(self, of: str = "loss") -> Iterator[dict[str, tuple[Tensor, Tensor]]]:
        """As `Network.gradients`, in one batch."""
        whole = self._remember(("gradients", of), lambda: _joined_pairs(self._network.gradients(of)))
        yield {layer: (self._taken(output), self._taken(gradient)) for layer, (output, gradient) in whole.items()}

    def relevance(
        self, rule: Any = "zplus", start: str = "one-hot", additions: str = "value", bias: str | None = None
    ) -> Iterator[dict[str, Tensor]]:
        """As `Network.relevance`, in one batch."""
        key = ("relevance", repr(rule), start, additions, bias)
        whole = self._remember(key, lambda: _joined(self._network.relevance(rule, start, additions, bias)))
        yield {layer: self._taken(signal) for layer, signal in whole.items()}

    def read_relevance(
        self, rule: Any = "zplus", start: str = "one-hot", additions: str = "value", bias: str | None = None
    ) -> Iterator[dict[str, Tensor]]:
        """As `Network.read_relevance`, in one batch."""
        key = ("read_relevance", repr(rule), start, additions, bias)
        whole = self._remember(key, lambda: _joined(self._network.read_relevance(rule, start, additions, bias)))
        yield {layer: self._taken(signal) for layer, signal in whole.items()}

    def cached(self) -> "CachedNetwork":
        """This view itself."""
        return self

    def reference_samples(self) -> tuple[Tensor, Tensor]:
        """As `Network.reference_samples`."""
        return self._alone().reference_samples()

    def batch_norm_scale(self, layer: str) -> Tensor | None:
        """As `Network.batch_norm_scale`."""
        return self._network.batch_norm_scale(layer)

    def map_shape(self, layer: str) -> tuple[int, ...]:
        """As `Network.map_shape`."""
        return self._network.map_shape(layer)

    def synaptic_flow(self) -> dict[str, Tensor]:
        """As `Network.synaptic_flow`."""
        return self._remember("synaptic_flow", self._network.synaptic_flow)

    def differences(self, reference: str = "zero") -> Iterator[dict[str, tuple[Tensor, Tensor]]]:
        """As `Network.differences`, in one batch; "mean" is the mean of this view's own samples, so it is not kept."""
        if reference != "zero":
            yield _joined_pairs(self._alone().differences(reference))
            return
        whole = self._remember("differences", lambda: _joined_pairs(self._network.differences()))
        yield {layer: (self._taken(step), self._taken(slope)) for layer, (step, slope) in whole.items()}

    def weight_gradients(
        self, of: str = "loss", samples: int | None = None, temperature: float = 1.0
    ) -> Iterator[dict[str, tuple[Tensor, Tensor]]]:
        """As `Network.weight_gradients`; a sum over this view's own samples, so it is not kept."""
        return self._alone().weight_gradients(of, samples, temperature)

    def hessian_gradient(self, temperature: float = 1.0) -> dict[str, tuple[Tensor, Tensor]]:
        """As `Network.hessian_gradient`; not kept."""
        return self._alone().hessian_gradient(temperature)

    def removal_losses(self) -> dict[str, Tensor]:
        """As `Network.removal_losses`; not kept."""
        return self._alone().removal_losses()

    def consumers(self) -> "Consumers":
        """As `Network.consumers`, of this view's own samples; what layers read is computed once for all subsets."""
        return self._network.consumers().over(self.read_rows, self.samples)

    def read_rows(self, layers: Sequence[str], handle: "Handle") -> None:
        """As `Network.read_rows`, each layer's in one part."""
        for layer in layers:
            taken = self._taken(self._remember(("rows", layer), partial(self._rows, layer)))
            handle(layer, taken.flatten(0, 1), len(taken))

    def unit_weights(self, group: "UnitGroup") -> list[Tensor]:
        """As `Network.unit_weights`."""
        return self._network.unit_weights(group)

    def gate_gradients(self) -> Iterator[dict[str, Tensor]]:
        """As `Network.gate_gradients`, in one batch."""
        whole = self._remember("gate_gradients", lambda: _joined(self._network.gate_gradients()))
        yield {group: self._taken(slopes) for group, slopes in whole.items()}

    def scores_of(self, of_units: dict[str, Tensor]) -> dict[str, Tensor]:
        """As `Network.scores_of`."""
        return self._network.scores_of(of_units)

    def joint_order(self, of: str = "loss", step: float = 0.0) -> dict[str, Tensor]:
        """As `Network.joint_order`; not kept."""
        return self._alone().joint_order(of, step)

    def classes(self) -> "Iterator[tuple[int, CachedNetwork]]":
        """As `Network.classes`, all drawing on this memory."""
        for label, places in self._alone().class_places():
            yield label, self.subset(places)

    def scaled(self, factor: float) -> "CachedNetwork":
        """As `Network.scaled`, with a memory of its own for each factor."""
        network, passes = self._remember(("scaled", factor), lambda: (self._network.scaled(factor), {}))
        return CachedNetwork(network, passes, self._indices, self.generator)

    def _rows(self, layer: str) -> Tensor:
        """All rows that a layer reads, samples × positions × columns."""
        parts: list[Tensor] = []
        self._network.read_rows([layer], lambda _, rows, samples: parts.append(rows.unflatten(0, (samples, -1))))
        return torch.cat(parts)

    def _alone(self) -> "Network":
        """The network over this view's samples, without memory."""
        return self._network if self._indices is None else self._network.subset(self._indices)

    def _remember(self, key: Any, compute: Callable[[], Any]) -> Any:
        if key not in self._passes:
            self._passes[key] = compute()
        return self._passes[key]

    def _taken(self, signal: Tensor) -> Tensor:
        return signal if self._indices is None else signal[self._indices.to(signal.device)]


def _joined(batches: Iterator[dict[str, Tensor]]) -> dict[str, Tensor]:
    every = list(batches)
    return {layer: torch.cat([batch[layer] for batch in every]) for layer in every[0]}


def _joined_pairs(batches: Iterator[dict[str, tuple[Tensor, Tensor]]]) -> dict[str, tuple[Tensor, Tensor]]:
    every = list(batches)
    return {
        layer: (torch.cat([b[layer][0] for b in every]), torch.cat([b[layer][1] for b in every])) for layer in every[0]
    }
