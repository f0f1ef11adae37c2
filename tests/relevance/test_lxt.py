"""Relevance through attention as by lxt 2.1, the implementation of AttnLRP's authors, function by function.

Its explicit mode (`lxt.explicit`) has a function for every rule of the paper. Here they take the places of PyTorch's in
an untouched network, with constants and biases, so that nothing of Secateur's engine takes part. It lies apart from the
environment (`make lxt-test` installs it), since it asks for packages of language models that no part of this uses.
"""

import os
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from attention_networks import fused, image_size, network
from tests.tiers import rows
from torch import nn
from torch.overrides import TorchFunctionMode

from secateur.config import REPOSITORY
from secateur.models.unpacked import unpacked
from secateur.ranking.network import Network

PLACES = [REPOSITORY / ".venv" / "lxt", *map(Path, filter(None, [os.environ.get("SECATEUR_LXT")]))]
sys.path.extend(str(place) for place in PLACES if place.is_dir())
lf = pytest.importorskip("lxt.explicit.functional", reason="lxt is not installed (make lxt-test)")
rules = pytest.importorskip("lxt.explicit.rules")
EPSILON = 1e-14
FAMILIES = ("vit", "deit3", "deit_distilled", "beit", "swin", "swinv2", "xcit", "eva02")
ONE_TO_ONE = ("gelu", "silu", "neg")


class ByLxt(TorchFunctionMode):
    """Within this context PyTorch's functions hand down relevance, as lxt defines it, in place of gradients."""

    def __init__(self, rule: str) -> None:
        super().__init__()
        self._rule = rule

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = function.__name__.strip("_")
        signals = [value for value in args if isinstance(value, torch.Tensor) and value.requires_grad]
        if not signals:
            return function(*args, **kwargs)
        if name == "batch_norm":
            return rules.epsilon_lrp(lambda x: scaled(x, *args[1:], **kwargs), EPSILON, args[0])
        if name == "conv2d":  # of one signal, with all else held
            return rules.epsilon_lrp(lambda x: function(x, *args[1:], **kwargs), EPSILON, args[0])
        if name == "linear":
            return lf.linear_epsilon(*args, **kwargs, epsilon=EPSILON)
        if name in ("matmul", "bmm"):
            both = len(signals) == 2
            return lf.matmul(*args, epsilon=EPSILON) if both else rules.epsilon_lrp(torch.matmul, EPSILON, *args)
        if name == "softmax":
            dim = kwargs["dim"] if "dim" in kwargs else args[1]
            return lf.softmax(args[0], dim) if self._rule == "attnlrp" else function(*args, **kwargs).detach()
        if name == "layer_norm":
            return normed(*args, **kwargs)
        if name == "normalize":
            return lf.normalize(args[0], **{"p": 2.0, "eps": 1e-12} | kwargs)
        if name in ONE_TO_ONE:
            return rules.identity(function, args[0])
        if name in ("add", "radd", "iadd"):
            return lf.add2(*args, epsilon=EPSILON)
        if name in ("div", "truediv"):  # by a number
            return lf.mul2(args[0], 1 / args[1])
        if name in ("mul", "rmul", "imul"):
            return lf.mul2(*args)
        if name == "mean":
            return rules.epsilon_lrp(lambda x: function(x, *args[1:], **kwargs), EPSILON, args[0])
        return function(*args, **kwargs)


def normed(x: torch.Tensor, shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> torch.Tensor:
    assert len(shape) == 1
    return lf.layer_norm_grad_fn.apply(x, weight, bias, eps, EPSILON)


def scaled(x: torch.Tensor, mean: Any, variance: Any, weight: Any, bias: Any, eps: float, **_: Any) -> torch.Tensor:
    factor = weight / (variance + eps).sqrt()
    return x * factor[:, None, None] + (bias - mean * factor)[:, None, None]


def by_lxt(model: nn.Module, image: torch.Tensor, rule: str) -> torch.Tensor:
    """Relevance of the input for the second class's output, which begins at 1."""
    seen = image.clone().requires_grad_()
    with ByLxt(rule):
        output = fused(model, False).requires_grad_(False)(seen)[0, 1]
    output.backward()
    assert seen.grad is not None
    return seen.grad


def ours(model: nn.Module, image: torch.Tensor, rule: str) -> torch.Tensor:
    layers = [name for name, module in model.named_modules() if isinstance(module, nn.Conv2d)][:1]
    view = Network(model, layers, image, torch.tensor([1]))
    (found,) = view.input_relevance({"default": {"rule": "epsilon", "epsilon": EPSILON}, "attention": rule})
    return found


def distance(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).abs().max() / expected.abs().max())


@pytest.mark.parametrize("rule", ["cp", "attnlrp"])
@pytest.mark.parametrize("family", rows(FAMILIES, ["vit", "swin"]))
def test_every_family_as_by_lxt(family: str, rule: str) -> None:
    model, size = network(family), image_size(family)
    image = torch.rand(1, 3, size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    expected = by_lxt(model, image, rule)
    for way in (False, True):
        assert distance(ours(fused(model, way), image, rule), expected) < 1e-8
    other = "cp" if rule == "attnlrp" else "attnlrp"
    assert distance(ours(model, image, other), expected) > 1e-3  # the oracle tells the rules apart


def test_packed_attention_as_by_lxt() -> None:
    from torchvision.models.vision_transformer import VisionTransformer

    torch.manual_seed(0)
    model = unpacked(VisionTransformer(32, 8, 2, 3, 24, 48, num_classes=3)).double().eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, 0.1, 0.3)
    image = torch.rand(1, 3, 32, 32, dtype=torch.float64)
    for rule in ("cp", "attnlrp"):
        assert distance(ours(model, image, rule), by_lxt(model, image, rule)) < 1e-8


def test_the_functions_in_the_places_of_pytorch_s_change_no_output() -> None:
    model = fused(network("vit"), False)
    image = torch.rand(1, 3, 32, 32, dtype=torch.float64)
    with ByLxt("attnlrp"):
        replaced = model.requires_grad_(False)(image.clone().requires_grad_())
    assert torch.allclose(replaced, model(image), rtol=0, atol=1e-12)
