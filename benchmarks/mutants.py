"""Wrong changes of the code, one at a time: does a fast test fail? A sample of cosmic-ray's mutants.

    make mutants                                   # 300 of them, to mutants.csv and docs/mutants.md
    python benchmarks/mutants.py --count 20 --rooms ranking
    python benchmarks/mutants.py --again --write   # the survivors of mutants.csv, with today's tests
    python benchmarks/mutants.py --page            # docs/mutants.md from mutants.csv and mutants_reasons.yaml

Places are drawn first and then one change at each, so that a place with many possible changes (a + has eleven) counts
once. Not drawn is what no test should depend on: annotations, what stands in an error's text, and what says only what
must never happen (arguments of `@dataclass`, `strict=` of zip). A mutant is killed when one of the fast tests that run
its line fails, or a test of the same files; those tests are known from one run of the fast tier under coverage
(`mutants_tests.py`). With `--write` both files are written after every mutant: a run that is cut short has its page.
"""

import argparse
import ast
import difflib
import random
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from mutants_outcome import KILLED, tried
from mutants_page import EQUIVALENT, RECORDS, Record, page, read, reasons, write
from mutants_tests import Covering, measured

from secateur.config import REPOSITORY
from secateur.files import write_text

ROOMS = ("relevance", "pruning", "ranking", "branches", "analysis")
LEFT_OUT = ("core/ExceptionReplacer", "core/RemoveDecorator")
"""Another exception is caught by no test that reads its text; without a decorator modules do not import."""
PAGE = REPOSITORY / "docs" / "mutants.md"
ALIKE = 0.8
"""How like its text of then (difflib's ratio) a line must be to be the same line: names are changed."""


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
    """Spans of a source (line and column) that no test should depend on: see above."""
    found: list[ast.AST] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation is not None:
            found.append(node.annotation)
        elif isinstance(node, ast.FunctionDef) and node.returns is not None:
            found.append(node.returns)
        elif isinstance(node, ast.Raise) and node.exc is not None:
            found.append(node.exc)
        elif isinstance(node, ast.ClassDef):
            made_by = [one for one in node.decorator_list if isinstance(one, ast.Call)]
            found += [one for one in made_by if isinstance(one.func, ast.Name) and one.func.id == "dataclass"]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "zip":
            found += [given.value for given in node.keywords if given.arg == "strict"]
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


def recorded(mutant: Mutant, seed: int, commit: str) -> Record:
    """What is written down of a mutant before it is tried."""
    before, after = ((text.splitlines() + [""] * mutant.line)[mutant.line - 1].strip() for text in (
        (REPOSITORY / mutant.path).read_text(encoding="utf-8"), changed(mutant)))  # fmt: skip
    path = mutant.path.removeprefix("src/secateur/")
    nth = [one.occurrence for one in _beside(mutant)].index(mutant.occurrence)
    return Record(path, mutant.line, mutant.operator.partition("/")[2], nth, before, after, commit=commit, seed=seed)


def _beside(mutant: Mutant) -> list[Mutant]:
    """The mutants of one line by one operator, in their order."""
    every = mutants(REPOSITORY / mutant.path)
    return [one for one in every if (one.operator, one.line) == (mutant.operator, mutant.line)]


def today(record: Record) -> Mutant | None:
    """The same change of a line with the same text, or with the text most like it; None where no line is like it.

    Of several lines the nearest is taken. A file that has gone is looked for in the whole room.
    """
    path = REPOSITORY / "src" / "secateur" / record.path
    paths = [path] if path.exists() else sorted((REPOSITORY / "src" / "secateur" / record.room).rglob("*.py"))
    places = [(one, number, text.strip()) for one in paths for number, text in _lines(one)]
    texts = difflib.get_close_matches(record.before, {text for _, _, text in places}, 1, ALIKE)
    alike: list[Mutant] = []
    for one, line, _ in (place for place in places if place[2] in texts):
        every = [it for it in mutants(one) if (it.operator.partition("/")[2], it.line) == (record.operator, line)]
        alike += every[record.nth : record.nth + 1]
    return min(alike, key=lambda one: (abs(one.line - record.line), one.path), default=None)


def _lines(path: Path) -> list[tuple[int, str]]:
    return list(enumerate(path.read_text(encoding="utf-8").splitlines(), 1))


def main() -> None:
    """Draw mutants or take those that survived, try each, and write or print the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rooms", default=",".join(ROOMS))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--tests", nargs="+", default=["tests"], help="the tests that are to kill them")
    parser.add_argument("--work", type=Path, default=REPOSITORY / "build" / "mutants", help="what is kept between runs")
    parser.add_argument("--again", action="store_true", help=f"those that survived by {RECORDS.name}, drawing none")
    parser.add_argument("--page", action="store_true", help=f"try none: write {PAGE.name} from {RECORDS.name}")
    parser.add_argument("--write", action="store_true", help=f"write {RECORDS.name} and {PAGE.name}")
    given = parser.parse_args()
    if given.page:
        write_text(PAGE, page(read(), reasons()))
        return
    covering: Covering = measured(given.work, given.jobs, given.tests)
    asked = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(asked, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.strip()
    if given.again:
        records = read()
        known = reasons()
        waiting = [n for n, one in enumerate(records) if one.stands and known.get(one.key, ("",))[0] != EQUIVALENT]
        places = [(n, mutant) for n in waiting if (mutant := today(records[n]))]
    else:
        chosen = drawn(given.rooms.split(","), given.count, given.seed)
        records = [recorded(mutant, given.seed, commit) for mutant in chosen]
        places = list(enumerate(chosen))
    tasks = [(mutant.path, changed(mutant), covering.of(mutant.path, mutant.line)) for _, mutant in places]
    for place, ((number, mutant), outcome) in enumerate(zip(places, tried(tasks, given.work, given.jobs), strict=True)):
        if not given.again:
            records[number] = replace(records[number], outcome=outcome.kind, tests=outcome.tests)
        elif outcome.kind == KILLED:
            records[number] = replace(records[number], killed_since=commit)
        print(f"{place + 1}/{len(places)} {outcome.kind:8} {outcome.seconds:5.1f} s  {mutant.name}", flush=True)
        if given.write:
            write(records)
            write_text(PAGE, page(records, reasons()))
    if not given.write:
        print(page(records, reasons()))


if __name__ == "__main__":
    main()
