"""A network whose signals are computed once and then looked at many times, for any subset of the samples."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from secateur.errors import SecateurError

if TYPE_CHECKING:
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

    def cached(self) -> "CachedNetwork":
        """This view itself."""
        return self

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
