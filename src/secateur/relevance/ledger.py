"""Where relevance goes: how much of it every operation of a network keeps, so that nothing is unaccounted for.

What an operation keeps is the relevance at its outputs minus what it hands to its inputs. Summed over all operations,
and with what arrives at the network's input, that is the relevance that the pass started from.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor, nn

from secateur.relevance.calls import Plan
from secateur.relevance.passes import Propagation, backward, chosen, forward, start_of
from secateur.relevance.ruled import Ruled
from secateur.relevance.rules import Rule
from secateur.relevance.vocabulary import AFFINE, ATTENTION, NORMS, SUMS

KINDS = ("input", "bias", "stabiliser", "normalisation", "constant", "attention", "other")
"""input: what arrives there; bias: of convolutions and linear layers; stabiliser: the ε of a rule, and outputs that a
rule cannot hand down (z⁺ where nothing is positive); normalisation: shifts of layer norms; constant: parameters that
are added or concatenated to a signal (class token, position embedding); attention: a softmax; other: anything else."""
ENTRANCE = ("", "input")


class Entry(NamedTuple):
    """What is kept in one place: the module's name (of a constant: the parameter's), its kind, and the relevance."""

    place: str
    kind: str
    relevance: float


class Ledger(Ruled):
    """A pass that books, for every operation, the relevance at its outputs and takes off what its inputs get."""

    def __init__(self, model: nn.Module, plan: Plan, rules: list[Rule], additions: str) -> None:
        super().__init__(plan, set(), rules, additions)
        self.kept: dict[tuple[str, str], float] = {}
        self.entrances: set[int] = set()
        self.aliases: list[Tensor] = []  # kept, so that no other tensor gets the id of one
        self.parameters = {id(value): name for name, value in [*model.named_parameters(), *model.named_buffers()]}

    def book(self, key: tuple[str, str], relevance: Tensor, sign: int = 1) -> None:
        """Add to what is kept in one place."""
        self.kept[key] = self.kept.get(key, 0.0) + sign * float(relevance.double().sum())

    def enters(self, tensor: Tensor) -> bool:
        return id(tensor) in self.entrances or super().enters(tensor)

    def absorbing(self, place: int) -> Callable[[Tensor], None]:
        layer = self.plan.calls[place].layer

        def absorb(relevance: Tensor) -> None:
            self.book((layer, "bias"), relevance)
            self.book((layer, "stabiliser"), relevance, -1)

        return absorb

    def computed(self, function: Any, name: str, args: tuple, kwargs: dict) -> Any:
        key = self._key(name, args, kwargs)
        known: dict[int, Tensor] = {}

        def alias(tensor: Tensor) -> Tensor:
            """The same tensor, for this operation alone, so that what it hands down can be told from others'."""
            if not tensor.requires_grad:
                return tensor
            if id(tensor) not in known:
                own = known[id(tensor)] = tensor.view_as(tensor)
                self.aliases.append(own)
                if self.enters(tensor):
                    self.entrances.add(id(own))
                if id(tensor) in self.squares:
                    self.squares[id(own)] = own
                self._listen(own, key, -1)
            return known[id(tensor)]

        result = super().computed(function, name, _mapped(alias, args), _mapped(alias, kwargs))
        for tensor in self.tensors(result):
            if tensor.requires_grad:
                self._listen(tensor, key, 1)
        return result

    def _listen(self, tensor: Tensor, key: tuple[str, str], sign: int) -> None:
        value = tensor.detach()  # not the tensor, which would keep itself alive

        def heard(multiplier: Tensor | None) -> None:
            if multiplier is not None:  # as where nothing flows back
                self.book(key, value * multiplier, sign)

        tensor.register_hook(heard)

    def _key(self, name: str, args: tuple, kwargs: dict) -> tuple[str, str]:
        place, _ = self.where()
        if name in AFFINE:
            coming = self.place + 1
            return (self.plan.calls[coming].layer if coming < len(self.plan.calls) else place), "stabiliser"
        if name in ATTENTION:
            return place, "attention"
        if name in NORMS:
            return place, "normalisation"
        constants = [tensor for tensor in self.tensors((args, kwargs)) if not tensor.requires_grad]
        if not constants or name not in {*SUMS, "cat", "concat", "stack", "where", "addcmul"}:
            return place, "other"
        named = [self.parameters.get(id(one), self.parameters.get(id(one._base), "")) for one in constants]
        return next((one for one in named if one), place), "constant"


def ledger_pass(
    model: nn.Module, plan: Plan, inputs: Tensor, labels: Tensor, how: Propagation
) -> dict[tuple[str, str], float]:
    """(place, kind) -> relevance kept there, summed over the batch; the values sum to what the pass started from."""
    ledger = Ledger(model, plan, chosen(plan, how), how.additions)
    logits = forward(model, ledger, inputs, labels, at_input=True)
    below = backward(ledger, logits, start_of(logits.detach(), labels, how.start))
    assert ledger.network_input is not None
    if below is not None:
        ledger.book(ENTRANCE, below * ledger.network_input.detach())
    for relevance in ledger.at_input:  # of flat and zbox, which hand down relevance and no multiplier
        ledger.book(ENTRANCE, relevance)
        ledger.book((plan.calls[0].layer, "stabiliser"), relevance, -1)
    return ledger.kept


def _mapped(change: Callable[[Tensor], Tensor], value: Any) -> Any:
    """Nested arguments with every tensor changed."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, list | tuple):
        items = [_mapped(change, item) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    if isinstance(value, dict):
        return {key: _mapped(change, item) for key, item in value.items()}
    return value
