"""What a criterion may look at: a network's layers and their signals, the same for every architecture."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from secateur.errors import SecateurError
from secateur.models.inputs import Images
from secateur.ranking.cached import CachedNetwork
from secateur.relevance.folding import folded
from secateur.relevance.passes import gradients_pass, outputs_pass, relevance_pass
from secateur.relevance.tracing import Plan, trace


class Network:
    """A network with its reference samples, as a criterion sees it.

    All signals are those of a layer's output after its batch-norm (folded into the layer) and before the non-linearity,
    in the shape samples × channels × positions: a linear layer has one position, or as many as the sample has tokens; a
    layer that is called several times in one pass has the positions of all calls. Signals come batch by batch; sums
    over samples do not depend on `batch_size`.

    The model is left bit for bit as it was: every pass puts back what it changed, also after an error. It must not be
    changed while this view of it is in use.
    """

    def __init__(
        self,
        model: nn.Module,
        layers: Sequence[str],
        inputs: Images | Tensor,
        labels: Tensor | None = None,
        *,
        batch_size: int = 16,
        generator: torch.Generator | None = None,
    ) -> None:
        """
        `layers`: names of convolution and linear modules of `model`, without repetition. `inputs`: samples × ..., moved
        batch by batch to the model's device and number type. `labels`: one class index a sample, needed for gradients
        and relevance. `generator`: the criterion's own random stream (CPU; seed 0 where absent).

        Raises SecateurError for unknown layers, layers that take no part in a forward pass, an empty set of samples and
        labels that do not fit.
        """
        if inputs.dim() < 2 or len(inputs) == 0:
            raise SecateurError(f"Reference samples of shape {tuple(inputs.shape)}: at least one sample is needed.")
        if labels is not None and (labels.shape != inputs.shape[:1] or labels.is_floating_point() or labels.min() < 0):
            raise SecateurError(
                f"Labels of shape {tuple(labels.shape)} and type {labels.dtype} for {len(inputs)} samples: "
                "one class index (0, 1, ...) a sample is needed."
            )
        if batch_size < 1:
            raise SecateurError(f"batch_size={batch_size}: at least 1 is needed.")
        self._model, self._inputs, self._labels, self._batch_size = model, inputs, labels, batch_size
        self.generator = generator if generator is not None else torch.Generator().manual_seed(0)
        self.layers: list[str] = list(layers)
        first = next(iter(model.parameters()), inputs)
        self._device, self._dtype = first.device, first.dtype
        modules = dict(model.named_modules())
        for layer in self.layers:
            if not isinstance(getattr(modules.get(layer), "weight", None), Tensor):
                raise SecateurError(f"Layer {layer!r}: the network has no convolution or linear layer of this name.")
        self._plan: Plan = trace(model, self._batch(0, 1)[0])
        for layer in self.layers:
            if not self._plan.of_layer(layer):
                raise SecateurError(
                    f"Layer {layer!r} computes no convolution or linear map in a forward pass in evaluation mode. "
                    "Only layers that take part in the network's output can be ranked."
                )

    @property
    def has_additions(self) -> bool:
        """Whether two branches that both carry signal are added anywhere (residual networks): chains have none."""
        return self._plan.has_additions

    @property
    def samples(self) -> int:
        """Number of reference samples."""
        return len(self._inputs)

    def weight(self, layer: str, fold: bool = True) -> Tensor:
        """Weight of a layer: out channels × everything else. `fold`: with its batch-norm folded in."""
        return self._folded(layer, fold)[0].clone()

    def bias(self, layer: str) -> Tensor:
        """Bias of a layer with its batch-norm folded in, one number per output channel; zeros where it has none."""
        weight, bias = self._folded(layer)
        return weight.new_zeros(weight.shape[0]) if bias is None else bias.clone()

    def zeros(self) -> dict[str, Tensor]:
        """For every layer zeros (float64, on the model's device), one per output channel: the start of a sum."""
        return {
            layer: torch.zeros(self.weight(layer).shape[0], dtype=torch.float64, device=self._device)
            for layer in self.layers
        }

    def outputs(self) -> Iterator[dict[str, Tensor]]:
        """Batch by batch: layer -> outputs, samples × channels × positions."""
        for start in range(0, self.samples, self._batch_size):
            inputs, _ = self._batch(start, self._batch_size)
            yield outputs_pass(self._model, self._plan, self.layers, inputs)

    def gradients(self, of: str = "loss") -> Iterator[dict[str, tuple[Tensor, Tensor]]]:
        """Batch by batch: layer -> (outputs, gradients of each sample's `of` with respect to them).

        `of`: "loss", the cross-entropy of the true class, or "logit", the true class's logit. Each is samples ×
        channels × positions. No weight gradient is computed.
        """
        for start in range(0, self.samples, self._batch_size):
            inputs, labels = self._labelled(start)
            yield gradients_pass(self._model, self._plan, self.layers, inputs, labels, of)

    def relevance(
        self,
        rule: Any = "zplus",
        start: str = "one-hot",
        additions: str = "value",
        bias: str | None = None,
    ) -> Iterator[dict[str, Tensor]]:
        """Batch by batch: layer -> relevance of its outputs, samples × channels × positions.

        `rule`: a preset, a rule or a composite (see `secateur.relevance.composites.assign`). `start`: "one-hot" (1 at
        the true class), "logit" (the true class's logit) or "softmax-contrast". `additions`: how an addition splits
        relevance, by "value", by "positive" parts only, or by "absolute" value. `bias`: whether biases "absorb"
        relevance or "ignore" it, for all rules; None leaves it to each rule (ignored by zplus and alphabeta, absorbed
        by epsilon and gamma).

        Raises SecateurError, naming the module, where relevance cannot be carried exactly.
        """
        for position in range(0, self.samples, self._batch_size):
            inputs, labels = self._labelled(position)
            yield relevance_pass(self._model, self._plan, self.layers, inputs, labels, rule, start, additions, bias)

    def input_relevance(
        self, rule: Any = "zplus", start: str = "one-hot", additions: str = "value", bias: str | None = None
    ) -> Iterator[Tensor]:
        """Batch by batch: relevance of the network's input, in the input's shape. Options as of `relevance`."""
        for position in range(0, self.samples, self._batch_size):
            inputs, labels = self._labelled(position)
            yield relevance_pass(
                self._model, self._plan, [], inputs, labels, rule, start, additions, bias, at_input=True
            )[""]

    def cached(self) -> CachedNetwork:
        """The same view with a memory: each pass runs once, and subsets of the samples can be taken."""
        return CachedNetwork(self)

    def _folded(self, layer: str, fold: bool = True) -> tuple[Tensor, Tensor | None]:
        if layer not in self.layers:
            raise SecateurError(f"Layer {layer!r} is none of this network's layers ({', '.join(self.layers)}).")
        call = self._plan.calls[self._plan.of_layer(layer)[0]]
        assert call.weight is not None
        weight, bias = folded(call.operator, call.weight, call.bias, call.norm if fold else None)
        return call.operator.rows(weight), bias

    def _batch(self, start: int, size: int) -> tuple[Tensor, Tensor | None]:
        inputs = self._inputs[start : start + size].to(self._device, self._dtype)
        return inputs, None if self._labels is None else self._labels[start : start + size].to(self._device)

    def _labelled(self, start: int) -> tuple[Tensor, Tensor]:
        inputs, labels = self._batch(start, self._batch_size)
        if labels is None:
            raise SecateurError("Gradients and relevance need the labels of the reference samples: give `labels`.")
        return inputs, labels.long()
