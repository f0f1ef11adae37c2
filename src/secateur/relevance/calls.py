"""One small forward pass that finds the layers, the batch-norms that belong to them, and the additions of a network."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from secateur.errors import SecateurError
from secateur.relevance.interception import Interception
from secateur.relevance.operators import Linear, Operator, Scale, convolution_operator
from secateur.relevance.undisturbed import undisturbed
from secateur.relevance.vocabulary import SUMS


@dataclass
class Call:
    """One affine call of the forward pass, or attention; `layer` is the module that owns the weight or made the call.

    `kind`: "convolution", "linear", "normalisation", "attention" (a softmax, or fused attention), or "constant" where
    the input does not depend on the network's.
    `weight`, `bias`: as the call got them, which need not be parameters (weight standardisation, masks). `norm`: the
    arguments of the batch-norm folded into it. `folded`: it is such a batch-norm itself, and computes nothing.
    """

    kind: str
    layer: str
    operator: Operator
    shape: tuple[int, ...]
    weight: Tensor | None = None
    bias: Tensor | None = None
    norm: dict[str, Any] | None = None
    folded: bool = False
    own: dict[str, Any] = field(default_factory=dict)


@dataclass
class Plan:
    """What a pass has to know beforehand: affine calls and attention in order; whether signals are added.

    `folds`: what passes keep of it, the folded parameters of calls by their places (see `folding.kept`).
    """

    calls: list[Call]
    has_additions: bool
    modules: dict[int, str]
    folds: dict[int, Any] = field(default_factory=dict)

    def of_layer(self, layer: str) -> list[int]:
        """Places of the calls of one layer's convolution or linear map."""
        return [
            i for i, call in enumerate(self.calls) if call.layer == layer and call.kind in ("convolution", "linear")
        ]


class _Tracer(Interception):
    def __init__(self, model: nn.Module) -> None:
        modules = {id(module): name for name, module in model.named_modules()}
        super().__init__(modules)
        self.owners: dict[int, list[str]] = {}
        for name, module in model.named_modules():
            if isinstance(weight := module._parameters.get("weight"), nn.Parameter):
                self.owners.setdefault(id(weight), []).append(name)
        self.plan = Plan([], False, modules)
        self.makers: dict[int, tuple[Tensor, int]] = {}
        self.uses: dict[int, int] = {}

    def handle(self, function: Any, name: str, args: tuple, kwargs: dict) -> Any:
        signals = [t for t in self.tensors((args, kwargs)) if t.requires_grad]
        for tensor in signals:
            if id(tensor) in self.makers:  # which keeps the tensor, so that no other can get its id
                self.uses[id(tensor)] = self.uses.get(id(tensor), 0) + 1
        if name in SUMS and len(signals) == 2:
            self.plan.has_additions = True
        return function(*args, **kwargs)

    def affine(self, kind: str, arguments: dict, function: Any, args: tuple, kwargs: dict) -> Tensor:
        layer, _ = self.where()
        owners = self.owners.get(id(arguments.get("weight")), [layer])
        if kind != "normalisation" and layer not in owners:  # as where attention calls its projection's weight itself
            layer = owners[0]
        inputs = arguments["input"]
        if not inputs.requires_grad:  # a weight that is standardised or computed, say: no layer of the network
            self.plan.calls.append(Call("constant", layer, Scale(), _shape(arguments)))
            return function(*args, **kwargs)
        index = len(self.plan.calls)
        outputs = self.handle(function, "", args, kwargs)
        operator: Operator = Scale()
        if kind == "convolution":
            operator = convolution_operator(function.__name__, arguments)
        elif kind == "linear":
            operator = Linear()
        call = Call(kind, layer, operator, _shape(arguments))
        if kind != "normalisation":
            call.weight, call.bias = arguments["weight"], arguments.get("bias")
        if kind == "normalisation":
            call.own = {key: value for key, value in arguments.items() if key != "input"}
            if call.own.get("running_mean") is None or call.own.get("training"):
                raise SecateurError(
                    f"In {self.here()}: batch statistics are used in evaluation mode: signals depend on the batch. "
                    "Give batch-norm layers with running statistics."
                )
        self.plan.calls.append(call)
        _, maker = self.makers.get(id(inputs), (None, -1))
        if kind == "normalisation" and maker >= 0:
            producer = self.plan.calls[maker]
            # Linear layers on tokens have their channels last; a batch-norm on dimension 1 is then not theirs.
            fits = producer.kind == "convolution" or inputs.dim() == 2
            if fits and producer.kind != "normalisation" and producer.norm is None:
                producer.norm, call.folded = call.own, True
        self.makers[id(outputs)] = (outputs, index)
        return outputs

    def attention(self, function: Any, name: str, args: tuple, kwargs: dict) -> Tensor:
        self.plan.calls.append(Call("attention", self.where()[0], Scale(), ()))
        return self.handle(function, name, args, kwargs)  # type: ignore[no-any-return]

    def finish(self) -> Plan:
        """Undo the folds whose convolution's output is used by something else as well."""
        for tensor, index in self.makers.values():
            call = self.plan.calls[index]
            if call.norm is not None and self.uses.get(id(tensor), 0) > 1:
                partner = next(other for other in self.plan.calls if other.folded and other.own is call.norm)
                partner.folded, call.norm = False, None
        return self.plan


def _shape(arguments: dict[str, Any]) -> tuple[int, ...]:
    weight = arguments.get("weight")
    return () if weight is None else tuple(weight.shape)


def trace(model: nn.Module, example: Tensor) -> Plan:
    """The plan of a network, from one forward pass of `example` (1 × the network's input) in evaluation mode.

    Raises SecateurError for scripted networks, batch statistics in evaluation mode and random layers.
    """
    if any(isinstance(module, torch.jit.ScriptModule) for module in model.modules()):
        raise SecateurError(
            "The network is a compiled TorchScript module, which hides its layers. Give the nn.Module itself."
        )
    tracer = _Tracer(model)
    with undisturbed(model), torch.inference_mode(False), torch.enable_grad():
        inputs = example.detach().clone().requires_grad_()
        tracer.result(model, inputs.clone())
        return tracer.finish()
