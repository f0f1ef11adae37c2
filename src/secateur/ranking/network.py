"""What a criterion may look at: a network's layers and their signals, the same for every architecture."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from secateur.errors import SecateurError
from secateur.pruning.units import UnitGroup
from secateur.ranking import sensitivity
from secateur.ranking.consumers import NO_GROUPS, Consumers, Handle, consumers_of, read_rows, scores_of, weights_of
from secateur.ranking.joint import greedy_order
from secateur.ranking.layers import Layers
from secateur.ranking.memory import joined, key_of, remembered, taken
from secateur.relevance.activations import activations_pass
from secateur.relevance.differences import differences_pass
from secateur.relevance.ledger import ENTRANCE, Entry, ledger_pass
from secateur.relevance.passes import Propagation, choose, gradients_pass, outputs_pass, relevance_pass


class Network(Layers):
    """A network with its reference samples, as a criterion sees it.

    All signals but `activations` are those of a layer's output after its batch-norm (folded into the layer) and before
    the non-linearity, in the shape samples × channels × positions: a linear layer has one position, or as many as the
    sample has tokens; a layer that is called several times in one pass has the positions of all calls. Signals come
    batch by batch; sums over samples do not depend on `batch_size`. Of a view with a memory (`cached`) they come in one
    batch, and each pass runs once for all views on some of the samples.

    The model is left bit for bit as it was: every pass puts back what it changed, also after an error. It must not be
    changed while this view of it is in use.
    """

    def outputs(self) -> Iterator[dict[str, Tensor]]:
        """Batch by batch: layer -> outputs, samples × channels × positions."""
        for of in ("loss", "logit"):
            if self._memory is not None and key_of("gradients", of) in self._memory:  # which has made them already
                yield {layer: outputs for layer, (outputs, _) in next(self.gradients(of)).items()}
                return
        yield from self._outputs()

    @remembered
    def _outputs(self) -> Iterator[dict[str, Tensor]]:
        for start in range(0, self.samples, self._batch_size):
            inputs, _ = self._batch(start, self._batch_size)
            yield outputs_pass(self._model, self._plan, self.layers, inputs)

    @remembered
    def activations(self) -> Iterator[dict[str, Tensor]]:
        """Batch by batch: layer -> the signal it passes on, samples × channels × positions.

        That is its output after the additions and the non-linearity that follow, up to where the next layer reads it
        (`relevance.activations`); without a non-linearity the signal has both signs.
        """
        for start in range(0, self.samples, self._batch_size):
            inputs, _ = self._batch(start, self._batch_size)
            yield activations_pass(self._model, self._plan, self.layers, inputs)

    @remembered
    def gradients(self, of: str = "loss") -> Iterator[dict[str, tuple[Tensor, Tensor]]]:
        """Batch by batch: layer -> (outputs, gradients of each sample's `of` with respect to them).

        `of`: "loss", the cross-entropy of the true class, or "logit", the true class's logit. Each is samples ×
        channels × positions. No weight gradient is computed.
        """
        for start in range(0, self.samples, self._batch_size):
            inputs, labels = self._labelled(start)
            yield gradients_pass(self._model, self._plan, self.layers, inputs, labels, of)

    @remembered
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
        how = Propagation(rule, start, additions, bias)
        for position in range(0, self.samples, self._batch_size):
            inputs, labels = self._labelled(position)
            yield relevance_pass(self._model, self._plan, self.layers, inputs, labels, how)

    @remembered
    def read_relevance(
        self, rule: Any = "zplus", start: str = "one-hot", additions: str = "value", bias: str | None = None
    ) -> Iterator[dict[str, Tensor]]:
        """Batch by batch: layer -> relevance of what it reads, samples × input channels × positions.

        The layers are those that read the units (`consumers`): what a unit passes on to them, after non-linearities
        and, of attention heads, after values were weighed. Options as of `relevance`.
        """
        layers = list(dict.fromkeys(consumer.layer for consumer in self.consumers().every))
        how = Propagation(rule, start, additions, bias)
        for position in range(0, self.samples, self._batch_size):
            inputs, labels = self._labelled(position)
            yield relevance_pass(self._model, self._plan, layers, inputs, labels, how, reading=True)

    @remembered
    def input_relevance(
        self, rule: Any = "zplus", start: str = "one-hot", additions: str = "value", bias: str | None = None
    ) -> Iterator[Tensor]:
        """Batch by batch: relevance of the network's input, in the input's shape. Options as of `relevance`."""
        how = Propagation(rule, start, additions, bias)
        for position in range(0, self.samples, self._batch_size):
            inputs, labels = self._labelled(position)
            yield relevance_pass(self._model, self._plan, [], inputs, labels, how, at_input=True)[""]

    def ledger(
        self, rule: Any = "zplus", start: str = "one-hot", additions: str = "value", bias: str | None = None
    ) -> list[Entry]:
        """Where the relevance of all samples went, in the order of the way back. Options as of `relevance`.

        One entry for each place and kind (`relevance.ledger.KINDS`) that keeps any; the last is what arrives at the
        network's input. Together they are the relevance that the passes started from.
        """
        kept: dict[tuple[str, str], float] = {}
        how = Propagation(rule, start, additions, bias)
        for position in range(0, self.samples, self._batch_size):
            inputs, labels = self._labelled(position)
            entries = ledger_pass(self._model, self._plan, inputs, labels, how)
            for key, relevance in entries.items():
                kept[key] = kept.get(key, 0.0) + relevance
        arrived = kept.pop(ENTRANCE, 0.0)
        return [*(Entry(*key, relevance) for key, relevance in kept.items() if relevance), Entry(*ENTRANCE, arrived)]

    def weight_gradients(
        self, of: str = "loss", samples: int | None = None, temperature: float = 1.0
    ) -> Iterator[dict[str, tuple[Tensor, Tensor]]]:
        """Step by step: layer -> (the layer's own weight, gradient of the summed `of` with respect to it).

        Each is out channels × everything else; batch-norm is not folded in, though w · gradient does not depend on
        that. `samples`: how many make one step (1: each sample's own gradient; None: a batch). `temperature`: what
        logits are divided by.
        """
        size = self._batch_size if samples is None else samples
        for start in range(0, self.samples, size):
            inputs, labels = self._labelled(start, size)
            gradients = sensitivity.weight_gradients(self._model, self.layers, inputs, labels, of, temperature)
            yield self._with_weights(gradients)

    def hessian_gradient(self, temperature: float = 1.0) -> dict[str, tuple[Tensor, Tensor]]:
        """Layer -> (the layer's own weight, H g), each out channels × everything else.

        g and H: gradient and Hessian of the mean cross-entropy of all samples with respect to the layers' weights
        taken together; H is never formed (the gradient of gᵀ · constant g). `temperature`: what logits are divided by.
        """
        gradient: dict[str, Tensor] = {}
        product: dict[str, Tensor] = {}
        starts = range(0, self.samples, self._batch_size)
        for start in starts:
            inputs, labels = self._labelled(start)
            parts = sensitivity.weight_gradients(self._model, self.layers, inputs, labels, "loss", temperature)
            gradient = {layer: gradient.get(layer, 0) + part / self.samples for layer, part in parts.items()}
        for start in starts:
            inputs, labels = self._labelled(start)
            parts = sensitivity.hessian_product(self._model, gradient, inputs, labels, temperature)
            product = {layer: product.get(layer, 0) + part / self.samples for layer, part in parts.items()}
        return self._with_weights(product)

    def synaptic_flow(self) -> dict[str, Tensor]:
        """Layer -> |w| ∂R/∂|w|, out channels × everything else, float64; needs no sample, only an input's shape.

        R: the sum of the logits of an image of ones in the network of absolute weights, without biases, with the
        batch-norm's factors |γ|/σ: the sum over all paths of the product of their weights.
        """
        shape = self._inputs.shape[1:]
        flow = self._once("synaptic_flow", lambda: sensitivity.synaptic_flow(self._model, self.layers, shape))
        return {layer: self._call(layer).operator.rows(part) for layer, part in flow.items()}

    def differences(self, reference: str = "zero") -> Iterator[dict[str, tuple[Tensor, Tensor]]]:
        """Batch by batch: layer -> (output minus the reference input's, DeepLIFT's multiplier of that difference).

        Each is samples × channels × positions. `reference`: "zero", an input of zeros, or "mean", the mean sample.
        Raises SecateurError for networks with gates or layer norms, for which the rescale rule has no multiplier.
        """
        choose("reference", reference, ("zero", "mean"))
        if reference == "zero":
            return self._zero_differences()
        batches = self._differences(self._mean_input())  # the mean of this view's own samples: no other shares it
        return batches if self._memory is None else iter([joined(list(batches))])

    @remembered
    def _zero_differences(self) -> Iterator[dict[str, tuple[Tensor, Tensor]]]:
        return self._differences(torch.zeros(self._inputs.shape[1:], dtype=self._dtype, device=self._device))

    def _differences(self, base: Tensor) -> Iterator[dict[str, tuple[Tensor, Tensor]]]:
        for start in range(0, self.samples, self._batch_size):
            inputs, labels = self._labelled(start)
            yield differences_pass(self._model, self._plan, self.layers, inputs, base.expand_as(inputs), labels)

    def _mean_input(self) -> Tensor:
        mean = torch.zeros(self._inputs.shape[1:], dtype=self._dtype, device=self._device)
        for start in range(0, self.samples, self._batch_size):
            mean += self._batch(start, self._batch_size)[0].sum(0) / self.samples
        return mean

    def removal_losses(self) -> dict[str, Tensor]:
        """Layer -> change of the mean cross-entropy when a channel's whole unit is removed (nats a sample, float64).

        One forward pass a unit and batch. Channels that are in no unit have 0.
        """
        if not self.groups:
            raise SecateurError("Removing units one by one needs the network's units: give `groups` to Network.")
        batches = [self._labelled(start) for start in range(0, self.samples, self._batch_size)]
        changes = sensitivity.removal_losses(self._model, self.groups, batches)
        return self.scores_of({group.name: change for group, change in zip(self.groups, changes, strict=True)})

    def joint_order(self, of: str = "loss", step: float = 0.0) -> dict[str, Tensor]:
        """Layer -> place of a channel's unit in the order in which units go, each the least harmful one of those left.

        `of`, `step`: see `joint.greedy_order`, which says what it costs. Channels that are in no unit have 0.
        """
        if not self.groups:
            raise SecateurError("Removing units one by one needs the network's units: give `groups` to Network.")
        batches = [self._labelled(start) for start in range(0, self.samples, self._batch_size)]
        return self.scores_of(greedy_order(self._model, self.groups, batches, of, step))

    def consumers(self) -> Consumers:
        """The layers that read the units, with their weights' input slices and statistics of what they read.

        One object for this view, so that what it has computed once is kept. Raises SecateurError without `groups`, and
        for channels of heads, which no layer reads whole.
        """
        if not self.groups:
            raise SecateurError(NO_GROUPS)
        if self._consumers is None and self._memory is not None:  # theirs are the same, whatever the samples
            self._consumers = self._memory.whole.consumers().over(self.read_rows, self.samples)
        elif self._consumers is None:
            self._consumers = Consumers(
                consumers_of(self._model, self.groups),
                {group.name: group.size for group in self.groups},
                lambda layer, fold: self._folded(layer, fold)[0],
                self.read_rows,
                self.samples,
            )
        return self._consumers

    def read_rows(self, layers: Sequence[str], handle: Handle) -> None:
        """One pass: tell `handle` of all rows that some layers read, layer by layer, batch by batch or in parts.

        A view with a memory tells a layer's rows in one part.
        """
        if self._memory is not None:
            for layer in layers:
                whole = self._memory.keep(("rows", layer), partial(self._memory.whole._rows, layer))
                rows = taken(whole, self._places)
                handle(layer, rows.flatten(0, 1), len(rows))
            return
        batches = (self._batch(start, self._batch_size)[0] for start in range(0, self.samples, self._batch_size))
        read_rows(self._model, layers, batches, handle)

    def unit_weights(self, group: UnitGroup) -> list[Tensor]:
        """All weights that go with a group's units: for each place where they have channels, units × weights, float64.

        Filters, factors of batch-norms and weights that read the units; no biases and shifts.
        """
        return weights_of(self._model, group)

    @remembered
    def gate_gradients(self) -> Iterator[dict[str, Tensor]]:
        """Batch by batch: group -> gradient of each sample's cross-entropy by its gates, samples × units.

        A unit's gate is a factor, 1, of all inputs of all layers that read the unit; of a channel of heads, of its
        queries, keys and values.
        """
        if any(group.kind == "head_channel" for group in self.groups):
            yield from (sensitivity.gates_of_makers(self.groups, signals) for signals in self.gradients())
            return
        every = self.consumers().every
        for start in range(0, self.samples, self._batch_size):
            inputs, labels = self._labelled(start)
            yield sensitivity.gate_gradients(self._model, self.groups, every, inputs, labels)

    def scores_of(self, of_units: dict[str, Tensor]) -> dict[str, Tensor]:
        """Group -> one number a unit, as layer -> one number a channel: the answer of a criterion that scores units.

        Such a criterion says `COMBINE = "first"`. Channels that are in no unit have 0.
        """
        return scores_of(self.groups, self.zeros(), of_units)

    def _rows(self, layer: str) -> Tensor:
        """All rows that a layer reads, samples × positions × columns."""
        parts: list[Tensor] = []
        self.read_rows([layer], lambda _, rows, samples: parts.append(rows.unflatten(0, (samples, -1))))
        return torch.cat(parts)
