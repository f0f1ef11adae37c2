"""The proof table: on every supported architecture, removing units equals silencing them, and counts fall as predicted.

    python benchmarks/removal_proof.py            prints the table
    python benchmarks/removal_proof.py --write    also puts it into docs/pruning.md

For each network, random sets of units are removed at rates 0.1 to 0.9. Weights are random, with batch-norm statistics,
biases and layer scales far from their initial values, so that nothing is hidden behind a zero or a one.
"""

import argparse
import itertools
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnxruntime
import torch
from torch import Tensor, nn

from secateur.files import write_text
from secateur.pruning.proof import TOLERANCE, prove
from secateur.pruning.removal import all_channels, remaining, remove
from secateur.pruning.saved import build_unpruned, load, save
from secateur.pruning.selection import select
from secateur.pruning.units import UnitGroup, find_unit_groups

RATES = (0.1, 0.3, 0.5, 0.7, 0.9)
PAGE = Path(__file__).parents[1] / "docs" / "pruning.md"
BEGIN, END = "<!-- proof table: begin -->", "<!-- proof table: end -->"


def relu_mlp(_: str, arguments: dict[str, Any]) -> nn.Module:
    """A chain of linear modules and ReLUs on the flattened image."""
    widths = arguments["widths"]
    layers: list[nn.Module] = [nn.Flatten()]
    for before, after in itertools.pairwise(widths[:-1]):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-2], widths[-1]))


@dataclass(frozen=True)
class Case:
    """One network: how to build it, and a small input size that it accepts."""

    architecture: str
    arguments: dict[str, Any]
    side: int = 64
    build: Callable[[str, dict[str, Any]], nn.Module] = build_unpruned

    def network(self) -> nn.Module:
        """The network with random weights, in eval mode."""
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return disturb(self.build(self.architecture, self.arguments)).eval()

    def inputs(self, samples: int = 2) -> Tensor:
        """Random images of the case's size."""
        return torch.randn(samples, 3, self.side, self.side, generator=torch.Generator().manual_seed(1))


TEN = {"num_classes": 10}
CASES = {
    "ReLU MLP": Case("mlp", {"widths": [3 * 8 * 8, 64, 48, 32, 10]}, 8, relu_mlp),
    "AlexNet": Case("torchvision/alexnet", TEN),
    "VGG-16": Case("vgg16", TEN, 32),
    "VGG-16-BN": Case("vgg16_bn", TEN, 32),
    "ResNet-18": Case("resnet18", TEN),
    "ResNet-50": Case("resnet50", TEN),
    "DenseNet-121": Case("densenet121", TEN),
    "MobileNetV2": Case("mobilenetv2_100", TEN),
    "MobileNetV3-S": Case("mobilenetv3_small_100", TEN),
    "EfficientNet-B0": Case("efficientnet_b0", TEN),
    "RegNetX-200MF": Case("regnetx_002", TEN),
    "RegNetY-200MF": Case("regnety_002", TEN),
    "ConvNeXt-Atto": Case("convnext_atto", TEN),
    "Inception-v3": Case("inception_v3", TEN, 96),
    "SqueezeNet-1.1": Case("torchvision/squeezenet1_1", TEN),
    "ViT-Tiny/16": Case("vit_tiny_patch16_224", TEN | {"img_size": 64}),
}


def disturb(model: nn.Module) -> nn.Module:
    """Give batch-norms, biases and scales values that no check can overlook; returns the same network."""
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.running_mean.normal_(0, 0.3)
                module.running_var.uniform_(0.5, 1.5)
        for name, parameter in model.named_parameters():
            if parameter.ndim == 1:
                scale = name.endswith(("weight", "gamma"))
                parameter.uniform_(0.5, 1.5) if scale else parameter.normal_(0, 0.3)
    return model


