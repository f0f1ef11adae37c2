"""A network's layers and its reference samples: what a view of it is made from, before any pass is asked for."""

import copy
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Self, TypeVar

import torch
from torch import Tensor, nn

from secateur.errors import SecateurError
from secateur.models import memory_format
from secateur.models.inputs import Images
from secateur.pruning.units import UnitGroup
from secateur.ranking import sensitivity
from secateur.ranking.consumers import Consumers
from secateur.ranking.memory import Memory
from secateur.relevance.calls import Call, Plan, trace
from secateur.relevance.folding import folded

NO_LABELS = (
    "Gradients and relevance need the labels of the reference samples: give `labels` to Network; "
    'a criterion asks for them by "labels" in its NEEDS.'
)


T = TypeVar("T")


class Layers:
    """Some layers of a network with reference samples: shapes, folded weights, and batches to pass through it.

    A view may have a memory (`cached`), which it shares with all views on some of its samples.
    """

    _memory: Memory[Self] | None = None
    _places: Tensor | None = None
    """Where the samples are among those of the memory; None for all of them."""

    def __init__(
        self,
        model: nn.Module,
        layers: Sequence[str],
        inputs: Images | Tensor,
        labels: Tensor | None = None,
        *,
        batch_size: int = 16,
        generator: torch.Generator | None = None,
        groups: Sequence[UnitGroup] = (),
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
        self.groups: list[UnitGroup] = list(groups)
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._consumers: Consumers | None = None
        self._factor = 1.0
        first = next(iter(model.parameters()), inputs)
        self._device, self._dtype, self._format = first.device, first.dtype, memory_format.of(model)
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

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input: channels × height × width, or features."""
        return tuple(self._inputs.shape[1:])

    def reference_samples(self) -> tuple[Tensor, Tensor]:
        """All inputs (samples × ..., float32 or as the model computes) and their labels (int64)."""
        if self._labels is None:
            raise SecateurError(NO_LABELS)
        return self._inputs[:].to(self._dtype), self._labels.long()

    def weight(self, layer: str, fold: bool = True) -> Tensor:
        """Weight of a layer: out channels × everything else. `fold`: with its batch-norm folded in."""
        self._call(layer)
        return self._folded(layer, fold)[0].clone()

    def bias(self, layer: str) -> Tensor:
        """Bias of a layer with its batch-norm folded in, one number per output channel; zeros where it has none."""
        self._call(layer)
        weight, bias = self._folded(layer)
        return weight.new_zeros(weight.shape[0]) if bias is None else bias.clone()

    def batch_norm_scale(self, layer: str) -> Tensor | None:
        """Factor γ of the batch-norm after a layer, one number per output channel; None where it has no batch-norm."""
        norm = self._call(layer).norm
        if norm is None:
            return None
        scale = norm.get("weight")
        return torch.ones_like(norm["running_var"]) if scale is None else scale.detach().clone()

    def map_shape(self, layer: str) -> tuple[int, ...]:
        """What a layer's positions are: (height, width) of its maps, (tokens,), or () for one number a channel.

        Raises SecateurError for a layer that is called several times in one pass, whose positions are those of all.
        """
        if len(self._plan.of_layer(layer)) > 1:
            raise SecateurError(f"Layer {layer!r} is called several times in one pass: its positions form no map.")
        if not self._shapes:
            self._shapes = sensitivity.map_shapes(self._model, self._plan, self.layers, self._batch(0, 1)[0])
        return self._shapes[layer]

    def zeros(self) -> dict[str, Tensor]:
        """For every layer zeros (float64, on the model's device), one per output channel: the start of a sum."""
        return {
            layer: torch.zeros(self._folded(layer)[0].shape[0], dtype=torch.float64, device=self._device)
            for layer in self.layers
        }

    def subset(self, indices: Sequence[int] | Tensor, generator: torch.Generator | None = None) -> Self:
        """The same view over the samples `indices` (places among those of this view).

        `generator`: a random stream of its own; this view's where absent. Raises SecateurError for places that there
        are not, and for none.
        """
        chosen = torch.as_tensor(indices, dtype=torch.long).reshape(-1)
        if len(chosen) == 0 or int(chosen.min()) < 0 or int(chosen.max()) >= self.samples:
            raise SecateurError(f"A subset needs indices from 0 to {self.samples - 1}, at least one; got {indices}.")
        view, whole = self._like(), self._inputs
        view._inputs = whole.subset(chosen) if isinstance(whole, Images) else whole[chosen.to(whole.device)]
        view._labels = None if self._labels is None else self._labels[chosen.to(self._labels.device)]
        view._places = chosen if self._places is None else self._places[chosen]
        view.generator = generator or self.generator
        return view

    def classes(self) -> Iterator[tuple[int, Self]]:
        """Class by class: its index, and the same view over the samples of that class."""
        for label, places in self.class_places():
            yield label, self.subset(places)

    def class_places(self) -> list[tuple[int, Tensor]]:
        """Each class among the samples, with the places of its samples."""
        if self._labels is None:
            raise SecateurError(NO_LABELS)
        labels = self._labels.cpu()
        return [(label, (labels == label).nonzero().flatten()) for label in labels.unique().tolist()]

    def scaled(self, factor: float) -> Self:
        """The same view with every input multiplied by `factor`: a point on the way from zero to the input."""
        view = self._like()
        view._factor = self._factor * factor
        if self._memory is not None:
            memory = self._memory
            view._memory = memory.keep(("scaled", factor), lambda: Memory(memory.whole.scaled(factor)))
        return view

    def cached(self) -> Self:
        """The same view with a memory: each pass runs once over all samples and is kept, in memory, whole.

        Criteria that ask for the same pass share it, and so do all subsets; signals come in one batch.
        """
        if self._memory is not None:
            return self
        view = self._like()
        view._memory, view._places = Memory(self), None
        return view

    def _like(self) -> Self:
        """A copy of this view, to be changed."""
        view = copy.copy(self)
        view._consumers = None
        return view

    def _once(self, key: Hashable, compute: Callable[[], T]) -> T:
        """What does not depend on the samples: computed once where the view has a memory."""
        return compute() if self._memory is None else self._memory.keep(key, compute)

    def _folded(self, layer: str, fold: bool = True) -> tuple[Tensor, Tensor | None]:
        return self._once(("folded", layer, fold), lambda: self._fold(layer, fold))

    def _fold(self, layer: str, fold: bool) -> tuple[Tensor, Tensor | None]:
        call = self._plan.calls[self._plan.of_layer(layer)[0]]
        assert call.weight is not None
        weight, bias = folded(call.operator, call.weight, call.bias, call.norm if fold else None)
        return call.operator.rows(weight), bias

    def _with_weights(self, gradients: dict[str, Tensor]) -> dict[str, tuple[Tensor, Tensor]]:
        """Tensors in the weights' shapes as out channels × everything else, each after the weight itself."""
        weights = sensitivity.parameters_of(self._model, self.layers)
        rows = {layer: self._call(layer).operator.rows for layer in self.layers}
        return {layer: (rows[layer](weights[layer].detach()), rows[layer](gradients[layer])) for layer in self.layers}

    def _call(self, layer: str) -> Call:
        if layer not in self.layers:
            raise SecateurError(f"Layer {layer!r} is none of this network's layers ({', '.join(self.layers)}).")
        return self._plan.calls[self._plan.of_layer(layer)[0]]

    def _batch(self, start: int, size: int) -> tuple[Tensor, Tensor | None]:
        inputs = self._inputs[start : start + size].to(self._device, self._dtype)
        inputs = memory_format.laid_out(inputs, self._format)
        if self._factor != 1:
            inputs = inputs * self._factor
        return inputs, None if self._labels is None else self._labels[start : start + size].to(self._device)

    def _labelled(self, start: int, size: int | None = None) -> tuple[Tensor, Tensor]:
        inputs, labels = self._batch(start, self._batch_size if size is None else size)
        if labels is None:
            raise SecateurError(NO_LABELS)
        return inputs, labels.long()
