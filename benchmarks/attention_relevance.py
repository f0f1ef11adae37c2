"""Measures relevance through attention: where it goes, how it grows with depth, and what it costs.

python benchmarks/attention_relevance.py [--write]
"""

import argparse
import importlib.util
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import timm
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional

from secateur.files import write_text
from secateur.models.profiling import peak_bytes
from secateur.ranking.network import Network

PAGE = Path(__file__).parent.parent / "docs" / "relevance.md"
RULES = {
    "ε, `cp`": "cp-lrp",
    "ε, `attnlrp`": "attnlrp",
    "γ, `attnlrp`": {"default": "gamma", "attention": "attnlrp"},
    "z⁺, `cp`": "zplus",
}
KINDS = ("bias", "stabiliser", "normalisation", "constant", "attention", "other", "input")
DEPTHS = (2, 6, 12, 24)
SAMPLES, BATCH, REPEATS = 4, 10, 3
LEARNT, SEEN, STEPS, RATE = 1500, 64, 300, 1e-3
"""Digits that a network is trained on (the rest is kept apart), images a step, steps, Adam's highest rate."""


def vit(depth: int, gain: float = 1.0, width: int = 96, heads: int = 3, size: int = 64) -> nn.Module:
    """A ViT with random weights of deviation `gain`/√inputs and random biases, float64, at patches of 16 px."""
    torch.manual_seed(0)
    arguments = {"img_size": size, "embed_dim": width, "depth": depth, "num_heads": heads, "num_classes": 10}
    model: nn.Module = timm.create_model("vit_tiny_patch16_224", **arguments)
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            nn.init.normal_(parameter, 0, 0.05)
        elif parameter.dim() == 2:
            nn.init.normal_(parameter, 0, gain * parameter.shape[1] ** -0.5)
    return model.double().eval()


def ledgers() -> list[str]:
    """Share of what the pass started from that each kind keeps, and the sum of |R| that arrives, by rule."""
    rows = [f"| rule | {' | '.join(KINDS)} | Σ\\|R\\| at the input |", "|---|" + "---:|" * (len(KINDS) + 1)]
    model, images = vit(12), torch.rand(SAMPLES, 3, 64, 64, dtype=torch.float64)
    for name, rule in RULES.items():
        network = Network(model, ["blocks.0.attn.qkv"], images, torch.arange(SAMPLES) % 10)
        kept = dict.fromkeys(KINDS, 0.0)
        for share in network.ledger(rule):
            kept[share.kind] += share.relevance / SAMPLES
        size = sum(float(batch.abs().sum()) for batch in network.input_relevance(rule)) / SAMPLES
        rows.append(f"| {name} | {' | '.join(f'{kept[kind]:+.3g}' for kind in KINDS)} | {size:.2g} |")
    return rows


def growth(models: list[nn.Module], images: Tensor, labels: Tensor) -> list[str]:
    """Σ|R| at the input for a start of 1, by rule and network, one for each depth: what cancels makes it exceed 1."""
    rows = [f"| rule | {' | '.join(f'{depth} blocks' for depth in DEPTHS)} |", "|---|" + "---:|" * len(DEPTHS)]
    for name, rule in RULES.items():
        cells = []
        for model in models:
            network = Network(model, ["blocks.0.attn.qkv"], images, labels)
            sizes = torch.cat([batch.abs().flatten(1).sum(1) for batch in network.input_relevance(rule)])
            cells.append(f"{float(sizes.median()):.2g} ({float(sizes.max()):.2g})")
        rows.append(f"| {name} | {' | '.join(cells)} |")
    return rows


def digits() -> tuple[Tensor, Tensor]:
    """scikit-learn's handwritten digits, 64 px and three channels, float64 in 0 to 1, in one drawn order."""
    given = load_digits()
    order = torch.randperm(len(given.target), generator=torch.Generator().manual_seed(0))
    images = torch.from_numpy(given.images[order.numpy()] / 16).unsqueeze(1)
    return functional.interpolate(images, 64, mode="bilinear").repeat(1, 3, 1, 1), torch.from_numpy(given.target)[order]


def trained(depth: int) -> tuple[nn.Module, float]:
    """A ViT (`vit`, but with timm's initial weights) trained on digits, float64, and its accuracy on the others."""
    images, labels = digits()
    torch.manual_seed(0)
    model: nn.Module = timm.create_model(
        "vit_tiny_patch16_224", img_size=64, embed_dim=96, depth=depth, num_heads=3, num_classes=10
    )
    optimizer = torch.optim.AdamW(model.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, STEPS)
    for _ in range(STEPS):
        chosen = torch.randint(LEARNT, (SEEN,))
        functional.cross_entropy(model(images[chosen].float()), labels[chosen]).backward()
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
    model = model.double().eval().requires_grad_(False)
    return model, float((model(images[LEARNT:]).argmax(1) == labels[LEARNT:]).double().mean())


