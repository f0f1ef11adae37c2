"""Batch-norm in evaluation mode as a scale and a shift, and folded into the layer before it: its pass is spared."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from secateur.errors import SecateurError
from secateur.relevance.calls import trace
from secateur.relevance.operators import Convolution, Linear, Operator
from secateur.relevance.undisturbed import undisturbed
from secateur.relevance.vocabulary import arguments_of

PLAIN = Convolution((), (), (), transposed=False, output_padding=(), groups=1)
"""Of a convolution, as much as folding asks for: in which order its weight lies."""
LARGEST = 2**25
"""Numbers of folded weights that are kept between passes: 134 MB in float32; ResNet-50 has 23 million."""
NEAR = 1e-3  # of the largest output: rounding stays far below it, a wrong pair far above


def scale_and_shift(norm: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """The factor and the constant of each channel; `norm`: the arguments of `functional.batch_norm` by name."""
    mean, variance = norm["running_mean"].detach(), norm["running_var"].detach()
    factors = torch.rsqrt(variance + norm.get("eps", 1e-5))
    if norm.get("weight") is not None:
        factors = factors * norm["weight"].detach()
    shift = -mean * factors
    if norm.get("bias") is not None:
        shift = shift + norm["bias"].detach()
    return factors, shift


def folded(
    operator: Operator, weight: Tensor, bias: Tensor | None, norm: dict[str, Any] | None
) -> tuple[Tensor, Tensor | None]:
    """Weight and bias of a convolution or linear layer together with the batch-norm after it (None: without)."""
    weight, bias = weight.detach(), None if bias is None else bias.detach()
    if norm is None:
        return weight, bias
    factors, shift = scale_and_shift(norm)
    return operator.scaled(weight, factors), shift if bias is None else shift + factors * bias


class Fold(NamedTuple):
    """What was made of a call's parameters: from which tensors, in which state, and the result."""

    sources: list[Tensor]
    versions: list[int]
    parameters: tuple[Tensor, Tensor | None]


def kept(
    folds: dict[int, Fold],
    place: int,
    operator: Operator,
    weight: Tensor,
    bias: Tensor | None,
    norm: dict[str, Any] | None,
) -> tuple[Tensor, Tensor | None]:
    """`folded`, kept in `folds` under the call's place as long as the tensors that it is made of stay as they are.

    So that the way back and the next batch need not make it anew. `folds` holds LARGEST numbers at most; what goes
    beyond is made at every call. A change through `.data` is not seen.
    """
    if norm is None:
        return folded(operator, weight, bias, norm)
    sources = [value for value in (weight, bias, *norm.values()) if isinstance(value, Tensor)]
    if any(source.is_inference() for source in sources):  # these have no versions
        return folded(operator, weight, bias, norm)
    versions = [source._version for source in sources]
    fold = folds.get(place)
    if fold is not None and fold.versions == versions and list(map(id, fold.sources)) == list(map(id, sources)):
        return fold.parameters  # whose sources are kept, so that no other tensor can have got their ids
    parameters = folded(operator, weight, bias, norm)
    others = sum(other.parameters[0].numel() for key, other in folds.items() if key != place)
    if others + weight.numel() <= LARGEST:
        folds[place] = Fold(sources, versions, parameters)
    return parameters


def pairs(model: nn.Module, example: Tensor) -> dict[str, str]:
    """Each convolution or linear layer whose output a batch-norm alone reads -> that batch-norm.

    They hold for every network that is cut or trained from `model`. Transposed convolutions, modules whose weight is
    computed and modules that are called more than once in a pass are left out. The pairs are proved by a pass with them
    and one without, on a random input of `example`'s shape (samples × ...): a network that computes something else with
    them, or that cannot be traced, has none.
    """
    modules = dict(model.named_modules())
    if not any(hasattr(module, "running_mean") for module in modules.values()):
        return {}
    image = torch.rand(1, *example.shape[1:], generator=torch.Generator().manual_seed(0)).to(example)
    try:
        calls = trace(model, image).calls
    except SecateurError:
        return {}
    names = [call.layer for call in calls]
    found = {}
    for call in calls:
        if call.norm is None or getattr(call.operator, "transposed", False):
            continue
        norm = next(other.layer for other in calls if other.folded and other.own is call.norm)
        own = modules[call.layer]._parameters.get("weight") is call.weight
        own = own and modules[norm]._buffers.get("running_mean") is call.norm["running_mean"]
        if own and names.count(call.layer) == names.count(norm) == 1:
            found[call.layer] = norm
    with undisturbed(model), torch.no_grad():
        whole = model(image)
        with joined(model, found):
            difference = (model(image) - whole).abs().max()
    return found if bool(difference <= NEAR * whole.abs().max()) else {}


@contextlib.contextmanager
def joined(model: nn.Module, found: Mapping[str, str]) -> Iterator[None]:
    """In the block, `model` (in eval mode) computes each of its `pairs` as one layer; afterwards it is as before.

    Outputs differ by rounding. For passes without gradients: the layers' weights are plain tensors meanwhile.
    """
    layers = [(model.get_submodule(layer), model.get_submodule(norm)) for layer, norm in found.items()]
    before = [(layer, dict(layer._parameters)) for layer, _ in layers]
    try:
        for layer, norm in layers:
            operator: Any = Linear() if isinstance(layer, nn.Linear) else PLAIN
            arguments = {"eps": norm.eps, **norm._parameters, **norm._buffers}
            weight, bias = folded(operator, layer.weight, layer.bias, arguments)  # type: ignore[arg-type]
            layer._parameters.update({"weight": weight, "bias": bias})  # type: ignore[dict-item]
        with _Skipping({id(norm.running_mean) for _, norm in layers}):
            yield
    finally:
        for layer, parameters in before:
            layer._parameters.update(parameters)


class _Skipping(TorchFunctionMode):
    """Leaves the batch-norms out that have these running means, by the id of the tensor."""

    def __init__(self, means: set[int]) -> None:
        super().__init__()
        self.means = means

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        del types
        kwargs = kwargs or {}
        if func is functional.batch_norm:
            given = arguments_of(func, "batch_norm", args, kwargs)
            if id(given["running_mean"]) in self.means:
                return given["input"]
        return func(*args, **kwargs)
