"""What a stage's results depend on: the sources that its subcommand imports, read from their syntax trees, and hashes.

Nothing is imported for it. A module counts whole, with all that it imports, inside functions too. Of the command line
(`secateur.cli`) only the definitions count that the subcommand uses, or every new subcommand would rerun all stages;
of a package's `__init__`, what functions import counts where they are used. What a registry loads by name, a criterion
or an architecture of ours, counts where the stage imports the registry, and then only what the job has chosen.
"""

import ast
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from secateur.errors import SecateurError

ROOT = Path(__file__).parent
PACKAGE = "secateur"
COMMANDS = f"{PACKAGE}.cli"
UNCOUNTED = frozenset({f"{PACKAGE}.config", f"{PACKAGE}.config_datasets"})
"""What they make of a config is a param of every job that depends on it."""
REGISTRIES = {
    f"{PACKAGE}.ranking.registry": "criteria",
    f"{PACKAGE}.models.own": "architectures",
    f"{PACKAGE}.repair.registry": "remedies",
}
"""Modules that load others by name, and what they load."""
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
IMPORTS = (ast.Import, ast.ImportFrom)


class Chosen(NamedTuple):
    """What a registry loads for a job: name of the module, and its file (which counts as it is if it is no Python)."""

    module: str
    path: Path


class Import(NamedTuple):
    """`import module`, or `from module import name`; `used` are the attributes that are asked of what is imported."""

    module: str
    name: str
    used: frozenset[str]


def of_command(command: str, chosen: Mapping[str, Sequence[Chosen]]) -> dict[str, str]:
    """Name of module → hash, of all that a subcommand depends on; of the command line, "module:definitions" → hash.

    Args:
        command: the subcommand's words, such as "fewshot" or "data make".
        chosen: "criteria" and "architectures" → those that the job uses.

    Raises:
        SecateurError: there is no such subcommand, or a source is not valid Python.
    """
    reached = _Reached(chosen)
    module, function = _entry(command)
    reached.add(module, frozenset([function]))
    return dict(sorted(reached.hashes()))


def beside() -> dict[str, str]:
    """The same of what does not count and is run all the same: the modules of the config and what they import."""
    reached = _Reached({})
    reached.uncounted = frozenset()
    for module in UNCOUNTED:
        reached.add(module)
    return dict(sorted(reached.hashes()))


def digest(hashes: Mapping[str, str]) -> str:
    """One hash of many: 16 hexadecimal digits."""
    lines = "".join(f"{name} {value}\n" for name, value in sorted(hashes.items()))
    return hashlib.sha256(lines.encode()).hexdigest()[:16]


def hash_of(text: bytes, definitions: Iterable[str] = ()) -> str:
    """MD5 of a source; with `definitions`, of those and of what they use of the same file."""
    if definitions:
        text = _segments(text, frozenset(definitions)).encode()
    return hashlib.md5(text, usedforsecurity=False).hexdigest()


@cache
def read(path: Path) -> bytes:
    """A source as it was when this process first asked for it."""
    return path.read_bytes()


class _Reached:
    """The modules that a job depends on, and the names that are used of those that count by name."""

    def __init__(self, chosen: Mapping[str, Sequence[Chosen]]) -> None:
        self.chosen = chosen
        self.names: dict[str, frozenset[str]] = {}
        self.paths: dict[str, Path] = {}
        self.bases = {PACKAGE: ROOT.parent}
        self.uncounted = UNCOUNTED

    def add(self, module: str, names: frozenset[str] = frozenset()) -> None:
        """Count a module of which `names` are used, the packages that it lies in, and what all these import."""
        path = self.locate(module)
        if path is None or module in self.uncounted:
            return
        by_name = path.name == "__init__.py" or _is_command(module)
        wanted = self.names.get(module, frozenset()) | names if by_name else frozenset()
        if self.names.get(module) == wanted:
            return
        self.names[module], self.paths[module] = wanted, path
        self.add(module.rpartition(".")[0])
        if path.suffix == ".py":
            package = module if path.name == "__init__.py" else module.rpartition(".")[0]
            for each in _imports(path, package, wanted if by_name else None, not _is_command(module)):
                if each.name and self.locate(f"{each.module}.{each.name}"):
                    self.add(f"{each.module}.{each.name}", each.used)
                else:
                    self.add(each.module, frozenset([each.name]) if each.name else each.used)
        for choice in self.chosen.get(REGISTRIES.get(module, ""), ()):
            self.choose(choice)

    def choose(self, choice: Chosen) -> None:
        """Count what a registry loads, and of a package that is not ours all that it imports of itself."""
        top = choice.module.partition(".")[0]
        if top not in self.bases:
            depth = choice.module.count(".") + (choice.path.name == "__init__.py")
            self.bases[top] = choice.path.resolve().parents[depth]
        self.paths[choice.module] = choice.path
        self.add(choice.module)

    def locate(self, module: str) -> Path | None:
        """The file of a module of ours or of a chosen package; None for all others."""
        top = module.partition(".")[0]
        if module in self.paths or top not in self.bases:
            return self.paths.get(module)
        return _located(module, self.bases[top])

    def hashes(self) -> Iterator[tuple[str, str]]:
        """Name → hash of all that was reached."""
        for module, names in self.names.items():
            listed = ",".join(sorted(names))
            if not _is_command(module):
                yield module, _hash(self.paths[module])
            elif names:
                yield f"{module}:{listed}", _hash(self.paths[module], names)


_hash = cache(lambda path, definitions=frozenset(): hash_of(read(path), definitions))


