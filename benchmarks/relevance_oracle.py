"""Compares Secateur's relevance with zennit's, architecture by architecture and rule by rule, and prints the table.

python benchmarks/relevance_oracle.py [--quick] [--write]
"""

import argparse
import itertools
import platform
import sys
from importlib.metadata import version
from pathlib import Path

import timm
import torch
import torchvision
import zennit_relevance
from torch import Tensor, nn

from secateur.files import write_text
from secateur.ranking.network import Network

PAGE = Path(__file__).parent.parent / "docs" / "relevance.md"
# name: input size in pixels
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
        layers = [part for a, b in itertools.pairwise(widths) for part in (nn.Linear(a, b), nn.ReLU())]
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
        elif getattr(module, "bias", None) is not None:  # zero after initialisation: no test of how biases are treated
            nn.init.normal_(module.bias, 0, 0.05, generator=generator)
    return model.eval()


def samples(name: str, count: int = 2) -> tuple[Tensor, Tensor]:
    """Random images of the architecture's size here, and labels."""
    size = ARCHITECTURES[name]
    generator = torch.Generator().manual_seed(2)
    return torch.randn(count, 3, size, size, generator=generator), torch.arange(count)


def largest_difference(name: str, rule: str, dtype: torch.dtype) -> float:
    """Largest difference between Secateur's and zennit's unit scores, relative to the largest score of the layer."""
    ours, theirs = unit_scores(name, rule, dtype)
    return _difference(ours, theirs)


def difference_from_exact(name: str, rule: str) -> tuple[float, float]:
    """How far Secateur's and zennit's float32 scores are each from their own float64 scores, relative as above."""
    exact, single = unit_scores(name, rule, torch.float64), unit_scores(name, rule, torch.float32)
    return _difference(single[0], exact[0]), _difference(single[1], exact[1])


def unit_scores(name: str, rule: str, dtype: torch.dtype) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Relevance of every channel of every layer, summed over positions and samples: by Secateur and by zennit."""
    model, (inputs, labels) = network(name).to(dtype), samples(name)
    convolution, linear, bias = RULES[rule]
    theirs, _ = zennit_relevance.relevance(model, inputs.to(dtype), labels, convolution, linear, bias)
    layers = [layer for layer, module in model.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    seen = Network(model, layers, inputs, labels)
    (ours,) = seen.relevance({"default": convolution, "linear": linear}, bias=bias)
    return (
        {layer: ours[layer].double().sum((0, 2)) for layer in layers},
        {layer: _by_channel(theirs[layer], isinstance(model.get_submodule(layer), nn.Linear)) for layer in layers},
    )


def _difference(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> float:
    worst = 0.0
    for layer, expected in theirs.items():
        if not torch.isfinite(ours[layer]).all() or not torch.isfinite(expected).all():
            return float("nan")
        largest, scale = float((ours[layer] - expected).abs().max()), float(expected.abs().max())
        # A layer without any relevance (in a gate) has to have none in both.
        worst = max(worst, largest / scale if scale > 0 else float("inf") if largest > 0 else 0.0)
    return worst


def _by_channel(relevance: Tensor, linear: bool) -> Tensor:
    relevance = relevance.double()
    return relevance.flatten(0, -2).sum(0) if linear else relevance.transpose(0, 1).flatten(1).sum(1)


def table(architectures: list[str]) -> str:
    """The table as Markdown: one row an architecture, one column a rule, float64 and (in brackets) float32."""
    lines = ["| network | input | " + " | ".join(RULES) + " |", "|---|---|" + "---|" * len(RULES)]
    for name in architectures:
        cells = []
        for rule in RULES:
            exact, single = unit_scores(name, rule, torch.float64), unit_scores(name, rule, torch.float32)
            double, ours = _difference(*exact), _difference(single[0], exact[0])
            theirs = _difference(single[1], exact[1])
            cells.append(f"{double:.0e} ({ours:.0e}, {theirs:.0e})")
        lines.append(f"| {name} | {ARCHITECTURES[name]} px | " + " | ".join(cells) + " |")
        print(lines[-1], file=sys.stderr, flush=True)
    return "\n".join(lines) + f"\n\n{versions()}"


def versions() -> str:
    """The versions that a table was made with."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "timm", "torchvision", "zennit"))
    return f"Python {platform.python_version()}, {packages}; random weights, two samples, one thread."


def write(page: Path, mark: str, text: str) -> None:
    """Put `text` between the comments `<!-- mark -->` and `<!-- /mark -->` of a page."""
    before, _, rest = page.read_text(encoding="utf-8").partition(f"<!-- {mark} -->")
    _, closing, after = rest.partition(f"<!-- /{mark} -->")
    if not closing:
        raise SystemExit(f"{page}: the comments <!-- {mark} --> and <!-- /{mark} --> are missing. Put them back.")
    write_text(page, f"{before}<!-- {mark} -->\n{text}\n{closing}{after}")


def main() -> None:
    """Print the table, and with --write put it into docs/relevance.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three small architectures only")
    parser.add_argument("--write", action="store_true", help=f"write the table into {PAGE.name}")
    given = parser.parse_args()
    torch.set_num_threads(1)
    text = table(["mlp", "squeezenet1_1", "resnet18"] if given.quick else list(ARCHITECTURES))
    print(text)
    if given.write:
        write(PAGE, "oracle", text)


if __name__ == "__main__":
    main()
