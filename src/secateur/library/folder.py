"""`secateur.save` and `secateur.load`: a pruned network on disk."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypedDict, Unpack

from torch import nn

from secateur.errors import InputError
from secateur.files import filling
from secateur.library.asking import check_model, check_settings
from secateur.library.origin import Origin, fingerprint, origin_of
from secateur.own import reports, writing
from secateur.own.reports import Report
from secateur.own.writing import About, Recipe
from secateur.portability import exporting, hub, portable
from secateur.pruning import saved


class CardSettings(TypedDict, total=False):
    """What the model card says besides what `secateur.prune` knows."""

    images: str
    """On which images the network was ranked, in words."""
    dataset: str
    """Name of the images that it was tested on."""
    licence: str
    """Of the weights, as the hub names licences, e.g. "apache-2.0"."""
    base_model: str
    """The hub's name of the network before, e.g. "timm/resnet18.a1_in1k"."""


def save(
    pruned: nn.Module,
    folder: str | Path,
    *,
    architecture: str | None = None,
    arguments: Mapping[str, Any] | None = None,
    export: str | Iterable[str] = (),
    **about: Unpack[CardSettings],
) -> Path:
    """Write a network that `secateur.prune` made: weights, how to load them without Secateur, and a model card.

    Args:
        pruned: the network; it may have been loaded by `secateur.load`, and trained since.
        folder: made if needed; an earlier network in it is replaced. `secateur.load(folder)` and, with torch and timm
            alone, its load.py read it.
        architecture, arguments: what `timm.create_model(architecture, **arguments)` built the network from before, or
            "torchvision/<name>" with that function's arguments; timm's networks bring them along.
        export: "onnx", "torch" (torch.export) or both, as further files.
        about: see `secateur.library.folder.CardSettings`.

    Returns:
        The folder.

    Raises:
        SecateurError: a network that was not pruned by Secateur, or that its architecture and arguments do not build.
    """
    check_model(pruned)
    check_settings(about, CardSettings)
    forms = exporting.check([export] if isinstance(export, str) else export)
    report, origin = getattr(pruned, "report", None), origin_of(pruned)
    if not isinstance(report, Report):
        raise InputError("model: it does not come from secateur.prune; another network is saved with torch.save.")
    if architecture is None:
        architecture, arguments = origin.architecture, origin.arguments if arguments is None else arguments
    if architecture is None:
        raise InputError(
            "architecture: the network does not say what built it. Give timm's name, or 'torchvision/<name>', and the "
            "arguments; a network of your own code is saved with torch.save."
        )
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"folder: {folder} is a file.")
    told = About(**about, trained=fingerprint(pruned) != origin.weights)
    with filling(folder) as making:
        files = writing.write(pruned, making, Recipe(architecture, arguments or {}), report, forms, told)
    portable.remove_others(folder, files)
    return folder


def load(path: str | Path) -> nn.Module:
    """The network that `secateur.save` or `secateur prune` wrote, on the CPU and in evaluation mode.

    `path`: the folder, or "hf-hub:<user>/<name>" for one that `secateur push` sent to the hub. The network's `report`
    is that of its pruning.

    Raises SecateurError for files that are missing, damaged or not of one pair.
    """
    if isinstance(path, str) and path.startswith(hub.PREFIX):
        path = hub.fetched(path)
    elif not Path(path).is_dir():
        raise InputError(f"path: there is no folder {path}.")
    restored = saved.load(path)
    model: Any = restored.model
    model.origin = Origin(restored.architecture, restored.arguments, restored.kept, fingerprint(model))
    report = reports.read(path, restored.kept)
    if report is not None:
        model.report = report
    return model  # type: ignore[no-any-return]
