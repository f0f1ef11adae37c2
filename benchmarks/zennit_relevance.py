"""The oracle: relevance of any convolutional network by zennit's rules, with nothing of Secateur's own engine in it.

zennit hooks modules, so a copy of the network is first brought into the form that it handles: each batch-norm is folded
into the convolution whose output it reads (found by watching one forward pass), or becomes a 1×1 depthwise convolution
where there is none. What a network computes outside modules (additions, pooling functions, gates, layer norms) zennit
cannot see; for these the few functions below hand down the relevance R itself, by the definition.
"""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from zennit.composites import LayerMapComposite
from zennit.rules import AlphaBeta, Epsilon, Flat, Gamma, Pass, ZBox, ZPlus

AFFINE = (nn.Conv2d, nn.Linear)


class _Divide(torch.autograd.Function):
    """y = f(x) for a linear f: R_x = x · fᵀ(R/y), and nothing from where y = 0."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
        with torch.enable_grad():
            ctx.inputs = inputs.detach().requires_grad_()
            ctx.outputs = function(ctx.inputs)
        return ctx.outputs.detach()

    @staticmethod
    def backward(ctx: Any, relevance: Tensor) -> tuple[Tensor, None]:
        quotient = torch.where(ctx.outputs == 0, 0, relevance / ctx.outputs)
        (gradient,) = torch.autograd.grad(ctx.outputs, ctx.inputs, quotient)
        return gradient * ctx.inputs.detach(), None


class _Add(torch.autograd.Function):
    """a + b: R_a = R a / (a + b)."""

    @staticmethod
    def forward(ctx: Any, first: Tensor, second: Tensor) -> Tensor:
        ctx.save_for_backward(first, second)
        return first + second

    @staticmethod
    def backward(ctx: Any, relevance: Tensor) -> tuple[Tensor, Tensor]:
        first, second = ctx.saved_tensors
        quotient = torch.where(first + second == 0, 0, relevance / (first + second))
        return first * quotient, second * quotient


class _Gate(torch.autograd.Function):
    """signal · gate: the signal gets all relevance."""

    @staticmethod
    def forward(ctx: Any, signal: Tensor, gate: Tensor) -> Tensor:
        ctx.gate = gate
        return signal * gate

    @staticmethod
    def backward(ctx: Any, relevance: Tensor) -> tuple[Tensor, Tensor]:
        return relevance, torch.zeros_like(ctx.gate)


class _Pass(torch.autograd.Function):
    """An element-wise activation called as a function."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, outputs: Tensor) -> Tensor:
        del ctx, inputs
        return outputs.clone()

    @staticmethod
    def backward(ctx: Any, relevance: Tensor) -> tuple[Tensor, None]:
        del ctx
        return relevance, None


class _Functions(TorchFunctionMode):
    """Hands relevance down through what zennit cannot hook."""

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "").strip("_")
        signals = [value for value in args if isinstance(value, Tensor) and value.requires_grad]
        if name in ("add", "iadd") and len(signals) == 2:
            return _Add.apply(*signals)
        if name in ("mul", "imul") and signals:
            first, second = (value if isinstance(value, Tensor) else torch.tensor(value) for value in args[:2])
            swap = first.numel() < second.numel() or not first.requires_grad
            return _Gate.apply(*((second, first) if swap else (first, second)))
        if not signals:
            return func(*args, **kwargs)
        if name in ("avg_pool2d", "adaptive_avg_pool2d", "mean"):
            return _Divide.apply(args[0], lambda inputs: func(inputs, *args[1:], **kwargs))
        if name in ("hardtanh", "relu6", "silu", "gelu", "hardswish"):
            return _Pass.apply(args[0], func(*args, **{**kwargs, "inplace": False} if "inplace" in kwargs else kwargs))
        if name == "layer_norm":
            return _Divide.apply(args[0], lambda inputs: _layer_norm(inputs, *args[1:], **kwargs))
        return func(*args, **kwargs)


def _layer_norm(inputs: Tensor, shape: Any, weight: Tensor, bias: Tensor, eps: float = 1e-5) -> Tensor:
    dims = tuple(range(-len(shape), 0))
    deviation = torch.sqrt(inputs.detach().var(dims, unbiased=False, keepdim=True) + eps)
    return (inputs - inputs.mean(dims, keepdim=True)) / deviation * weight + bias


