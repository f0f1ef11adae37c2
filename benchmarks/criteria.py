"""What a criterion's pass costs beside the gradient criterion's, and beside zennit, measured in one process in turns.

    python benchmarks/criteria.py [--quick] [--write]

The unit is the gradient criterion: forward and back to the layers' outputs, no weight gradients. It is timed in two
forms: as this package computes it (batch-norm folded, `Network.gradients`), and as plain autograd with hooks on a
network as it is. Times are the processor time of one thread (unmoved by what else runs), or with --device cuda wall
time between synchronised points; each is the median over the repeats, after one that does not count. Memory is the peak
of tensors allocated above what was allocated before the pass. The rows "convolutions of …" are the lower bound: nothing
but the convolutions and matrix products that the pass consists of, on the same numbers.
"""

import argparse
import copy
import gc
import platform
import statistics
import time
from collections.abc import Callable

import timm
import torch
from relevance_oracle import PAGE, write
from torch import Tensor, nn
from torch.nn import functional as F
from zennit.composites import EpsilonAlpha2Beta1, EpsilonPlus
from zennit_relevance import canonical

from secateur.machine import processor
from secateur.ranking.network import Network

NETWORKS = ("resnet18", "resnet50", "vgg16", "resnet18 with GELU")  # the last one has signed inputs everywhere
UNIT = "gradient"
SIGNED = (3, 2)
"""Of z⁺, forward and back, where the inputs have both signs: with either sign the weights' two parts change places."""


def plain_gradient(model: nn.Module, layers: list[str], inputs: Tensor, labels: Tensor) -> None:
    """The gradient criterion as it is usually written: hooks keep the outputs, autograd gives their gradients."""
    outputs: list[Tensor] = []
    hooks = [
        model.get_submodule(layer).register_forward_hook(lambda *call: outputs.append(call[2])) for layer in layers
    ]
    loss = F.cross_entropy(model(inputs.clone().requires_grad_()), labels, reduction="sum")
    torch.autograd.grad(loss, outputs)
    for hook in hooks:
        hook.remove()


def by_zennit(model: nn.Module, composite: type, inputs: Tensor, labels: Tensor, layers: list[str]) -> None:
    """zennit's relevance at the outputs of the layers, on a network whose batch-norm is already folded."""
    outputs: list[Tensor] = []
    with composite().context(model) as hooked:
        hooks = [hooked.get_submodule(x).register_forward_hook(lambda *call: outputs.append(call[2])) for x in layers]
        logits = hooked(inputs.clone().requires_grad_())
        torch.autograd.grad(logits, outputs, F.one_hot(labels, logits.shape[1]).to(logits))
        for hook in hooks:
            hook.remove()


def by_captum(model: nn.Module, inputs: Tensor, labels: Tensor) -> None:
    """captum's relevance of the input by the ε rule; what it gives at the layers is its own, not kept by it."""
    from captum.attr import LRP
    from captum.attr._utils.lrp_rules import EpsilonRule, PropagationRule

    for module in model.modules():  # modules that captum has no rule for, such as Flatten and Identity
        if not list(module.children()) and not isinstance(getattr(module, "rule", None), PropagationRule):
            module.rule = EpsilonRule()
    LRP(model).attribute(inputs.clone().requires_grad_(), target=labels)


def by_torch_pruning(model: nn.Module, inputs: Tensor, labels: Tensor, groups: list[object]) -> None:
    """torch-pruning's Taylor importance of every group: a full backward pass, then products with the weights."""
    from torch_pruning.pruner.importance import GroupTaylorImportance

    model.requires_grad_(True)
    F.cross_entropy(model(inputs), labels).backward()
    importance = GroupTaylorImportance()
    for group in groups:
        importance(group)
    model.zero_grad(set_to_none=True)
    model.requires_grad_(False)


def groups_of(model: nn.Module, inputs: Tensor) -> list[object]:
    """torch-pruning's groups; finding them is not timed."""
    import torch_pruning

    model.requires_grad_(True)  # its graph follows gradients
    graph = torch_pruning.DependencyGraph().build_dependency(model, inputs[:1])
    found = list(graph.get_all_groups(root_module_types=[nn.Conv2d]))
    model.requires_grad_(False)
    return found


