"""A forward pass computed so that the multiplier R/x can flow back through it."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from secateur.errors import SecateurError
from secateur.relevance.folding import folded, scale_and_shift
from secateur.relevance.functions import Activation, Addition, Affine
from secateur.relevance.interception import Interception
from secateur.relevance.rules import Rule
from secateur.relevance.tracing import Plan
from secateur.relevance.vocabulary import (
    CLAMPS,
    FACTORS,
    GATES,
    LIKE_ANOTHER,
    NORMS,
    PRODUCTS,
    SUMS,
    arguments_of,
    inexact_node,
)


class Execution(Interception):
    """One pass over one batch. `rules`: one a call, for relevance; None for plain outputs and gradients.

    Afterwards `outputs` (not for relevance) and `signals` hold the wanted calls' tensors, by place of the call; a
    call that nothing flows back to (it stands inside a gate, say) has a signal of zeros. `anchor` (see `Affine`) is
    set for a pass with a way back. `at_input` collects what flat and zbox find at `network_input`.
    """

    def __init__(self, plan: Plan, wanted: set[int], rules: list[Rule] | None = None, additions: str = "value") -> None:
        super().__init__(plan.modules)
        self.plan, self.wanted, self.rules, self.additions = plan, wanted, rules, additions
        self.anchor: Tensor | None = None
        self.network_input: Tensor | None = None
        self.place = -1
        self.outputs: dict[int, Tensor] = {}
        self.versions: dict[int, int] = {}
        self.signals: dict[int, Tensor] = {}
        self.shapes: dict[int, torch.Size] = {}
        self.at_input: list[Tensor] = []
        self.gates: dict[int, Tensor] = {}

    def check_untouched(self) -> None:
        """Raise SecateurError if the network overwrote an output after it was collected."""
        for place, outputs in self.outputs.items():
            if outputs._version != self.versions[place]:
                raise SecateurError(
                    f"The output of layer {self.plan.calls[place].layer!r} is overwritten later in the network. "
                    "Write that change without an in-place assignment."
                )

    def affine(self, kind: str, arguments: dict, function: Any, args: tuple, kwargs: dict) -> Tensor:
        self.place += 1
        place, inputs = self.place, arguments["input"]
        weight: Any = arguments.get("weight")
        call = self.plan.calls[place] if place < len(self.plan.calls) else None
        if (
            call is None
            or call.kind not in (kind, "constant")
            or call.shape != (() if weight is None else tuple(weight.shape))
        ):
            raise SecateurError(
                f"In {self.here()}: the network computes other layers than it did at first. "
                "Only a network whose layers do not depend on the data can be ranked."
            )
        if call.kind == "constant":
            return function(*args, **kwargs)
        if call.folded:
            return inputs
        if self.rules is not None and id(inputs) in self.gates:
            raise self.refusal("uses a sigmoid's output as a signal, not as a factor")
        if weight is not None and weight.requires_grad:
            if self.rules is not None:
                raise self.refusal("computes a weight from its input")
            return function(*args, **kwargs)
        parameters: Callable[[], tuple[Tensor, Tensor | None]]
        if kind == "normalisation":
            parameters = partial(scale_and_shift, {key: value for key, value in arguments.items() if key != "input"})
        else:
            parameters = partial(folded, call.operator, weight, arguments.get("bias"), call.norm)
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

    def _with_way_back(
        self, place: int, inputs: Tensor, parameters: Callable[[], tuple[Tensor, Tensor | None]]
    ) -> Tensor:
        rule = self.rules[place] if self.rules is not None else None
        collect = partial(self.signals.__setitem__, place) if place in self.wanted else None
        collect_input = None
        if rule is not None and rule.input_only:
            if inputs is not self.network_input:
                raise SecateurError(
                    f"Rule {rule.name} is given to {self.here()}, which does not read the network's input. "
                    "flat and zbox are rules for the first layer: name them under `input`."
                )
            collect_input = self.at_input.append
        operator = self.plan.calls[place].operator
        outputs = Affine.apply(inputs, self.anchor, parameters, operator, rule, collect, collect_input)
        if place in self.wanted:
            self.shapes[place] = outputs.shape
        return outputs

    def complete(self) -> None:
        """After the way back: give zeros to the calls that it did not reach."""
        assert self.anchor is not None
        for place, shape in self.shapes.items():
            if place not in self.signals:
                self.signals[place] = self.anchor.new_zeros(shape)

    def handle(self, function: Any, name: str, args: tuple, kwargs: dict) -> Any:
        if self.rules is None:
            return function(*args, **kwargs)
        tensors = self.tensors((args, kwargs))
        signals = [tensor for tensor in tensors if tensor.requires_grad]
        if name in LIKE_ANOTHER:  # of the second argument only the shape or the type is taken
            signals = [tensor for tensor in tensors[:1] if tensor.requires_grad]
        gated = any(id(tensor) in self.gates for tensor in tensors)
        if not signals:
            result = function(*args, **kwargs)
            if gated:  # a view of a gate, or a gate times a constant, is a gate
                self.gates.update((id(tensor), tensor) for tensor in self.tensors(result))
            return result
        if gated and name not in PRODUCTS:
            raise self.refusal("uses a sigmoid's output as a signal, not as a factor")
        if name in GATES:
            result = function(*args, **kwargs).detach()
            self.gates[id(result)] = result
        elif name in FACTORS or name in CLAMPS:
            result = self._activation(function, name, args, kwargs)
        elif name in NORMS:
            result = self._norm(name, arguments_of(function, name, args, kwargs))
        elif name in PRODUCTS and len(signals) == 2:
            result = self._product(*signals)
        elif name in SUMS and self.additions != "value" and len(tensors) == 2 and tensors[0].shape == tensors[1].shape:
            result = self._sum(name, args, kwargs)
        else:
            result = function(*args, **kwargs)
        known = {tensor.grad_fn for tensor in signals}
        for tensor in self.tensors(result):
            if (node := inexact_node(tensor.grad_fn, known)) is not None:
                raise self.refusal(f"uses {name.strip('_')} ({node.name()})")
        return result

    def check_exact(self, logits: Tensor) -> None:
        """Raise SecateurError if anything on the way back is not exact that no intercepted call showed."""
        if (node := inexact_node(logits.grad_fn, set())) is not None:
            raise SecateurError(
                f"Relevance cannot be carried exactly through {node.name()}, an function of the network's own. "
                "Use a criterion that needs no relevance for this network."
            )

    def refusal(self, what: str) -> SecateurError:
        """The error for an operation that relevance cannot pass exactly."""
        return SecateurError(
            f"Relevance cannot be carried exactly through {self.here()}: it {what}. Exact are convolutions, linear and "
            "normalisation layers, pooling, additions, concatenations, gates and activations with f(0) = 0. "
            "Use a criterion that needs no relevance for this network."
        )

    def _activation(self, function: Any, name: str, args: tuple, kwargs: dict) -> Tensor:
        if name in CLAMPS:
            zero = function(torch.zeros((), dtype=args[0].dtype, device=args[0].device), *args[1:], **kwargs)
            if zero.dim() or zero.item() != 0 or len(self.tensors((args, kwargs))) > 1:
                raise self.refusal("clamps between bounds that do not contain 0, or that differ by position")
        return Activation.apply(args[0], lambda inputs: function(inputs, *args[1:], **kwargs))

    def _product(self, first: Tensor, second: Tensor) -> Tensor:
        """A signal times a gate computed from signals: the one that has fewer numbers is the gate, and a constant."""
        if first.numel() == second.numel():
            raise self.refusal("multiplies two signals of one size, of which none is a sigmoid's output")
        if first.numel() < second.numel():
            return first.detach() * second
        return first * second.detach()

    def _sum(self, name: str, args: tuple, kwargs: dict) -> Tensor:
        first, second = args[0], args[1] if len(args) > 1 else kwargs["other"]
        factor = kwargs.get("alpha", 1) * (1 if name == "add" else -1)
        if name == "rsub":
            first, second = second, first
        return Addition.apply(first, second if factor == 1 else second * factor, self.additions, 1e-6)

    def _norm(self, name: str, arguments: dict[str, Any]) -> Tensor:
        """Layer, group, instance or root-mean-square norm, with the deviation it divides by as a constant."""
        inputs, weight, bias = arguments["input"], arguments.get("weight"), arguments.get("bias")
        values, centred = inputs, name != "rms_norm"
        if name in ("layer_norm", "rms_norm"):
            dims = tuple(range(-len(arguments["normalized_shape"]), 0))
        else:
            if arguments.get("running_mean") is not None and not arguments.get("use_input_stats", True):
                raise self.refusal("normalises instances by running statistics")
            groups = arguments["num_groups"] if name == "group_norm" else inputs.shape[1]
            values, dims = inputs.reshape(inputs.shape[0], groups, -1), (-1,)
            shape = [1, -1] + [1] * (inputs.dim() - 2)
            weight, bias = (None if tensor is None else tensor.reshape(shape) for tensor in (weight, bias))
        if centred:
            values = values - values.mean(dims, keepdim=True)
        default = torch.finfo(inputs.dtype).eps if name == "rms_norm" else 1e-5
        epsilon = default if arguments.get("eps") is None else arguments["eps"]
        deviation = (values.detach().square().mean(dims, keepdim=True) + epsilon).sqrt_()
        values = (values / deviation).reshape(inputs.shape)
        if weight is not None:
            values = values * weight
        return values if bias is None else values + bias