def _is_command(module: str) -> bool:
    return f"{module}.".startswith(f"{COMMANDS}.")


@cache
def _located(module: str, base: Path) -> Path | None:
    path = base.joinpath(*module.split("."))
    return next((file for file in (path / "__init__.py", path.with_name(f"{path.name}.py")) if file.is_file()), None)


@cache
def _entry(command: str) -> tuple[str, str]:
    """Module and function of a subcommand."""
    group, _, name = command.replace("-", "_").rpartition(" ")
    for path in sorted((ROOT / "cli").glob("*.py")):
        groups = dict(_groups(_tree(path)))
        for statement in _tree(path).body:
            if isinstance(statement, ast.FunctionDef) and statement.name == name and statement.decorator_list:
                owner = next(node.id for node in ast.walk(statement.decorator_list[0]) if isinstance(node, ast.Name))
                if groups.get(owner, "") == group:
                    return f"{COMMANDS}.{path.stem}", name
    raise SecateurError(f"there is no subcommand 'secateur {command}'.")


def _groups(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Variable → name of each group of subcommands in a file: of every app.add_typer(variable, name="name")."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="add_typer"), args=[ast.Name(id=variable)], keywords=keywords):
                for keyword in keywords:
                    if keyword.arg == "name" and isinstance(keyword.value, ast.Constant):
                        yield variable, str(keyword.value.value)


@cache
def _tree(path: Path) -> ast.Module:
    try:
        return ast.parse(read(path))
    except (SyntaxError, ValueError) as error:  # ValueError: a zero byte
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
        raise SecateurError(f"{path}{line}: {getattr(error, 'msg', error)}.") from None


@cache
def _imports(path: Path, package: str, names: frozenset[str] | None, executed: bool) -> tuple[Import, ...]:
    """What a file in `package` imports: all of it, or what its definitions `names` need.

    `executed`: and what else is imported when the file is, as its functions are not.
    """
    tree = _tree(path)
    if names is None:
        return tuple(_imported(tree.body, package))
    needed, wanted = _needed(tree, names)
    imports = list(_imported(needed, package, wanted))
    if executed:
        rest = [each for each in tree.body if not isinstance(each, DEFINITIONS)]
        imports += [each._replace(used=frozenset()) for each in _imported(rest, package)]
    return tuple(imports)


def _imported(statements: Sequence[ast.stmt], package: str, wanted: frozenset[str] | None = None) -> Iterator[Import]:
    """Every import in statements; of those among the statements themselves only what binds a name that is wanted."""
    nodes = [node for statement in statements for node in _run(statement)]
    used: dict[str, set[str]] = {}
    for node in nodes:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            used.setdefault(node.value.id, set()).add(node.attr)
    for node in nodes:
        if isinstance(node, IMPORTS):
            for alias in node.names:
                bound = alias.asname or alias.name.partition(".")[0]
                if wanted is None or node not in statements or bound in wanted or alias.name == "*":
                    attributes = frozenset(used.get(bound, ()))
                    if isinstance(node, ast.Import):
                        yield Import(alias.name, "", attributes)
                    else:
                        yield Import(_absolute(node, package), alias.name, attributes)


def _absolute(node: ast.ImportFrom, package: str) -> str:
    """The module that `from … import` names, which may do so relative to its package."""
    above = package.split(".")[: package.count(".") + 2 - node.level] if node.level else []
    return ".".join([*above, *([node.module] if node.module else [])])


def _run(node: ast.AST) -> Iterator[ast.AST]:
    """A node and all that is in it, without what only a type checker looks at."""
    waiting = [node]
    while waiting:
        yield (node := waiting.pop())
        hidden = node.body if isinstance(node, ast.If) and _for_types(node.test) else ()
        waiting += [child for child in ast.iter_child_nodes(node) if child not in hidden]


def _for_types(test: ast.expr) -> bool:
    return "TYPE_CHECKING" in (getattr(test, "id", ""), getattr(test, "attr", ""))


def _bound(statement: ast.stmt) -> set[str]:
    """The names that a statement at the top of a file defines."""
    if isinstance(statement, DEFINITIONS):
        return {statement.name}
    names = set()
    for node in _run(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, IMPORTS):
            names |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
    return names


def _needed(tree: ast.Module, names: frozenset[str]) -> tuple[list[ast.stmt], frozenset[str]]:
    """The statements at the top of a file that define `names` and what these use in turn, and all the names in use."""
    bound = {index: _bound(statement) for index, statement in enumerate(tree.body)}
    needed: set[int] = set()
    wanted = set(names)
    while more := {index for index, given in bound.items() if index not in needed and given & wanted}:
        needed |= more
        for index in more:
            wanted |= {node.id for node in _run(tree.body[index]) if isinstance(node, ast.Name)}
    return [tree.body[index] for index in sorted(needed)], frozenset(wanted)


def _segments(text: bytes, definitions: frozenset[str]) -> str:
    """The source of `definitions` and of what they use; of imports only the names that are used."""
    statements, wanted = _needed(ast.parse(text), definitions)
    lines = text.decode().splitlines()
    kept = []
    for statement in statements:
        if isinstance(statement, IMPORTS):
            where = f"from {statement.module} " if isinstance(statement, ast.ImportFrom) else ""
            each = [alias for alias in statement.names if (alias.asname or alias.name.partition(".")[0]) in wanted]
            kept += [f"{where}import {ast.unparse(alias)}" for alias in each]
        else:
            first = min([statement.lineno, *(each.lineno for each in getattr(statement, "decorator_list", []))])
            kept += lines[first - 1 : statement.end_lineno]
    return "\n".join(kept)
