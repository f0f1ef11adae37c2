"""Finding remedies: every file of `secateur/remedies/` is one, known by its name. No torch until one is applied."""

import importlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from secateur.errors import SecateurError
from secateur.repair import NONE

if TYPE_CHECKING:
    from torch import nn

    from secateur.pruning.units import UnitGroup
    from secateur.repair.view import Whole

FOLDER = Path(__file__).resolve().parents[1] / "remedies"


@dataclass(frozen=True)
class Remedy:
    """A remedy: `repair(view, **options)` changes a pruned network; `description` is its docstring's first line."""

    name: str
    repair: Callable[..., None]
    options: dict[str, Any]
    description: str
    paper: str


def names() -> tuple[str, ...]:
    """The remedies that there are, `none` first."""
    stems = sorted(path.stem for path in FOLDER.glob("*.py") if not path.name.startswith("_"))
    return (NONE, *(name for name in stems if name != NONE))


def check(name: str, key: str = "remedy") -> None:
    """Raise SecateurError, naming `key`, unless there is a remedy of that name. Imports nothing."""
    if name not in names():
        raise SecateurError(f"{key}: unknown remedy '{name}'; known are {', '.join(names())}.")


def load(name: str) -> Remedy:
    """The remedy of that name. Raises SecateurError for an unknown one, and for a file without `repair(view)`."""
    check(name)
    module = importlib.import_module(f"secateur.remedies.{name}")
    repair = getattr(module, "repair", None)
    if not callable(repair):
        raise SecateurError(f"remedy '{name}': {module.__file__} defines no function repair(view).")
    options = {
        parameter.name: parameter.default
        for parameter in inspect.signature(repair).parameters.values()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }
    description = (inspect.getdoc(module) or "").split("\n")[0]
    return Remedy(name, repair, options, description, str(getattr(module, "PAPER", "")))


def repaired(
    remedy: Remedy,
    whole: "Whole",
    pruned: "nn.Module",
    groups: Sequence["UnitGroup"],
    selection: Mapping[str, Sequence[int]],
) -> "nn.Module":
    """A repaired copy of `pruned`; itself where the remedy is "none" or nothing was removed.

    Args:
        remedy: from `load`.
        whole: the network before the removal, with the images to repair by (`view.Whole`); labels are not used.
        pruned: the network after it; it stays as it is.
        groups, selection: the units of the whole network, and those of them that were removed.

    Raises SecateurError for a remedy that does not apply to this network.
    """
    from secateur.pruning.duplication import duplicate
    from secateur.repair.view import Repair

    if remedy.name == NONE or not any(selection.values()):
        return pruned
    copy: nn.Module = duplicate(pruned, {})
    remedy.repair(Repair(whole, copy, groups, selection))
    return copy
