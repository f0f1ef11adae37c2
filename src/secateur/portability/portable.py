"""A folder with a pruned network that loads without Secateur: by load.py, and where it can by timm itself."""

import contextlib
import importlib.util
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from secateur.errors import SecateurError
from secateur.files import write_text
from secateur.models import devices, unpacked
from secateur.models.build import file_of
from secateur.portability import loader
from secateur.portability.exporting import FORMS
from secateur.pruning import widths
from secateur.pruning.duplication import duplicate
from secateur.pruning.removal import Kept
from secateur.pruning.saved import DESCRIPTION, WEIGHTS, build_unpruned, load, plain, save

LOADER, OWN_ARCHITECTURE, OWN_WIDTHS, OWN_ATTENTION = "load.py", "architecture.py", "widths.py", "attention.py"
TIMM_STRING = "timm.txt"
ALL = (WEIGHTS, DESCRIPTION, LOADER, OWN_ARCHITECTURE, OWN_WIDTHS, OWN_ATTENTION, TIMM_STRING, *FORMS.values())
"""Every file that holds a network or a part of one."""
IMAGES = 2
"""Random images on which what was written must give what the network gives, to the bit."""


def write(
    model: nn.Module,
    folder: str | Path,
    *,
    architecture: str,
    arguments: Mapping[str, Any],
    kept: Kept,
    input_size: tuple[int, ...],
) -> list[str]:
    """Write `model` to `folder` so that Secateur, torch with timm alone and, where it can, timm itself load it.

    Args:
        architecture, arguments, kept: as of `pruning.saved.save`.
        input_size: channels × height × width, of the images that it is tried on.

    Returns:
        The names of the files: weights.safetensors, network.json, load.py; architecture.py where the architecture is
        one of ours, widths.py where a module's code must be told the width of its heads, attention.py where
        attention was packed, timm.txt where timm's
        `adapt_model_from_string` makes the same network of it.

    Raises SecateurError as `save` does, and where what was written gives other outputs than `model`: then it has
    something that the architecture and arguments do not say.
    """
    folder = Path(folder)
    with devices.fork_rng():
        unpruned = build_unpruned(architecture, arguments)
    unpruned = unpacked.unpacked(unpruned) if unpacked.replaced(model) else unpruned
    written = [WEIGHTS, DESCRIPTION, LOADER]
    save(
        model, folder,
        architecture=architecture, arguments=arguments, kept=kept, attributes=attributes(unpruned, model),
    )  # fmt: skip
    shutil.copyfile(loader.__file__, folder / LOADER)
    own = file_of(architecture)
    if own:
        shutil.copyfile(own, folder / OWN_ARCHITECTURE)
        written.append(OWN_ARCHITECTURE)
    if widths.recorded(model):
        shutil.copyfile(widths.__file__, folder / OWN_WIDTHS)
        written.append(OWN_WIDTHS)
    if unpacked.replaced(model):
        shutil.copyfile(unpacked.__file__, folder / OWN_ATTENTION)
        written.append(OWN_ATTENTION)
    images = torch.randn(IMAGES, *input_size, generator=torch.Generator().manual_seed(0))
    expected = _outputs(_settled(model), images)
    for name, again in (("Secateur", lambda: load(folder).model), (LOADER, lambda: loading(folder)())):
        if not torch.equal(expected, _outputs(again(), images)):
            raise SecateurError(
                f"loaded again by {name}, the network gives other outputs. It has something that {architecture} with "
                f"the arguments {dict(arguments)} has not: was a module or an activation exchanged? Give the "
                "architecture and arguments that build it, or save it with torch.save."
            )
    text = timm_string(model)
    # Only here does timm know an architecture that it has not itself.
    if not own and _timm_rebuilds(unpruned, text, model, images, expected):
        write_text(folder / TIMM_STRING, text + "\n")
        written.append(TIMM_STRING)
    return written


def remove_others(folder: str | Path, files: Iterable[str]) -> None:
    """Remove from `folder` what an earlier network left there that is not among the `files` of this one."""
    for name in set(ALL) - set(files):
        (Path(folder) / name).unlink(missing_ok=True)


def attributes(unpruned: nn.Module, model: nn.Module) -> dict[str, dict[str, Any]]:
    """Module → what it states of its sizes, groups, heads and scales, where the unpruned network's states otherwise."""
    stated_by_name = {}
    others = dict(unpruned.named_modules())
    for name, module in model.named_modules():
        before = vars(others[name]) if name in others else {}
        stated = {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in vars(module).items()
            if key != "training" and not key.startswith("_") and key in before and plain(value) and before[key] != value
        }
        if stated:
            stated_by_name[name] = stated
    return stated_by_name


def loading(folder: str | Path) -> Callable[[], nn.Module]:
    """The function `load` of the load.py in `folder`, as somebody without Secateur gets it.

    What it imports leaves no bytecode there: the folder is its owner's, with the files that were written alone.
    """
    folder = Path(folder)
    with _no_bytecode():
        specification = importlib.util.spec_from_file_location("load", folder / LOADER)
        assert specification is not None and specification.loader is not None
        module = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(module)

    def load() -> nn.Module:
        with _no_bytecode():
            return module.load()  # type: ignore[no-any-return]

    return load


@contextlib.contextmanager
def _no_bytecode() -> Iterator[None]:
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before


def timm_string(model: nn.Module) -> str:
    """The shapes of a network's tensors as timm's own pruned variants are written (timm/models/_pruned)."""
    return "***".join(f"{name}:{list(tensor.shape)}" for name, tensor in model.state_dict().items())


def _timm_rebuilds(unpruned: nn.Module, text: str, model: nn.Module, images: Any, expected: Any) -> bool:
    """Whether timm makes a network of the string that takes the weights and gives the same outputs, to the bit."""
    try:
        from timm.models._prune import adapt_model_from_string

        with devices.fork_rng():
            rebuilt = adapt_model_from_string(unpruned, text)
        rebuilt.load_state_dict(_settled(model).state_dict())
        return torch.equal(_outputs(rebuilt, images), expected)
    except Exception:  # it knows some architectures only, and says anything about others
        return False


def _settled(model: nn.Module) -> nn.Module:
    """A copy on the CPU whose tensors lie in memory as those of a file do; another order of axes rounds otherwise."""
    copy: nn.Module = duplicate(model, {}).cpu().eval()
    for tensor in (*copy.parameters(), *copy.buffers()):
        tensor.data = tensor.data.contiguous()
    return copy


def _outputs(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
    dtype = next((value.dtype for value in model.parameters() if value.is_floating_point()), images.dtype)
    with torch.inference_mode():
        return model.eval()(images.to(dtype))
