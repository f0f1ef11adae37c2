"""The folder of a pruned network: weights, how to load them anywhere, exports, its report and its model card."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from secateur.own import reports
from secateur.own.reports import Report
from secateur.portability import card, exporting, portable
from secateur.repair import NONE


@dataclass(frozen=True)
class Recipe:
    """What built the network before: timm's name (or "torchvision/<name>") and arguments."""

    architecture: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class About:
    """What the model card says besides what the report knows; all of it may be left out."""

    images: str | None = None
    """On which images it was ranked, in words."""
    dataset: str | None = None
    """Name of the images that it was tested on."""
    licence: str | None = None
    """Of the weights, as the hub names licences, e.g. "apache-2.0"."""
    base_model: str | None = None
    """The hub's name of the network before, e.g. "timm/resnet18.a1_in1k"."""
    trained: bool = False
    """Whether the network was trained after it was pruned."""


def write(
    model: nn.Module,
    folder: Path,
    recipe: Recipe,
    report: Report,
    export: Iterable[str] = (),
    about: About | None = None,
) -> list[str]:
    """Write everything of a pruned network to `folder`; returns the names of the files that hold the network.

    Files: those of `sharing.portable.write` and `sharing.exporting.export`, report.json and README.md.

    Raises SecateurError as those do.
    """
    files = portable.write(
        model, folder,
        architecture=recipe.architecture, arguments=recipe.arguments, kept=report.kept, input_size=report.input_size,
    )  # fmt: skip
    files += exporting.export(model, folder, export, report.input_size)
    reports.write(report, folder)
    card.write(_facts(recipe, report, files, about or About()), folder)
    return files


def _facts(recipe: Recipe, report: Report, files: list[str], about: About) -> card.Facts:
    accuracy = None
    if report.tests is not None:
        before, after = report.tests
        dataset = about.dataset or "the test set of who pruned it"
        accuracy = card.Accuracy(before.accuracy, after.accuracy, before.samples, dataset)
    return card.Facts(
        architecture=recipe.architecture,
        criterion=report.criterion,
        asked=f"{report.rate:g} of the {report.budget}",
        images=about.images or (f"{report.samples} images" if report.samples else "its weights alone"),
        rows=report.rows(),
        units=report.units,
        files=files,
        input_size=report.input_size,
        accuracy=accuracy,
        licence=about.licence,
        base_model=about.base_model,
        remedy="" if report.remedy == NONE else report.remedy,
        trained=about.trained,
    )
