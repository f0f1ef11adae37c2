"""What becomes of a layer's output before the next layer reads it: the signal that the network really passes on.

In a chain that is the output after its non-linearity. At the end of a residual branch the non-linearity stands behind
the addition, so that what is passed on is f(branch + shortcut) and not f(branch): all layers that the addition ties
together pass on the same signal. Where no non-linearity follows (a linear bottleneck), it is the output itself or the
sum that it goes into.
"""

from typing import Any

import torch
from torch import Tensor, nn

from secateur.relevance.calls import Plan
from secateur.relevance.execution import Execution
from secateur.relevance.passes import by_channel, places_of
from secateur.relevance.undisturbed import undisturbed
from secateur.relevance.vocabulary import CLAMPS, COPIES, FACTORS, GATES, POOLINGS, PRODUCTS, RAMPS, SUMS

NON_LINEAR = FACTORS | CLAMPS | GATES | RAMPS
POSITION_BY_POSITION = SUMS | PRODUCTS | COPIES


def activations_pass(model: nn.Module, plan: Plan, layers: list[str], inputs: Tensor) -> dict[str, Tensor]:
    """The signal that each layer passes on: samples × channels × positions, as many as its output has."""
    execution = Following(plan, places_of(plan, layers))
    with undisturbed(model), torch.inference_mode(False), torch.no_grad():
        execution.result(model, inputs.detach().clone())
    execution.check_untouched()
    return {layer: by_channel(plan, layer, execution.passed_on(), len(inputs)) for layer in layers}


class Following(Execution):
    """A forward pass that follows the wanted outputs through additions, factors and norms to a non-linearity.

    `followed`: id of a tensor -> the tensor (kept, so that no other gets its id), the same signal before any pooling,
    and the places of the calls whose outputs it carries. `settled`: place -> the signal passed on.
    """

    def __init__(self, plan: Plan, wanted: set[int]) -> None:
        super().__init__(plan, wanted)
        self.followed: dict[int, tuple[Tensor, Tensor, set[int]]] = {}
        self.settled: dict[int, Tensor] = {}

    def passed_on(self) -> dict[int, Tensor]:
        """Place -> signal; an output that nothing settled (the logits, say) is as far as it was followed."""
        latest = {place: signal for _, signal, places in self.followed.values() for place in places}
        return latest | self.settled

    def affine(self, kind: str, arguments: dict, function: Any, args: tuple, kwargs: dict) -> Tensor:
        inputs = arguments["input"]
        outputs = super().affine(kind, arguments, function, args, kwargs)
        if outputs is inputs:  # a batch-norm that is folded into the layer before it
            return outputs
        if kind == "normalisation":
            self._follow([inputs], outputs)
        else:
            self._settle(inputs)
        if self.place in self.wanted:
            self.followed[id(outputs)] = (outputs, outputs, {self.place})
        return outputs

    def handle(self, function: Any, name: str, args: tuple, kwargs: dict) -> Any:
        result = super().handle(function, name, args, kwargs)
        if not isinstance(result, Tensor):
            return result
        given = [tensor for tensor in self.tensors((args, kwargs)) if id(tensor) in self.followed]
        if given and name in NON_LINEAR:
            tensor, before, _ = self.followed[id(given[0])]
            signal = result
            if before is not tensor:  # pooled in between: what the function makes of the output before that
                signal = function(*(before if one is tensor else one for one in args), **kwargs)
            self._settle(tensor, signal)
        elif given and name in POOLINGS:
            self.followed[id(result)] = (result, *self.followed[id(given[0])][1:])
        elif name in POSITION_BY_POSITION:
            self._follow(given, result)
        return result

    def _follow(self, given: list[Tensor], result: Tensor) -> None:
        """Carry on with `result` where it is position by position what was `given`."""
        found = [self.followed[id(tensor)] for tensor in given if id(tensor) in self.followed]
        if found and all(before is tensor and tensor.shape == result.shape for tensor, before, _ in found):
            self.followed[id(result)] = (result, result, set().union(*(places for _, _, places in found)))

    def _settle(self, tensor: Tensor, signal: Tensor | None = None) -> None:
        """What `tensor` carries is passed on as `signal`, or as it is; the first time counts."""
        if id(tensor) in self.followed:
            _, before, places = self.followed[id(tensor)]
            for place in places:
                self.settled.setdefault(place, before if signal is None else signal)
