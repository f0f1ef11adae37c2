"""Finding criteria: files in a criteria folder, Snakemake rules, and installed packages' entry points.

A Python file `<name>.py` or a rule `<name>.smk` is a criterion named after the file; an entry point of the group
`secateur.criteria` names a module. Listing and describing them runs none of their code.
"""

import ast
import difflib
import functools
import importlib
import importlib.metadata
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from secateur import loaded, shipped
from secateur.errors import SecateurError
from secateur.pruning import COMBINATIONS, NORMALISATIONS
from secateur.ranking.containment import contained

BUILT_IN = Path(__file__).parent.parent / "criteria"
RULES = Path("workflow", "rules", "criteria")
GROUP = "secateur.criteria"
NEEDS = ("samples", "labels", "gradients")
_STATED = ("normalisation", "combine")


@dataclass(frozen=True)
class Source:
    """Where a criterion comes from: `kind` "built-in", "file", "rule" or "package"; `module` of a package's alone."""

    name: str
    path: Path
    kind: str
    module: str = ""

    @property
    def loaded_as(self) -> str:
        """The name of its module once it is loaded."""
        return self.module or f"secateur.criteria.{self.name}"


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
    paper: str = ""
    kind: str = "file"


def find(folders: Iterable[str | Path] = ()) -> dict[str, Source]:
    """Name → source of every criterion: built in, in `folders`, in workflow/rules/criteria, in installed packages.

    Lists files and imports nothing, so it is cheap enough for the workflow's start. Files that begin with "_" or
    "test_" are no criteria.

    Raises:
        SecateurError: a folder is missing, two sources define the same name, or an entry point names no module.
    """
    sources = [Source(path.stem, path, "built-in") for path in _files(BUILT_IN, ".py")]
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise SecateurError(f"criteria_path: folder '{folder}' does not exist.")
        sources += [Source(path.stem, path, "file") for path in _files(folder, ".py")]
        sources += [Source(path.stem, path, "rule") for path in _files(folder, ".smk")]
    sources += [Source(path.stem, path, "rule") for path in _files(shipped.find(RULES), ".smk")]
    sources += [_packaged(point) for point in _points(tuple(sys.path))]
    by_name: dict[str, Source] = {}
    for source in sources:
        if source.name in by_name and source.path.resolve() != by_name[source.name].path.resolve():
            raise SecateurError(
                f"criterion '{source.name}' is defined twice: {by_name[source.name].path} and {source.path}. "
                "Rename one of them."
            )
        by_name.setdefault(source.name, source)
    return by_name


@functools.cache
def _points(_places: tuple[str, ...]) -> tuple[importlib.metadata.EntryPoint, ...]:
    """The entry points of installed packages; once for each search path, as every package's list is read for it."""
    return tuple(importlib.metadata.entry_points(group=GROUP))


