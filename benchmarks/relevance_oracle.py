"""Compares Secateur's relevance with zennit's, architecture by architecture and rule by rule, and prints the table.

    python benchmarks/relevance_oracle.py [--quick] [--write]
"""

import argparse
import platform
import sys
from importlib.metadata import version
from pathlib import Path

import timm
import torch
import torchvision
import zennit_relevance
from torch import Tensor, nn

from secateur.ranking.network import Network

PAGE = Path(__file__).parent.parent / "docs" / "relevance.md"
# name: (where it comes from, input size, largest share of a layer's relevance that is compared)
ARCHITECTURES = {
    "mlp": 8,
    "alexnet": 64,
    "vgg16": 32,
    "vgg16_bn": 32,
    "resnet18": 64,
    "resnet50": 64,
    "densenet121": 64,
    "mobilenetv2_100": 64,
    "mobilenetv3_large_100": 64,
    "efficientnet_b0": 64,
    "regnetx_002": 64,
    "convnext_atto": 64,
    "inception_v3": 96,
    "squeezenet1_1": 64,
}
# rule: (convolutions, linear layers, biases)
RULES = {
    "zplus": ("zplus", "zplus", "ignore"),
    "zplus, biases absorb": ("zplus", "zplus", "absorb"),
    "epsilon": ("epsilon", "epsilon", "absorb"),
    "alpha2beta1": ("alpha2beta1", "alpha2beta1", "ignore"),
    "gamma": ("gamma", "gamma", "absorb"),
    "epsilon-plus": ("zplus", "epsilon", "absorb"),
    "epsilon-alpha2beta1": ("alpha2beta1", "epsilon", "absorb"),
}


def network(name: str, classes: int = 10) -> nn.Module:
    """An architecture with random weights and batch-norms that do something, in evaluation mode, small at its head."""
    torch.manual_seed(0)
    size = ARCHITECTURES[name]
    if name == "mlp":
        widths = (3 * size * size, 40, 30, 20)
        layers = [part for a, b in zip(widths, widths[1:], strict=False) for part in (nn.Linear(a, b), nn.ReLU())]
        model: nn.Module = nn.Sequential(nn.Flatten(), *layers, nn.Linear(widths[-1], classes))
    elif name in ("vgg16", "vgg16_bn"):
        model = torchvision.models.get_model(name, num_classes=classes)
        # The first linear layer of the original, 25088 × 4096, only costs memory here.
        model.avgpool = nn.AdaptiveAvgPool2d(1)
        model.classifier = nn.Sequential(nn.Linear(512, 64), nn.ReLU(inplace=True), nn.Linear(64, classes))
    elif name in ("alexnet", "squeezenet1_1"):
        model = torchvision.models.get_model(name, num_classes=classes)
    else:
        model = timm.create_model(name, num_classes=classes)
    generator = torch.Generator().manual_seed(1)
    for module in model.modules():
        if getattr(module, "running_mean", None) is not None:
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
            nn.init.uniform_(module.weight, 0.5, 1.5, generator=generator)
            nn.init.normal_(module.bias, 0, 0.1, generator=generator)
    return model.eval()


def samples(name: str, count: int = 2) -> tuple[Tensor, Tensor]:
    """Random images of the architecture's size here, and labels."""
    size = ARCHITECTURES[name]
    generator = torch.Generator().manual_seed(2)
    return torch.randn(count, 3, size, size, generator=generator), torch.arange(count)


def largest_difference(name: str, rule: str, dtype: torch.dtype) -> float:
    """Largest difference of two unit scores, relative to the largest score of their layer, over all layers."""
    model, (inputs, labels) = network(name).to(dtype), samples(name)
    convolution, linear, bias = RULES[rule]
    expected, _ = zennit_relevance.relevance(model, inputs.to(dtype), labels, convolution, linear, bias)
    layers = [layer for layer, module in model.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    seen = Network(model, layers, inputs, labels)
    composite = {"default": convolution, "linear": linear}
    (found,) = seen.relevance(composite, bias=bias)
    worst = 0.0
    for layer in layers:
        theirs = _unit_scores(expected[layer], isinstance(model.get_submodule(layer), nn.Linear))
        ours = found[layer].double().sum((0, 2))
        if not torch.isfinite(ours).all() or not torch.isfinite(theirs).all():
            return float("nan")
        scale = theirs.abs().max()
        if scale > 0:
            worst = max(worst, float((ours - theirs).abs().max() / scale))
        elif ours.abs().max() > 0:
            return float("inf")
    return worst


def _unit_scores(relevance: Tensor, linear: bool) -> Tensor:
    relevance = relevance.double()
    return relevance.flatten(0, -2).sum(0) if linear else relevance.transpose(0, 1).flatten(1).sum(1)
