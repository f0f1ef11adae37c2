"""Passes of five networks beside the machine's matrix products, their own convolutions and plain PyTorch, in turns.

Everything is timed in one process, one pass of each kind after the other, by the processor's time of one thread. A
ratio is the median over the repeats of the quotient of two neighbours in time, so that what else runs hits both alike.
`python benchmarks/page.py --only networks` writes the section.
"""

import copy
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import timm
import torch
from criteria import SIGNED, convolutions
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode
from zennit_relevance import canonical

from secateur.errors import SecateurError
from secateur.models import memory_format
from secateur.models.evaluation import logits
from secateur.ranking.network import Network
from secateur.relevance import folding

SLIM = "the demo's slim ResNet-18"
NETWORKS = {
    SLIM: ("resnet18", {"channels": (16, 32, 64, 128)}, 32, 128),
    "ResNet-18": ("resnet18", {}, 64, 32),
    "VGG-11-BN": ("vgg11_bn", {}, 64, 16),
    "MobileNetV2": ("mobilenetv2_100", {}, 64, 32),
    "ViT-Tiny": ("vit_tiny_patch16_224", {"img_size": 64}, 64, 64),
}
"""Name → architecture, its arguments, pixels of an image's side, images of a batch."""
FORMS = {"contiguous": torch.contiguous_format, "channels last": torch.channels_last}
PRODUCTS = {"evaluation": 1, "training step": 3, "gradient": 2, "ε": 2, "z⁺": 3}
"""Pass → how many times the forward pass's multiplications it needs."""
SIDE, BATCHES, ROUNDS = 1024, 4, 3
"""Of the matrix product; batches of one evaluation, which folds once for all of them; repeats of everything."""


@dataclass(frozen=True)
class Row:
    """One pass of one network; ratios are above 1 where ours is faster.

    `bound` is ours ÷ its convolutions and matrix products alone, `floor` ours ÷ what PyTorch's own gradient pass of the
    network with its batch-norms folded takes, with the products that z⁺ needs beyond it.
    """

    network: str
    kind: str
    seconds: float
    share: float
    contiguous: float | None
    last: float | None
    bound: float | None
    floor: float | None = None
    refused: str = ""


def built(name: str) -> tuple[nn.Module, Tensor, Tensor]:
    """A network in eval mode with random weights, and a batch of images with labels."""
    architecture, arguments, size, count = NETWORKS[name]
    torch.manual_seed(0)
    model = timm.create_model(architecture, num_classes=10, **arguments).eval().requires_grad_(False)
    return model, torch.randn(count, 3, size, size), torch.arange(count) % 10


def laid_out(model: nn.Module, images: Tensor, form: torch.memory_format) -> tuple[nn.Module, Tensor]:
    """A copy of a network, and its images, in a memory format."""
    model = copy.deepcopy(model)
    memory_format.lay_out(model, form)
    return model, memory_format.laid_out(images, form)


def evaluated(model: nn.Module, images: Tensor) -> None:
    """Plain forward passes."""
    with torch.no_grad():
        for _ in range(BATCHES):
            model(images)


def trained(model: nn.Module, images: Tensor, labels: Tensor) -> None:
    """A forward pass in training mode and its way back to all weights."""
    model.train().requires_grad_(True)
    F.cross_entropy(model(images), labels).backward()
    model.zero_grad(set_to_none=True)
    model.eval().requires_grad_(False)


def traced_back(model: nn.Module, layers: list[str], images: Tensor, labels: Tensor) -> None:
    """The gradient criterion's pass in plain PyTorch: to the outputs of all layers, by hooks."""
    outputs: list[Tensor] = []
    hooks = [model.get_submodule(x).register_forward_hook(lambda *call: outputs.append(call[2])) for x in layers]
    loss = F.cross_entropy(model(images.clone().requires_grad_()), labels, reduction="sum")
    torch.autograd.grad(loss, outputs)
    for hook in hooks:
        hook.remove()