def canonical(model: nn.Module, example: Tensor) -> nn.Module:
    """A copy of `model` in evaluation mode that computes the same without batch-norm modules or in-place functions."""
    model = copy.deepcopy(model).eval()
    makers: dict[int, tuple[Tensor, nn.Module]] = {}
    pairs: dict[nn.Module, nn.Module | None] = {}

    def watch(module: nn.Module, inputs: tuple, outputs: Any) -> None:
        if hasattr(module, "running_mean"):
            pairs[module] = makers.get(id(inputs[0]), (None, None))[1]
        elif isinstance(module, AFFINE):
            makers[id(outputs)] = (outputs, module)

    for module in model.modules():
        if hasattr(module, "inplace"):
            module.inplace = False
    hooks = [module.register_forward_hook(watch) for module in model.modules()]
    with torch.no_grad():
        model(example)
    for hook in hooks:
        hook.remove()
    for name, module in list(model.named_modules()):
        if module in pairs:
            _replace(model, name, module, pairs[module])
    return model


def _replace(model: nn.Module, name: str, norm: Any, layer: Any) -> None:
    scale = norm.weight.detach() / torch.sqrt(norm.running_var + norm.eps)
    shift = norm.bias.detach() - norm.running_mean * scale
    activation = getattr(norm, "act", nn.Identity())  # timm puts the activation into the batch-norm's module
    if layer is None:
        layer = nn.Conv2d(len(scale), len(scale), 1, groups=len(scale)).to(scale)
        layer.weight.data, layer.bias.data = scale.reshape(-1, 1, 1, 1).clone(), shift
        stand_in: nn.Module = nn.Sequential(layer, activation)
    else:
        layer.weight.data = layer.weight.data * scale.reshape(-1, *[1] * (layer.weight.dim() - 1))
        layer.bias = nn.Parameter(shift if layer.bias is None else shift + scale * layer.bias.detach())
        stand_in = activation
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, stand_in)


def zennit_rule(name: str, bias: str) -> Any:
    """zennit's hook for a rule of Secateur's, biases alike."""
    zero = None if bias == "absorb" else "bias"
    return {
        "epsilon": lambda: Epsilon(zero_params=zero),
        "zplus": lambda: ZPlus(zero_params=zero),
        "alpha2beta1": lambda: AlphaBeta(2, 1, zero_params=zero),
        "gamma": lambda: Gamma(zero_params=zero),
        "flat": Flat,
        "zbox": lambda: ZBox(-3.0, 3.0),
    }[name]()


def relevance(
    model: nn.Module,
    inputs: Tensor,
    labels: Tensor,
    convolution: str,
    linear: str,
    bias: str = "absorb",
    first: str | None = None,
) -> tuple[dict[str, Tensor], Tensor]:
    """Relevance at the output of each convolution and linear layer, and at the input, from 1 at the true class.

    `convolution`, `linear`: rules by layer type; `first`: the rule of the first convolution, if another.
    """
    model = canonical(model, inputs[:1])
    affine = [module for module in model.modules() if isinstance(module, AFFINE)]
    leaves = [module for module in model.modules() if not list(module.children())]
    smooth = tuple({type(module) for module in leaves if _smooth(module)})
    layer_map: list[Any] = [(nn.Conv2d, zennit_rule(convolution, bias)), (nn.Linear, zennit_rule(linear, bias))]
    composite = LayerMapComposite([*layer_map, (smooth, Pass())] if smooth else layer_map)
    if first is not None:
        opening = zennit_rule(first, bias)
        chosen = composite.module_map
        composite.module_map = lambda ctx, name, module: opening if module is affine[0] else chosen(ctx, name, module)
    found: dict[str, Tensor] = {}

    def keep(name: str) -> Callable:
        def hook(module: nn.Module, given: tuple, outputs: Tensor) -> None:
            del module, given
            outputs.retain_grad()
            found[name] = outputs

        return hook

    inputs = inputs.clone().requires_grad_()
    with composite.context(model) as hooked:
        handles = [
            module.register_forward_hook(keep(name))
            for name, module in model.named_modules()
            if isinstance(module, AFFINE)
        ]
        with _Functions():
            logits = hooked(inputs)
        logits.backward(nn.functional.one_hot(labels, logits.shape[1]).to(logits))
        for handle in handles:
            handle.remove()
    assert inputs.grad is not None
    return {name: torch.zeros_like(o) if o.grad is None else o.grad for name, o in found.items()}, inputs.grad


def _smooth(module: nn.Module) -> bool:
    return type(module).__name__ in (
        "ReLU",
        "ReLU6",
        "SiLU",
        "GELU",
        "Hardswish",
        "GELUTanh",
        "Swish",
        "HardSwish",
        "Mish",
    )
