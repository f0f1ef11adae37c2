"""A forward pass in which every operation hands relevance down by its rule, or is refused by name."""

from typing import Any

import torch
from torch import Tensor

from secateur.errors import SecateurError
from secateur.relevance import attention
from secateur.relevance.calls import Plan
from secateur.relevance.execution import Execution
from secateur.relevance.functions import Activation, Addition
from secateur.relevance.norms import normed
from secateur.relevance.rules import Rule
from secateur.relevance.vocabulary import (
    ATTENTION,
    AVERAGES,
    CLAMPS,
    DIVISIONS,
    FACTORS,
    FUSED,
    GATES,
    LIKE_ANOTHER,
    MATRIX_PRODUCTS,
    NORMS,
    PRODUCTS,
    SQUARES,
    STATISTICS,
    SUMS,
    arguments_of,
    inexact_node,
    nodes_between,
)

GATE, WEIGHTS, STATISTIC = "a sigmoid's output", "attention weights", "a deviation, norm or variance"
"""What is computed from signals and counts as a constant, in an error's words."""


class Ruled(Execution):
    """One pass with `rules`, one a call. `additions`: how sums split relevance.

    `constants`: what is computed from signals and yet counts as a constant (id of the tensor -> it and what it is).
    """

    def __init__(self, plan: Plan, wanted: set[int], rules: list[Rule], additions: str = "value") -> None:
        super().__init__(plan, wanted, rules)
        self.additions = additions
        self.constants: dict[int, tuple[Tensor, str]] = {}
        self.squares: dict[int, Tensor] = {}
        self.ruled: set[Any] = set()

    def affine(self, kind: str, arguments: dict, function: Any, args: tuple, kwargs: dict) -> Tensor:
        inputs = arguments["input"]
        if id(inputs) not in self.constants:
            return super().affine(kind, arguments, function, args, kwargs)
        what = self.constants[id(inputs)][1]
        if what != WEIGHTS:
            raise self.refusal(f"uses {what} as a signal, not as a factor")
        # Layers that read constants alone, as where the attention weights of heads are mixed, give constants.
        self.call(kind, tuple(arguments["weight"].shape))
        outputs: Tensor = function(*args, **kwargs)
        if self.place in self.wanted:
            self.shapes[self.place] = inputs.shape if self.reading else outputs.shape
        return self._constant(outputs, what)

    def handle(self, function: Any, name: str, args: tuple, kwargs: dict) -> Any:
        tensors = self.tensors((args, kwargs))
        signals = [tensor for tensor in tensors if tensor.requires_grad]
        if name in LIKE_ANOTHER:  # of the second argument only the shape or the type is taken
            signals = [tensor for tensor in tensors[:1] if tensor.requires_grad]
        constants = [self.constants[id(tensor)][1] for tensor in tensors if id(tensor) in self.constants]
        if not signals:
            result = function(*args, **kwargs)
            for tensor in self.tensors(result) if constants else ():  # what is made of constants alone is one
                self.constants[id(tensor)] = (tensor, constants[0])
            return result
        if constants and not self._as_factor(name, args):
            raise self.refusal(f"uses {constants[0]} as a signal, not as a factor")
        known = {tensor.grad_fn for tensor in signals}
        result, ruled = self._by_rule(function, name, args, kwargs, signals)
        for tensor in self.tensors(result):
            if ruled:
                self.ruled |= nodes_between(tensor.grad_fn, known)
            elif (node := inexact_node(tensor.grad_fn, known, self.ruled)) is not None:
                raise self.refusal(f"uses {name.strip('_')} ({node.name()})")
        return result

    def _as_factor(self, name: str, args: tuple) -> bool:
        """Whether a function takes a constant that is computed from signals as a factor of its other argument."""
        if name in DIVISIONS or name == "addcmul":
            return id(args[0]) not in self.constants
        return name in PRODUCTS or name in MATRIX_PRODUCTS or name in ATTENTION or name in LIKE_ANOTHER

    def _by_rule(self, function: Any, name: str, args: tuple, kwargs: dict, signals: list[Tensor]) -> tuple[Any, bool]:
        """What a function of signals gives, and whether a rule makes its way back right (else its nodes must be)."""
        assert self.rules is not None
        if name in GATES:
            return self._constant(function(*args, **kwargs).detach(), GATE), False
        if name in FACTORS or name in CLAMPS:
            return self._activation(function, name, args, kwargs), False
        if name in NORMS:
            return self._norm(name, arguments_of(function, name, args, kwargs)), False
        if name == "normalize":
            given = arguments_of(function, name, args, kwargs)
            return attention.normalised(**{key: value for key, value in given.items() if key != "out"}), False
        if name in ATTENTION:
            return self._attention(function, name, args, kwargs), True
        if name in STATISTICS or (name in AVERAGES and id(args[0]) in self.squares):
            return self._statistic(function(*args, **kwargs)), False
        if name in SQUARES and (name == "square" or (not isinstance(args[-1], Tensor) and args[-1] == 2)):
            result = attention.product(function, args, kwargs)
            self.squares[id(result)] = result
            return result, True
        if len(signals) == 2:
            if name in PRODUCTS:
                return self._product(function, args, kwargs, *signals)
            if name in MATRIX_PRODUCTS:
                return attention.product(function, args, kwargs), True
            if name in DIVISIONS and signals[1].numel() < signals[0].numel():
                return function(signals[0], signals[1].detach(), **kwargs), False
        tensors = self.tensors((args, kwargs))
        if name in SUMS and self.additions != "value" and len(tensors) == 2 and tensors[0].shape == tensors[1].shape:
            return self._sum(name, args, kwargs), False
        return function(*args, **kwargs), False

    def _constant(self, tensor: Tensor, what: str) -> Tensor:
        self.constants[id(tensor)] = (tensor, what)
        return tensor

    def _attention(self, function: Any, name: str, args: tuple, kwargs: dict) -> Tensor:
        assert self.rules is not None
        rule = self.rules[self.place]
        if name != FUSED:
            result = attention.softmax(rule, function, args, kwargs)
            return self._constant(result, WEIGHTS) if rule.name == "cp" else result
        given = arguments_of(function, name, args, kwargs)
        if given.get("dropout_p", 0.0) > 0:
            raise self.refusal("drops attention weights at random in evaluation mode")
        result = attention.fused(rule, function, given)
        return result if result.requires_grad else self._constant(result, WEIGHTS)

    def _statistic(self, result: Any) -> Any:
        """What a signal is normalised by, as a constant; of `var_mean` the mean is a signal."""
        if isinstance(result, Tensor):
            return self._constant(result.detach(), STATISTIC)
        return self._constant(result[0].detach(), STATISTIC), result[1]

    def check_exact(self, logits: Tensor) -> None:
        """Raise SecateurError if anything on the way back is not exact that no intercepted call showed."""
        if (node := inexact_node(logits.grad_fn, set(), self.ruled)) is not None:
            raise SecateurError(
                f"Relevance cannot be carried exactly through {node.name()}, a function of the network's own. "
                "Use a criterion that needs no relevance for this network."
            )

    def _activation(self, function: Any, name: str, args: tuple, kwargs: dict) -> Tensor:
        if name in CLAMPS:
            zero = function(torch.zeros((), dtype=args[0].dtype, device=args[0].device), *args[1:], **kwargs)
            if zero.dim() or zero.item() != 0 or len(self.tensors((args, kwargs))) > 1:
                raise self.refusal("clamps between bounds that do not contain 0, or that differ by position")
        return Activation.apply(args[0], lambda inputs: function(inputs, *args[1:], **kwargs))

    def _product(self, function: Any, args: tuple, kwargs: dict, first: Tensor, second: Tensor) -> tuple[Tensor, bool]:
        """Two signals of one size share half and half; else the one that has fewer numbers is a gate, a constant."""
        if first.numel() == second.numel():
            result = attention.product(function, args, kwargs)
            if first is second:
                self.squares[id(result)] = result
            return result, True
        if first.numel() < second.numel():
            return first.detach() * second, False
        return first * second.detach(), False

    def _sum(self, name: str, args: tuple, kwargs: dict) -> Tensor:
        first, second = args[0], args[1] if len(args) > 1 else kwargs["other"]
        factor = kwargs.get("alpha", 1) * (1 if name == "add" else -1)
        if name == "rsub":
            first, second = second, first
        return Addition.apply(first, second if factor == 1 else second * factor, self.additions, 1e-6)

    def _norm(self, name: str, arguments: dict[str, Any]) -> Tensor:
        if arguments.get("running_mean") is not None and not arguments.get("use_input_stats", True):
            raise self.refusal("normalises instances by running statistics")
        return normed(name, arguments)