def todo(name: str) -> tuple[dict[str, Callable[[], object]], float, str, str]:
    """What is timed of a network; the forward pass's floating-point operations; why no relevance, if so; its format."""
    model, images, labels = built(name)
    for module in model.modules():
        if hasattr(module, "inplace"):
            module.inplace = False  # a hook's output must not be overwritten
    layers = [x for x, module in model.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    work: dict[str, Callable[[], object]] = {"peak": product()}
    for form, wanted in FORMS.items():
        own, batch = laid_out(model, images, wanted)
        work[f"evaluation, {form}"] = lambda own=own, batch=batch: evaluated(own, batch)
        work[f"training step, {form}"] = lambda own=own, batch=batch: trained(own, batch, labels)
        work[f"gradient, {form}"] = lambda own=own, batch=batch: traced_back(own, layers, batch, labels)
    chosen = memory_format.chosen(model)
    model, images = laid_out(model, images, chosen)
    pairs = folding.pairs(model, images[:1])
    many = memory_format.laid_out(images.repeat(BATCHES, 1, 1, 1), chosen)
    view = Network(model, layers, images, labels, batch_size=len(images))
    work["evaluation"] = lambda: logits(model, many, pairs=pairs, batch_size=len(images))
    work["gradient"] = lambda: list(view.gradients())
    refused = ""
    try:
        list(view.relevance("zplus"))
    except SecateurError as error:
        refused = str(error).partition(": it ")[2].partition(".")[0]
    else:
        folded, _ = laid_out(canonical(model, images[:1]).requires_grad_(False), images[:1], chosen)
        bare = convolutions(folded, images)
        own = [x for x, module in folded.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)]
        work |= {
            "ε": lambda: list(view.relevance("epsilon")), "ε, convolutions": lambda: bare(1, 1),
            "z⁺": lambda: list(view.relevance("zplus")), "z⁺, convolutions": lambda: bare(2, 1, SIGNED),
            "floor": lambda: traced_back(folded, own, images, labels),
        }  # fmt: skip
    with FlopCounterMode(display=False) as counter:
        evaluated(model, images)
    form = next(known for known, wanted in FORMS.items() if wanted is chosen)
    return work, float(counter.get_total_flops()) / BATCHES, refused, form


def product() -> Callable[[], object]:
    """The machine's own bound: a square matrix product."""
    square = torch.rand(SIDE, SIDE)
    return lambda: square @ square


def in_turns(work: dict[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Processor seconds of each pass, all in turn in every repeat; the first one does not count."""
    seconds: dict[str, list[float]] = {label: [] for label in work}
    for repeat in range(repeats + 1):
        for label, one in work.items():
            began = time.process_time()
            one()
            if repeat:
                seconds[label].append(time.process_time() - began)
    return seconds


def ratio(above: list[float], below: list[float]) -> float:
    """The median of the repeats' quotients."""
    return statistics.median(one / other for one, other in zip(above, below, strict=True))


def rows(name: str, repeats: int) -> list[Row]:
    """All passes of one network."""
    work, operations, refused, form = todo(name)
    seconds = in_turns(work, repeats)
    peak = 2 * SIDE**3 / min(seconds["peak"])
    found = []
    for kind, products in PRODUCTS.items():
        if kind == "training step":  # PyTorch's own, in the format that the rule chooses
            seconds[kind] = seconds[f"{kind}, {form}"]
        if kind not in seconds:
            found.append(Row(name, kind, 0, 0, None, None, None, refused=refused))
            continue
        ours = seconds[kind]
        plain = {form: seconds.get(f"{kind}, {form}") for form in FORMS}
        of = "z⁺" if kind == "z⁺" else "ε"
        bound = seconds.get(f"{of}, convolutions") if kind in ("gradient", "ε", "z⁺") else None
        floor = bound and [
            whole + more - usual
            for whole, more, usual in zip(seconds["floor"], bound, seconds["ε, convolutions"], strict=True)
        ]
        batch = min(ours) / (BATCHES if kind == "evaluation" else 1)
        found.append(
            Row(
                name, kind, batch, products * operations / batch / peak,
                *(other and ratio(other, ours) for other in plain.values()),
                bound and ratio(ours, bound), floor and ratio(ours, floor),
            )
        )  # fmt: skip
    return found


def table(repeats: int) -> str:
    """The table of all networks as Markdown."""
    lines = [
        "| network | pass | ms | share of peak | × plain, contiguous | × plain, channels last | ÷ its convolutions "
        "| ÷ PyTorch's way |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, (_, _, size, count) in NETWORKS.items():
        for row in rows(name, repeats):
            start = f"| {name}, {count} images of {size} px | {row.kind} "
            if row.refused:
                lines.append(start + f"| refused: it {row.refused} | | | | | |")
                continue
            cells = [
                "" if x is None else f"{x:.2f}" for x in (row.share, row.contiguous, row.last, row.bound, row.floor)
            ]
            lines.append(start + f"| {row.seconds * 1e3:.1f} | " + " | ".join(cells) + " |")
            print(lines[-1], flush=True)
    return "\n".join(lines)