def convolutions(model: nn.Module, inputs: Tensor) -> Callable[..., None]:
    """A function that does each layer's forward product `forward` times and its product towards the input `back` times.

    Of layers whose input has both signs as often as `signed` says (forward, back), if given. The first layer, which
    hands nothing down, is passed once. `model` has no batch-norm (folded).
    """
    layers = [module for module in model.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    seen: list[tuple[nn.Module, Tensor, Tensor]] = []
    hooks = [x.register_forward_hook(lambda layer, given, output: seen.append((layer, *given, output))) for x in layers]
    model(inputs)
    for hook in hooks:
        hook.remove()

    both = [bool(given.amin() < 0) for _, given, _ in seen]

    def work(forward: int, back: int, signed: tuple[int, int] | None = None) -> None:
        for position, (layer, given, output) in enumerate(seen):
            here = signed if signed and both[position] else (forward, back)
            for _ in range(here[0] if position else 1):
                layer(given)
            for _ in range(here[1] if position else 0):
                if isinstance(layer, nn.Linear):
                    output @ layer.weight
                else:
                    shape, how = given.shape, (layer.stride, layer.padding, layer.dilation, layer.groups)
                    torch.nn.grad.conv2d_input(shape, layer.weight, output, *how)

    return work


def passes(name: str, samples: int, size: int, device: str, dtype: torch.dtype) -> dict[str, Callable[[], object]]:
    """What is timed for one network: label -> a pass over one batch of random images."""
    torch.manual_seed(0)
    architecture, _, activation = name.partition(" with ")
    model = (
        timm.create_model(architecture, act_layer=activation.lower() or None)
        .eval()
        .requires_grad_(False)
        .to(device, dtype)
    )
    inputs = torch.randn(samples, 3, size, size).to(device, dtype)
    labels = torch.arange(samples, device=device)
    folded = canonical(model, inputs[:1])
    for module in model.modules():
        if hasattr(module, "inplace"):
            module.inplace = False  # a hook's output must not be overwritten
    layers = [layer for layer, module in model.named_modules() if isinstance(module, nn.Conv2d)]
    network = Network(model, layers, inputs, labels, batch_size=samples)
    groups = groups_of(model, inputs)
    bare = convolutions(folded, inputs)
    captums = {}
    if architecture.startswith("vgg"):  # captum knows neither additions that are no module nor batch-norm
        apart = copy.deepcopy(folded)  # captum leaves its rules in the network
        captums = {"captum LRP ε": lambda: by_captum(apart, inputs, labels)}
    return {
        "forward": lambda: list(network.outputs()),
        UNIT: lambda: list(network.gradients()),
        "gradient, plain autograd": lambda: plain_gradient(model, layers, inputs, labels),
        "z⁺": lambda: list(network.relevance("zplus")),
        "ε": lambda: list(network.relevance("epsilon")),
        "α2β1": lambda: list(network.relevance("alpha2beta1")),
        "convolutions of gradient and ε": lambda: bare(1, 1),
        "convolutions of z⁺": lambda: bare(2, 1, SIGNED),
        "convolutions of α2β1": lambda: bare(2, 2, (3, 4)),
        "zennit EpsilonPlus": lambda: by_zennit(folded, EpsilonPlus, inputs, labels, layers),
        "zennit EpsilonAlpha2Beta1": lambda: by_zennit(folded, EpsilonAlpha2Beta1, inputs, labels, layers),
        "torch-pruning Taylor": lambda: by_torch_pruning(model, inputs, labels, groups),
    } | captums


def measure(todo: dict[str, Callable[[], object]], repeats: int, device: str) -> dict[str, float]:
    """Median seconds of each pass, all passes in turn in every repeat."""
    clock = time.perf_counter if device == "cuda" else time.process_time
    times: dict[str, list[float]] = {label: [] for label in todo}
    for repeat in range(repeats + 1):
        for label, work in todo.items():
            gc.collect()
            if device == "cuda":
                torch.cuda.synchronize()
            begin = clock()
            work()
            if device == "cuda":
                torch.cuda.synchronize()
            if repeat:
                times[label].append(clock() - begin)
    return {label: statistics.median(seconds) for label, seconds in times.items()}


def peak_bytes(work: Callable[[], object], device: str) -> int:
    """Most bytes of tensors that live at once during a pass, above those before it."""
    gc.collect()
    if device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        work()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        work()
    events = profile.profiler.kineto_results.events()
    changes = sorted((event.start_ns(), event.nbytes()) for event in events if event.name() == "[memory]")
    level = highest = 0
    for _, change in changes:
        level += change
        highest = max(highest, level)
    return highest


def table(networks: list[str], samples: int, size: int, repeats: int, device: str, dtype: torch.dtype) -> str:
    """The table as Markdown, with the machine and the versions below it."""
    head = ["network", "pass", "seconds", f"÷ {UNIT}", "÷ plain autograd's", "peak MB", f"peak ÷ {UNIT}"]
    lines = ["| " + " | ".join(head) + " |", "|---|---|" + "---:|" * (len(head) - 2)]
    for name in networks:
        todo = passes(name, samples, size, device, dtype)
        seconds = measure(todo, repeats, device)
        memory = {label: peak_bytes(work, device) for label, work in todo.items()}
        for label in todo:
            ratio, plain = seconds[label] / seconds[UNIT], seconds[label] / seconds["gradient, plain autograd"]
            peak, relative = memory[label] / 1e6, memory[label] / memory[UNIT]
            row = (
                f"| {name} | {label} | {seconds[label]:.3f} | {ratio:.2f} | {plain:.2f} | {peak:.0f} | {relative:.2f} |"
            )
            lines.append(row)
            print(row, flush=True)
        del todo
    return "\n".join([*lines, "", machine(samples, size, repeats, device, dtype)])


def machine(samples: int, size: int, repeats: int, device: str, dtype: torch.dtype) -> str:
    """One sentence that says what the numbers were measured on."""
    clock = "wall time" if device == "cuda" else f"processor time, {torch.get_num_threads()} thread"
    name = torch.cuda.get_device_name() if device == "cuda" else processor()
    return (
        f"{name}, {clock}; {samples} samples of {size} px, {str(dtype).removeprefix('torch.')}, median of {repeats}; "
        f"Python {platform.python_version()}, torch {torch.__version__}, timm {timm.__version__}."
    )


def main() -> None:
    """Print the table, and with --write put it into docs/relevance.md."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="ResNet-18 at 64 px, two repeats")
    parser.add_argument("--write", action="store_true", help=f"write the table into {PAGE.name}")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    given = parser.parse_args()
    torch.set_num_threads(1)
    dtype = getattr(torch, given.dtype)
    if given.quick:
        text = table(["resnet18"], 4, 64, 2, given.device, dtype)
    else:
        text = table(list(NETWORKS), 10, 224, given.repeats, given.device, dtype)
    print(text)
    if given.write:
        write(PAGE, "cost", text)


if __name__ == "__main__":
    main()
