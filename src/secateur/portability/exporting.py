"""A network in forms that other programs run: ONNX, and the program of torch.export. Both take batches of any size."""

import importlib.util
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import nn

from secateur.errors import SecateurError
from secateur.files import replacing
from secateur.pruning.duplication import duplicate

FORMS = {"onnx": "network.onnx", "torch": "network.pt2"}
"""Name of a form → its file."""
NEEDED = {"onnx": ("onnx", "onnxscript")}
LARGEST_DIFFERENCE = 1e-4  # of an export's output from the network's, relative to the largest output
BATCH = 2


def check(forms: Iterable[str]) -> tuple[str, ...]:
    """The forms; SecateurError for one that there is not, or whose packages are not installed."""
    for form in forms:
        if form not in FORMS:
            raise SecateurError(f"export: there is no form {form!r}; known are {', '.join(FORMS)}.")
        missing = [name for name in NEEDED.get(form, ()) if importlib.util.find_spec(name) is None]
        if missing:
            raise SecateurError(f"export: {form} needs {' and '.join(missing)}: pip install {' '.join(missing)}")
    return tuple(dict.fromkeys(forms))


def export(model: nn.Module, folder: str | Path, forms: Iterable[str], input_size: tuple[int, ...]) -> list[str]:
    """Write `model` to `folder` in each of the `forms` ("onnx", "torch"); returns the names of the files.

    The ONNX file has the input "images" (N × channels × height × width, float32) and the output "logits"; the program
    of torch.export is loaded by `torch.export.load("network.pt2").module()`.

    Raises SecateurError for an unknown form, a missing package, or a network that cannot be exported.
    """
    wanted = check(forms)
    if not wanted:
        return []
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    copy: nn.Module = duplicate(model, {}).cpu().float().eval()
    images = torch.randn(BATCH, *input_size, generator=torch.Generator().manual_seed(0))
    try:
        with torch.no_grad():
            program = torch.export.export(copy, (images,), dynamic_shapes=({0: torch.export.Dim("N")},))
            expected, exported = copy(images), program.module()(images)
    except Exception as error:  # the exporter raises anything about code that it cannot follow
        raise SecateurError(
            f"export: {type(model).__name__} cannot be exported by torch.export: {_first(error)}"
        ) from None
    if not float((exported - expected).abs().max() / expected.abs().max()) <= LARGEST_DIFFERENCE:
        raise SecateurError(f"export: torch.export's program of {type(model).__name__} gives other outputs.")
    for form in wanted:
        with replacing(folder / FORMS[form]) as temporary:
            if form == "torch":
                torch.export.save(program, temporary)
            else:
                _onnx(program, images, temporary)
    return [FORMS[form] for form in wanted]


def _onnx(program: torch.export.ExportedProgram, images: torch.Tensor, path: Path) -> None:
    try:
        torch.onnx.export(
            program, (images,), path,
            dynamo=True, verbose=False, external_data=False, input_names=["images"], output_names=["logits"],
        )  # fmt: skip
    except Exception as error:
        raise SecateurError(f"export: the network cannot be written as ONNX: {_first(error)}") from None


def _first(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
