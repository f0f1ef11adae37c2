"""Finding criteria: every file in a criteria folder is a criterion, named after the file."""

import ast
import difflib
import importlib.util
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from secateur.errors import SecateurError
from secateur.pruning import COMBINATIONS, NORMALISATIONS

BUILT_IN = Path(__file__).parent.parent / "criteria"


@dataclass(frozen=True)
class Criterion:
    """A criterion as its file defines it; `options` are the defaults of `score`'s keyword-only parameters."""

    name: str
    score: Callable[..., dict[str, Any]]
    path: Path
    normalisation: str = "l2"
    combine: str = "sum"
    needs: tuple[str, ...] = ("samples", "labels")
    options: dict[str, Any] = field(default_factory=dict)


def find(folders: Iterable[str | Path] = ()) -> dict[str, Path]:
    """Name → file of every criterion in the built-in folder and in `folders` (in that order; names are unique).

    Lists files and imports nothing, so it is cheap enough for the workflow's start.

    Raises:
        SecateurError: a folder is missing, or two files define the same name.
    """
    found: dict[str, Path] = {}
    for folder in [BUILT_IN, *map(Path, folders)]:
        if not folder.is_dir():
            raise SecateurError(f"criteria_path: folder '{folder}' does not exist.")
        for path in sorted(folder.glob("*.py")):
            if path.name.startswith("_"):
                continue
            if path.stem in found:
                raise SecateurError(
                    f"criterion '{path.stem}' is defined twice: {found[path.stem]} and {path}. Rename one of the files."
                )
            found[path.stem] = path
    return found


def path_of(name: str, folders: Iterable[str | Path] = ()) -> Path:
    """The file of criterion `name`; an unknown name is a SecateurError that lists what there is."""
    found = find(folders)
    if name not in found:
        near = difflib.get_close_matches(name, found, 1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise SecateurError(
            f"criteria: unknown criterion '{name}'; known are {', '.join(found)}.{hint} "
            f"A new one is a file {name}.py in {BUILT_IN.name}/ or in a folder named by criteria_path."
        )
    return found[name]


def describe(name: str, folders: Iterable[str | Path] = ()) -> str:
    """First line of the criterion's docstring, read without running the file ('' where there is none)."""
    path = path_of(name, folders)
    try:
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    except SyntaxError as error:
        raise SecateurError(f"criterion '{name}': {path}, line {error.lineno}: {error.msg}.") from None
    return docstring.partition("\n")[0]


def load(name: str, folders: Iterable[str | Path] = ()) -> Criterion:
    """Import the file of criterion `name` and check what it defines.

    Raises:
        SecateurError: unknown name, a file that cannot be imported, no function `score(network, *, ...)`, or an
            unknown `NORMALISATION`.
    """
    path = path_of(name, folders)
    specification = importlib.util.spec_from_file_location(f"secateur.criteria.{name}", path)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    try:
        specification.loader.exec_module(module)
    except Exception as error:
        raise SecateurError(
            f"criterion '{name}': {path} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    score = getattr(module, "score", None)
    if not callable(score):
        raise SecateurError(f"criterion '{name}': {path} defines no function score(network).")
    normalisation = getattr(module, "NORMALISATION", "l2")
    if normalisation not in NORMALISATIONS:
        raise SecateurError(f"criterion '{name}': NORMALISATION is {normalisation!r}; allowed: {NORMALISATIONS}.")
    combine = getattr(module, "COMBINE", "sum")
    if combine not in COMBINATIONS:
        raise SecateurError(f"criterion '{name}': COMBINE is {combine!r}; allowed: {COMBINATIONS}.")
    options = {
        parameter.name: parameter.default
        for parameter in inspect.signature(score).parameters.values()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }
    needs = tuple(getattr(module, "NEEDS", ("samples", "labels")))
    return Criterion(name, score, path, normalisation, combine, needs, options)


def with_options(criterion: Criterion, chosen: dict[str, Any]) -> dict[str, Any]:
    """The options to call `criterion.score` with: `chosen`, checked against those that it has."""
    for key in chosen:
        if key not in criterion.options:
            known = ", ".join(f"{name} (default {value!r})" for name, value in criterion.options.items()) or "none"
            raise SecateurError(f"criterion '{criterion.name}': unknown option '{key}'; it has: {known}.")
    return dict(chosen)