def source_of(name: str, folders: Iterable[str | Path] = ()) -> Source:
    """The source of criterion `name`; an unknown name is a SecateurError that lists what there is."""
    sources = find(folders)
    if name not in sources:
        near = difflib.get_close_matches(name, sources, 1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise SecateurError(
            f"criteria: unknown criterion '{name}'; known are {', '.join(sources)}.{hint} "
            f"A new one is a file {name}.py in {BUILT_IN.name}/ or in a folder named by criteria_path, a rule "
            f"{name}.smk there or in workflow/rules/criteria/, or an installed package's entry point."
        )
    return sources[name]


def path_of(name: str, folders: Iterable[str | Path] = ()) -> Path:
    """The file of criterion `name`; errors as of `source_of`."""
    return source_of(name, folders).path


def describe(name: str, folders: Iterable[str | Path] = ()) -> str:
    """The criterion in one line, read without running it: its docstring's or its rule's first ('' where none is)."""
    source = source_of(name, folders)
    if source.kind == "rule":
        return next((line for line in _comments(_text(source))), "")
    return (ast.get_docstring(parsed(source)) or "").partition("\n")[0]


def parsed(source: Source) -> ast.Module:
    """The syntax tree of a criterion's file, which is not run; one that is no Python is a SecateurError."""
    text = _text(source)
    try:
        return ast.parse(text)
    except SyntaxError as error:
        raise SecateurError(f"criterion '{source.name}': {source.path}, line {error.lineno}: {error.msg}.") from None
    except (ValueError, RecursionError, MemoryError) as error:  # NUL bytes; expressions that lie too deep
        raise SecateurError(f"criterion '{source.name}': {source.path}: not Python ({error}).") from None


def _text(source: Source) -> str:
    try:
        return loaded.text(source.loaded_as, source.path).decode()
    except ValueError as error:
        raise SecateurError(f"criterion '{source.name}': {source.path}: not UTF-8 text ({error}).") from None


def check_options(name: str, chosen: Iterable[str], folders: Iterable[str | Path], key: str) -> None:
    """Raise a SecateurError that names the config's `key` for an option that criterion `name` has not.

    Its file is read and not run; where `score` is not written out in it, or wrapped, only ranking tells.
    """
    for statement in parsed(source_of(name, folders)).body:
        if isinstance(statement, ast.FunctionDef) and statement.name == "score" and not statement.decorator_list:
            given = zip(statement.args.kwonlyargs, statement.args.kw_defaults, strict=True)
            known = {option.arg: ast.unparse(default) if default else "none" for option, default in given}
            for option in chosen:
                if option not in known:
                    raise SecateurError(f"{key}: {_unknown(name, option, known)}")


def in_process(entries: Iterable[dict[str, Any]], folders: Iterable[str | Path] = ()) -> list[dict[str, Any]]:
    """The config's entries whose criterion is a Python function; a Snakemake rule can only be run by the workflow."""
    return [entry for entry in entries if source_of(entry["criterion"], folders).kind != "rule"]


def load(name: str, folders: Iterable[str | Path] = ()) -> Criterion:
    """Import criterion `name` and check what it defines; a rule's `score` runs the rule.

    Raises:
        SecateurError: unknown name, a file that cannot be imported, no function `score(network, *, ...)`, or an
            unknown `NORMALISATION`, `COMBINE` or `NEEDS`.
    """
    source = source_of(name, folders)
    if source.kind == "rule":
        return _rule(source)
    with contained(f"criterion '{name}': {source.path} cannot be imported: it"):
        module = importlib.import_module(source.module) if source.module else _imported(source)
    score = getattr(module, "score", None)
    if not callable(score):
        raise SecateurError(f"criterion '{name}': {source.path} defines no function score(network).")
    with contained(f"criterion '{name}' ({source.path})"):
        options = {
            parameter.name: parameter.default
            for parameter in inspect.signature(score).parameters.values()
            if parameter.kind is inspect.Parameter.KEYWORD_ONLY
        }
        stated = {key: getattr(module, key.upper()) for key in _STATED if hasattr(module, key.upper())}
        needs = tuple(getattr(module, "NEEDS", ("samples", "labels")))
        paper = str(getattr(module, "PAPER", ""))
    criterion = Criterion(
        name, _run(score, name, source), source.path, needs=needs, options=options, paper=paper, **stated
    )
    return _checked(criterion, source)


def _run(score: Callable[..., Any], name: str, source: Source) -> Callable[..., Any]:
    """`score`, contained: it returns, or ends in a SecateurError that names the criterion."""

    @functools.wraps(score)
    def run(*args: Any, **options: Any) -> Any:
        with contained(f"criterion '{name}' ({source.path})"):
            return score(*args, **options)

    return run


def with_options(criterion: Criterion, chosen: dict[str, Any]) -> dict[str, Any]:
    """The options to call `criterion.score` with: `chosen`, checked against those that it has."""
    for key in chosen:
        if key not in criterion.options:
            known = {name: repr(value) for name, value in criterion.options.items()}
            raise SecateurError(_unknown(criterion.name, key, known))
    return dict(chosen)


def _unknown(criterion: str, option: str, known: dict[str, str]) -> str:
    told = ", ".join(f"{name} (default {default})" for name, default in known.items()) or "none"
    return f"criterion '{criterion}': unknown option '{option}'; it has: {told}."


def _files(folder: Path, suffix: str) -> list[Path]:
    return [path for path in sorted(folder.glob(f"*{suffix}")) if not path.name.startswith(("_", "test_"))]


def _packaged(point: importlib.metadata.EntryPoint) -> Source:
    """The module behind an entry point, found without importing it or the packages above it."""
    inner: list[str] = []
    try:
        top, *inner = point.module.split(".")
        specification = None if point.attr else importlib.util.find_spec(top)
    except (AttributeError, ValueError):  # Python's own words for a value that is no name of a module
        specification = None
    if specification is not None and specification.origin is not None:
        path = Path(specification.origin)
        if inner:
            path = path.parent.joinpath(*inner)
            path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if path.exists():
            return Source(point.name, path, "package", point.module)
    raise SecateurError(
        f"criterion '{point.name}': the entry point {GROUP} of an installed package says '{point.value}', which is no "
        "module that can be found; it must be package.module, with a function score(network) in it."
    )


def _imported(source: Source) -> Any:
    loader = loaded.Loader(source.loaded_as, str(source.path))
    specification = importlib.util.spec_from_file_location(source.loaded_as, source.path, loader=loader)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def _rule(source: Source) -> Criterion:
    """A rule as a criterion; what it needs is what files of the case its text names."""
    from secateur.ranking import outside

    text = _text(source)
    stated = dict(line.split(": ", 1) for line in _comments(text)[1:] if ": " in line)
    known: dict[str, Any] = {key: stated[key].strip() for key in ("normalisation", "combine", "paper") if key in stated}
    needs: tuple[str, ...] = ("samples", "labels") if outside.SAMPLES in text else ()
    needs = NEEDS if outside.SIGNALS in text else needs
    score = _run(functools.partial(outside.score_by_rule, source.name, source.path), source.name, source)
    return _checked(Criterion(source.name, score, source.path, needs=needs, kind="rule", **known), source)


def _comments(text: str) -> list[str]:
    """The comment lines at the head of a file, without their marks."""
    comments = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        comments.append(line.lstrip("# ").rstrip())
    return comments


def _checked(criterion: Criterion, source: Source) -> Criterion:
    name = criterion.name
    if criterion.normalisation not in NORMALISATIONS:
        raise SecateurError(
            f"criterion '{name}': NORMALISATION is {criterion.normalisation!r}; allowed: {NORMALISATIONS}."
        )
    if criterion.combine not in COMBINATIONS:
        raise SecateurError(f"criterion '{name}': COMBINE is {criterion.combine!r}; allowed: {COMBINATIONS}.")
    if unknown := [need for need in criterion.needs if need not in NEEDS]:
        raise SecateurError(f"criterion '{name}': NEEDS names {unknown[0]!r}; allowed: {NEEDS}, or () for no data.")
    return replace(criterion, kind=source.kind)