def random_selection(groups: list[UnitGroup], rate: float, seed: int) -> dict[str, list[int]]:
    """A random set of units of about the given rate, at least one unit of each group staying."""
    generator = torch.Generator().manual_seed(seed)
    scores = {group.name: torch.rand(group.size, generator=generator) for group in groups}
    reach = sum(group.size - 1 for group in groups) / sum(group.size for group in groups)
    return select(groups, scores, min(rate, reach - 1e-3))


def survives_saving(case: Case, model: nn.Module, groups: list[UnitGroup], selection: dict[str, list[int]]) -> bool:
    """Whether the pruned network gives the very same outputs after being saved and loaded."""
    pruned = remove(model, groups, selection)
    kept = remaining(all_channels(model), groups, selection)
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        save(pruned, folder, architecture=case.architecture, arguments=case.arguments, kept=kept)
        loaded = load(folder, build=case.build)
        return torch.equal(loaded.model(case.inputs()), pruned(case.inputs())) and loaded.kept == kept


def export_differences(pruned: nn.Module, inputs: Tensor) -> tuple[float, float]:
    """Largest differences of torch.export's program and of the ONNX model, relative to the largest output."""
    with torch.inference_mode():
        expected = pruned(inputs)
    scale = float(expected.abs().max())
    program = torch.export.export(pruned, (inputs,))
    with torch.no_grad():
        exported = float((program.module()(inputs) - expected).abs().max()) / scale
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        torch.onnx.export(program, (inputs,), path, dynamo=True, verbose=False, external_data=False)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        (result,) = session.run(None, {session.get_inputs()[0].name: inputs.numpy()})
    return exported, float((torch.from_numpy(result) - expected).abs().max()) / scale


def row(name: str, case: Case) -> tuple[list[str], bool]:
    """One row of the table, and whether everything in it holds."""
    model, inputs = case.network(), case.inputs()
    groups = find_unit_groups(model, inputs)
    evidence = {}
    for number, rate in enumerate(RATES):
        evidence[rate] = prove(model, groups, random_selection(groups, rate, number), inputs)
    half = random_selection(groups, 0.5, 0)
    saved = survives_saving(case, model, groups, half)
    exported, onnx = export_differences(remove(model, groups, half), inputs)
    counts = all(found.predicted == found.counted for found in evidence.values())
    trains = all(found.trains for found in evidence.values())
    worst = max(found.difference for found in evidence.values())
    fine = all(found.holds for found in evidence.values()) and saved and max(exported, onnx) <= 1e-4
    cells = [name, f"{case.side} px", str(len(groups)), str(sum(group.size for group in groups))]
    cells += [f"{sum(group.size for group in groups if group.residual)}", f"{worst:.0e}"]
    cells += ["yes" if answer else "NO" for answer in (counts, trains, saved)]
    return [*cells, f"{exported:.0e}", f"{onnx:.0e}"], fine


HEADER = [
    "network",
    "input",
    "groups",
    "units",
    "of these residual",
    "largest difference from the mask",
    "params and MACs as predicted",
    "forward and backward",
    "same after save and load",
    "torch.export",
    "ONNX",
]


def main() -> None:
    """Print the table; with --write, put it into the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="also put the table into docs/pruning.md")
    parser.add_argument("--only", nargs="*", choices=list(CASES), default=list(CASES), help="these networks")
    chosen = parser.parse_args()
    lines = ["| " + " | ".join(HEADER) + " |", "|" + "---|" * len(HEADER)]
    print("\n".join(lines), flush=True)
    failed = []
    for name in chosen.only:
        cells, fine = row(name, CASES[name])
        lines.append("| " + " | ".join(cells) + " |")
        print(lines[-1], flush=True)
        if not fine:
            failed.append(name)
    if failed:
        sys.exit(f"not proven (limit {TOLERANCE:g}): {', '.join(failed)}")
    if chosen.write:
        text = PAGE.read_text(encoding="utf-8")
        before, rest = text.split(BEGIN)
        write_text(PAGE, before + BEGIN + "\n" + "\n".join(lines) + "\n" + END + rest.split(END)[1])


if __name__ == "__main__":
    main()
