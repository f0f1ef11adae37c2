"""Wrong changes of the code, one at a time: does a fast test fail? A sample of cosmic-ray's mutants.

    make mutants                                   # 300 of them, to docs/mutants.md
    python benchmarks/mutants.py --count 20 --rooms ranking

Places are drawn first and then one change at each, so that a place with many possible changes (a + has eleven) counts
once. Not drawn are annotations and what stands in an error's text: no test should depend on these. A mutant is killed
when one of the fast tests that run its line fails, or a test of the same files; those tests are known from one run of
the fast tier under coverage (`mutants_tests.py`).
"""

import argparse
import ast
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mutants_outcome import INVALID, KILLED, SURVIVED, Outcome, tried
from mutants_tests import Covering, measured

from secateur.config import REPOSITORY
from secateur.files import write_text

ROOMS = ("relevance", "pruning", "ranking", "branches", "analysis")
LEFT_OUT = ("core/ExceptionReplacer", "core/RemoveDecorator")
"""Another exception is caught by no test that reads its text; without a decorator modules do not import."""
PAGE = REPOSITORY / "docs" / "mutants.md"


@dataclass(frozen=True)
class Mutant:
    """One change of one file: cosmic-ray's operator, with its arguments, at one of the places that it finds."""

    path: str
    operator: str
    occurrence: int
    line: int
    column: int

    @property
    def name(self) -> str:
        """Such as "ranking/ties.py:31 ReplaceComparisonOperator_Lt_LtE"."""
        return f"{self.path.removeprefix('src/secateur/')}:{self.line} {self.operator.partition('/')[2]}"


def mutants(path: Path) -> Iterator[Mutant]:
    """Every mutant of a file."""
    from cosmic_ray.ast import ast_nodes, get_ast_from_path
    from cosmic_ray.plugins import get_operator, operator_names

    nodes = list(ast_nodes(get_ast_from_path(path)))
    silent = unjudged(path.read_text(encoding="utf-8"))
    for name in operator_names():
        kind = get_operator(name)
        if name in LEFT_OUT or kind.arguments():
            continue
        operator = kind()
        places = (start for node in nodes for start, _ in operator.mutation_positions(node))
        for occurrence, (line, column) in enumerate(places):
            if not any(start <= (line, column) < end for start, end in silent):
                yield Mutant(str(path.relative_to(REPOSITORY)), name, occurrence, line, column)


def unjudged(source: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Spans of a source (line and column) that no test should depend on: annotations, errors' texts."""
    found: list[ast.AST] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation is not None:
            found.append(node.annotation)
        elif isinstance(node, ast.FunctionDef) and node.returns is not None:
            found.append(node.returns)
        elif isinstance(node, ast.Raise) and node.exc is not None:
            found.append(node.exc)
    return [((node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)) for node in found]  # type: ignore[attr-defined]


def drawn(rooms: list[str], count: int, seed: int) -> list[Mutant]:
    """`count` mutants, each at a place of its own, of the rooms as they have places."""
    every: dict[tuple[str, int, int], list[Mutant]] = {}
    for room in rooms:
        for path in sorted((REPOSITORY / "src" / "secateur" / room).rglob("*.py")):
            for mutant in mutants(path):
                every.setdefault((mutant.path, mutant.line, mutant.column), []).append(mutant)
    draw = random.Random(f"mutants {seed}")
    places = draw.sample(sorted(every), min(count, len(every)))
    return [draw.choice(every[place]) for place in places]


def changed(mutant: Mutant) -> str:
    """The text of the mutant's file with the change in it."""
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator

    source = (REPOSITORY / mutant.path).read_text(encoding="utf-8")
    text: str | None = mutate_code(source, get_operator(mutant.operator)(), mutant.occurrence)
    assert text is not None, mutant
    return text


def page(found: list[tuple[Mutant, Outcome]], seed: int) -> str:
    """The page: how many were killed, by room, and every survivor with its line before and after."""
    judged = [(mutant, outcome) for mutant, outcome in found if outcome.kind != INVALID]
    killed = sum(outcome.kind == KILLED for _, outcome in judged)
    lines = [
        "# Mutants", "",
        "Wrong changes of the code, drawn at random: does a fast test fail? Made by `make mutants`; how is said in "
        "`benchmarks/mutants.py`.", "",
        f"**{killed} of {len(judged)} killed ({100 * killed / max(1, len(judged)):.0f} %).** Drawn with seed {seed}; "
        f"{len(found) - len(judged)} more did not import and are not counted.", "",
        "| room | drawn | killed | run by no fast test |", "|---|---:|---:|---:|",
    ]  # fmt: skip
    for room in dict.fromkeys(sorted(mutant.path.split("/")[2] for mutant, _ in judged)):
        own = [outcome for mutant, outcome in judged if mutant.path.split("/")[2] == room]
        lines.append(
            f"| {room} | {len(own)} | {sum(one.kind == KILLED for one in own)} | "
            f"{sum(one.kind == SURVIVED and not one.tests for one in own)} |"
        )
    lines += [
        "",
        "## Survivors",
        "",
        "| where and what | before | after | fast tests that ran the line |",
        "|---|---|---|---:|",
    ]
    for mutant, outcome in sorted(judged, key=lambda pair: pair[0].name):
        if outcome.kind == SURVIVED:
            before, after = (_cell(text.splitlines()[mutant.line - 1]) for text in (
                (REPOSITORY / mutant.path).read_text(encoding="utf-8"), changed(mutant)))  # fmt: skip
            lines.append(f"| {mutant.name} | {before} | {after} | {outcome.tests} |")
    return "\n".join(lines) + "\n"


def _cell(line: str) -> str:
    return "`" + line.strip().replace("|", "¦").replace("`", "'") + "`"


def main() -> None:
    """Draw mutants, try each, and write or print the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rooms", default=",".join(ROOMS))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--tests", default="tests", help="the tests that are to kill them")
    parser.add_argument("--work", type=Path, default=REPOSITORY / "build" / "mutants", help="what is kept between runs")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name}")
    given = parser.parse_args()
    covering: Covering = measured(given.work, given.jobs, given.tests)
    chosen = drawn(given.rooms.split(","), given.count, given.seed)
    tasks = [(mutant.path, changed(mutant), covering.of(mutant.path, mutant.line)) for mutant in chosen]
    found: list[tuple[Mutant, Outcome]] = []
    for mutant, outcome in zip(chosen, tried(tasks, given.work, given.jobs), strict=True):
        found.append((mutant, outcome))
        print(f"{len(found)}/{len(chosen)} {outcome.kind:8} {outcome.seconds:5.1f} s  {mutant.name}", flush=True)
    text = page(found, given.seed)
    if given.write:
        write_text(PAGE, text)
    else:
        print(text)


if __name__ == "__main__":
    main()
