"""Rules of the house that can be counted: short files, few parameters, imports that lead down and never round."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from secateur.config import REPOSITORY

SOURCES = sorted((REPOSITORY / "src").rglob("*.py"))
TESTS = sorted((REPOSITORY / "tests").rglob("*.py"))
LONGEST = 300
"""Lines of a file: fewer."""
MOST = 8
"""Parameters of a function, `self` included."""
COMMANDS = REPOSITORY / "src/secateur/cli"
"""Typer reads a subcommand's options from its function's signature: one parameter per option, however many."""
STOREYS = [
    {"data"}, {"models", "relevance"}, {"pruning"}, {"ranking", "repair", "portability"}, {"criteria", "remedies"},
    {"branches", "own"}, {"library"}, {"analysis"}, {"report"}, {"review"}, {"cli"}, {"dag"},
]  # fmt: skip
"""Rooms from the lowest up: what one of them imports lies no higher."""


def name_of(path: Path) -> str:
    """A module's name."""
    return ".".join(path.relative_to(REPOSITORY / "src").with_suffix("").parts).removesuffix(".__init__")


def imported(tree: ast.AST, known: set[str]) -> set[str]:
    """Modules of ours that a source imports, inside functions too."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            whole = {f"{node.module}.{alias.name}" for alias in node.names} & known
            found |= whole or {node.module} & known
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names} & known
    return found


def crowded(tree: ast.AST, command_line: bool) -> list[str]:
    """Functions with too many parameters; subcommands are left out where `command_line`."""
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        is_command = any(ast.unparse(each).endswith((".command()", ".callback()")) for each in node.decorator_list)
        given = node.args
        every = [*given.posonlyargs, *given.args, *given.kwonlyargs, *filter(None, (given.vararg, given.kwarg))]
        if len(every) > MOST and not (command_line and is_command):
            found.append(f"{node.name}: {len(every)}")
    return found


@pytest.fixture(scope="module")
def trees() -> dict[Path, ast.Module]:
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES}


def test_no_function_has_more_parameters_than_a_reader_can_hold(trees):
    found = {name_of(path): crowded(tree, COMMANDS in path.parents) for path, tree in trees.items()}
    assert {name: functions for name, functions in found.items() if functions} == {}


def test_a_crowded_function_is_found_and_a_subcommand_is_not():
    many = ", ".join("abcdefgh")
    assert crowded(ast.parse(f"def f({many}, *, i): ..."), True) == ["f: 9"]
    assert crowded(ast.parse(f"class A:\n    def f(self, {many[3:]}, **i): ..."), True) == ["f: 9"]
    assert crowded(ast.parse(f"def f({many}): ..."), False) == []
    command = ast.parse(f"@app.command()\ndef f({many}, i): ...")
    assert crowded(command, True) == [] and crowded(command, False) == ["f: 9"]


@pytest.mark.parametrize("folder", ["src", "tests"])
def test_every_file_is_short_enough_to_have_one_subject(folder):
    lengths = {path: path.read_text(encoding="utf-8").count("\n") for path in (SOURCES if folder == "src" else TESTS)}
    found = {path.relative_to(REPOSITORY).as_posix(): lines for path, lines in lengths.items() if lines >= LONGEST}
    assert found == {} and len(lengths) > 200


def test_no_import_leads_round(trees):
    """Nor does one inside a function, which Python would bear; `TopologicalSorter` names the circle."""
    names = {name_of(path) for path in trees}
    leads = {name_of(path): imported(tree, names) - {name_of(path)} for path, tree in trees.items()}
    TopologicalSorter(leads).prepare()


def test_a_name_is_that_of_one_class(trees):
    named: dict[str, list[str]] = {}
    for path, tree in trees.items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                named.setdefault(node.name, []).append(name_of(path))
    assert {name: files for name, files in named.items() if len(files) > 1} == {}


def test_what_is_private_stays_in_its_file(trees):
    found = [
        f"{name_of(path)} imports {alias.name} of {node.module}"
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("secateur")
        for alias in node.names
        if alias.name.startswith("_") and not alias.name.startswith("__")
    ]
    assert found == []


def test_no_room_imports_from_above(trees):
    names = {name_of(path) for path in trees}
    height = {room: storey for storey, rooms in enumerate(STOREYS) for room in rooms}
    assert {name.split(".")[1] for name in names if name.count(".") > 1} == set(height), "a room without a storey"
    found = [
        f"{name_of(path)} imports {each}"
        for path, tree in trees.items()
        for each in imported(tree, names)
        if name_of(path).count(".") > 1 and each.count(".") > 1
        and height[name_of(path).split(".")[1]] < height[each.split(".")[1]]
    ]  # fmt: skip
    assert found == []
