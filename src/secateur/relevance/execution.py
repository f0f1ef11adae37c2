"""A forward pass computed so that the multiplier R/x can flow back through it."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from secateur.errors import SecateurError
from secateur.relevance.calls import Call, Plan
from secateur.relevance.folding import kept, scale_and_shift
from secateur.relevance.functions import Affine, Collect, WayBack
from secateur.relevance.interception import Interception
from secateur.relevance.rules import Rule


class Execution(Interception):
    """One pass over one batch. `rules`: one a call, for relevance (see `ruled`); None for plain outputs and gradients.

    Afterwards `outputs` (not for relevance) and `signals` hold the wanted calls' tensors, by place of the call; a
    call that nothing flows back to (it stands inside a gate, say) has a signal of zeros. With `reading` the signals
    are those of the calls' inputs. `anchor` (see `Affine`) is set for a pass with a way back. `at_input` collects what
    flat and zbox find at `network_input`.
    """

    def __init__(self, plan: Plan, wanted: set[int], rules: list[Rule] | None = None) -> None:
        super().__init__(plan.modules)
        self.plan, self.wanted, self.rules = plan, wanted, rules
        self.reading = False
        self.anchor: Tensor | None = None
        self.network_input: Tensor | None = None
        self.place = -1
        self.outputs: dict[int, Tensor] = {}
        self.versions: dict[int, int] = {}
        self.signals: dict[int, Tensor] = {}
        self.shapes: dict[int, torch.Size] = {}
        self.at_input: list[Tensor] = []

    def check_untouched(self) -> None:
        """Raise SecateurError if the network overwrote an output after it was collected."""
        for place, outputs in self.outputs.items():
            if outputs._version != self.versions[place]:
                raise SecateurError(
                    f"The output of layer {self.plan.calls[place].layer!r} is overwritten later in the network. "
                    "Write that change without an in-place assignment."
                )

    def call(self, kind: str, shape: tuple[int, ...] = ()) -> Call:
        """The next call of the plan; SecateurError where the network's is another."""
        self.place += 1
        call = self.plan.calls[self.place] if self.place < len(self.plan.calls) else None
        if call is None or call.kind not in (kind, "constant") or call.shape != shape:
            raise SecateurError(
                f"In {self.here()}: the network computes other layers than it did at first. "
                "Only a network whose layers do not depend on the data can be ranked."
            )
        return call

    def affine(self, kind: str, arguments: dict, function: Any, args: tuple, kwargs: dict) -> Tensor:
        weight: Any = arguments.get("weight")
        call, inputs = self.call(kind, () if weight is None else tuple(weight.shape)), arguments["input"]
        place = self.place
        if call.kind == "constant":
            return function(*args, **kwargs)
        if call.folded:
            return inputs
        if weight is not None and weight.requires_grad:
            if self.rules is not None:
                raise self.refusal("computes a weight from its input")
            return function(*args, **kwargs)
        parameters: Callable[[], tuple[Tensor, Tensor | None]]
        if kind == "normalisation":
            parameters = partial(scale_and_shift, {key: value for key, value in arguments.items() if key != "input"})
        else:
            parameters = partial(kept, self.plan.folds, place, call.operator, weight, arguments.get("bias"), call.norm)
        if inputs.dim() < 2 or (kind == "convolution" and inputs.dim() != len(call.shape)):
            raise self.refusal("computes a layer without a dimension for the samples")
        if self.anchor is None:
            outputs = call.operator.apply(inputs, *parameters())
        else:
            outputs = self._with_way_back(place, inputs, parameters)
        if place in self.wanted and self.rules is None:
            self.outputs[place] = outputs.detach()
            self.versions[place] = outputs._version
        return outputs

    def attention(self, function: Any, name: str, args: tuple, kwargs: dict) -> Tensor:
        self.call("attention")
        return self.handle(function, name, args, kwargs)  # type: ignore[no-any-return]

    def _with_way_back(
        self, place: int, inputs: Tensor, parameters: Callable[[], tuple[Tensor, Tensor | None]]
    ) -> Tensor:
        rule = self.rules[place] if self.rules is not None else None
        wanted = partial(self.signals.__setitem__, place) if place in self.wanted else None
        collect, collect_read = (None, wanted) if self.reading else (wanted, None)
        collect_input = None
        if rule is not None and rule.input_only:
            if not self.enters(inputs):
                raise SecateurError(
                    f"Rule {rule.name} is given to {self.here()}, which does not read the network's input. "
                    "flat and zbox are rules for the first layer: name them under `input`."
                )
            collect_input = self.at_input.append
        operator = self.plan.calls[place].operator
        absorb = self.absorbing(place)
        way = WayBack(operator, parameters, rule, collect, collect_input, absorb, collect_read)
        outputs = Affine.apply(inputs, self.anchor, way)
        if place in self.wanted:
            self.shapes[place] = inputs.shape if self.reading else outputs.shape
        return outputs

    def enters(self, tensor: Tensor) -> bool:
        """Whether a tensor is the network's input."""
        return tensor is self.network_input

    def absorbing(self, place: int) -> Collect | None:
        """What is told the relevance that a call's bias absorbs, if anything."""
        del place
        return None

    def complete(self) -> None:
        """After the way back: give zeros to the calls that it did not reach."""
        assert self.anchor is not None
        for place, shape in self.shapes.items():
            if place not in self.signals:
                self.signals[place] = self.anchor.new_zeros(shape)

    def handle(self, function: Any, name: str, args: tuple, kwargs: dict) -> Any:
        del name
        return function(*args, **kwargs)

    def refusal(self, what: str) -> SecateurError:
        """The error for an operation that relevance cannot pass exactly."""
        return SecateurError(
            f"Relevance cannot be carried exactly through {self.here()}: it {what}. Exact are convolutions, linear and "
            "normalisation layers, attention, pooling, additions, products, concatenations, gates and activations "
            "with f(0) = 0. Use a criterion that needs no relevance for this network."
        )