def others(model: nn.Module, images: Tensor, labels: Tensor) -> dict[str, Callable[[], object]]:
    """The same passes by autolrp, where it is installed."""
    if importlib.util.find_spec("autolrp") is None:
        return {}
    import autolrp

    def by(preset: dict[str, object]) -> None:
        outputs = model(autolrp.tensor(images.clone())).gather(1, labels.unsqueeze(1))
        outputs.sum().lrp(config=autolrp.LRPConfig(rule={**autolrp.BASE, **preset}, eps=1e-6))

    return {"autolrp, CP": lambda: by(autolrp.CPLRP), "autolrp, AttnLRP": lambda: by(autolrp.ATTNLRP)}


def costs() -> list[str]:
    """Processor seconds of one pass over ViT-S/16 at 224 px beside the gradient's, and the most memory in use."""
    torch.manual_seed(0)
    model = timm.create_model("vit_small_patch16_224", num_classes=10).eval().requires_grad_(False)
    images, labels = torch.rand(BATCH, 3, 224, 224), torch.arange(BATCH)
    network = Network(model, ["blocks.0.attn.qkv"], images, labels, batch_size=BATCH)
    passes: dict[str, Callable[[], object]] = {
        "gradient": lambda: list(network.gradients()),
        "ε, `cp`": lambda: list(network.relevance("cp-lrp")),
        "ε, `attnlrp`": lambda: list(network.relevance("attnlrp")),
    } | others(model, images, labels)
    seconds: dict[str, list[float]] = {name: [] for name in passes}
    for _ in range(REPEATS):
        for name, run in passes.items():
            start = time.process_time()
            run()
            seconds[name].append(time.process_time() - start)
    middle = {name: statistics.median(taken) for name, taken in seconds.items()}
    most = {name: peak_bytes(run, torch.device("cpu")) for name, run in passes.items()}
    rows = ["| pass | seconds | ÷ gradient | peak MB | peak ÷ gradient |", "|---|---:|---:|---:|---:|"]
    return rows + [
        f"| {name} | {took:.2f} | {took / middle['gradient']:.2f} | "
        f"{most[name] / 1e6:.0f} | {most[name] / most['gradient']:.2f} |"
        for name, took in middle.items()
    ]


def text() -> str:
    """The tables with what they show."""
    images, labels = torch.rand(SAMPLES, 3, 64, 64, dtype=torch.float64), torch.arange(SAMPLES) % 10
    unseen, classes = (part[LEARNT:] for part in digits())
    models, accuracies = zip(*(trained(depth) for depth in DEPTHS), strict=True)
    parts = [
        "Kept by each kind, as a share of the start, ViT of 12 blocks (96 channels, 3 heads, 64 px), random weights:",
        "\n".join(ledgers()),
        "Σ|R| at the input for a start of 1, median (largest) over samples, by depth; weights of deviation 1/√inputs:",
        "\n".join(growth([vit(depth, 1) for depth in DEPTHS], images, labels)),
        "The same with weights of deviation 2/√inputs, which makes attention sharp:",
        "\n".join(growth([vit(depth, 2) for depth in DEPTHS], images, labels)),
        f"The same of trained networks, over {len(classes)} handwritten digits that they have not seen "
        f"({STEPS} steps on {LEARNT:,} others; accuracy {', '.join(f'{accuracy:.2f}' for accuracy in accuracies)}):",
        "\n".join(growth(list(models), unseen, classes)),
        "Cost on ViT-S/16 at 224 px, batch 10, float32, one thread:",
        "\n".join(costs()),
        f"`python benchmarks/attention_relevance.py --write`; {SAMPLES} random images, but where digits are named; "
        f"{platform.processor() or platform.machine()}, torch {torch.__version__}, timm {timm.__version__}.",
    ]
    return "\n\n".join(parts)


def write(found: str) -> None:
    """Put the tables between their marks in docs/relevance.md."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition("<!-- attention -->\n")
    _, _, after = rest.partition("<!-- /attention -->")
    write_text(PAGE, f"{before}<!-- attention -->\n{found}\n<!-- /attention -->{after}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the tables into docs/relevance.md")
    options = parser.parse_args()
    torch.set_num_threads(1)
    result = text()
    print(result)
    if options.write:
        write(result)
