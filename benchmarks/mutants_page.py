"""What became of the mutants that were drawn (mutants.csv), why some survive (mutants_reasons.yaml), the page of both.

A mutant is known by its file, the text of its line, the change, and which of the line's places it is: lines move.
"""

import csv
from dataclasses import asdict, dataclass, fields
from io import StringIO
from pathlib import Path
from typing import Any

import yaml
from mutants_outcome import INVALID, KILLED, SURVIVED

from secateur.errors import SecateurError
from secateur.files import write_text

RECORDS = Path(__file__).with_name("mutants.csv")
REASONS = Path(__file__).with_name("mutants_reasons.yaml")
EQUIVALENT = "equivalent"
KINDS = {
    EQUIVALENT: "changes nothing that is computed or said",
    "slow": "seen by a test of the slow tier alone",
    "open": "no test sees it",
}
"""Why a mutant may survive, in words."""


@dataclass(frozen=True)
class Record:
    """One mutant and what became of it.

    `path`: below src/secateur; `nth`: of the places on the line that the operator changes; `outcome`: "" for one that
    was drawn and not tried; `tests`: how many it was tried with; `killed_since`: the commit whose tests kill it, where
    it survived at first.
    """

    path: str
    line: int
    operator: str
    nth: int
    before: str
    after: str
    outcome: str = ""
    tests: int = 0
    killed_since: str = ""
    commit: str = ""
    seed: int = 1

    @property
    def name(self) -> str:
        """Such as "ranking/ties.py:31 ReplaceComparisonOperator_Lt_LtE"."""
        return f"{self.path}:{self.line} {self.operator}"

    @property
    def room(self) -> str:
        """Such as "ranking"."""
        return self.path.partition("/")[0]

    @property
    def stands(self) -> bool:
        """Whether it survived and no later test is known to kill it."""
        return self.outcome == SURVIVED and not self.killed_since

    @property
    def key(self) -> tuple[str, str, str]:
        """What a reason names it by."""
        return self.path, self.before, self.after


def read(path: Path = RECORDS) -> list[Record]:
    """The records of a file, in the order in which they were drawn."""
    with path.open(encoding="utf-8", newline="") as stream:
        whole = {field.name for field in fields(Record) if field.type is int}
        return [
            Record(**{name: int(value) if name in whole else value for name, value in row.items()})  # type: ignore[arg-type]
            for row in csv.DictReader(stream)
        ]


def write(records: list[Record], path: Path = RECORDS) -> None:
    """Write records as `read` reads them."""
    text = StringIO(newline="")
    table = csv.DictWriter(text, [field.name for field in fields(Record)], lineterminator="\n")
    table.writeheader()
    table.writerows(map(asdict, records))
    write_text(path, text.getvalue())


def reasons(path: Path = REASONS) -> dict[tuple[str, str, str], tuple[str, str]]:
    """Key of a mutant → why it survives: a kind of `KINDS`, and a sentence.

    Raises:
        SecateurError: an entry of another kind, or without a sentence.
    """
    known = {}
    entries: list[dict[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8"))
    for entry in entries:
        if entry.get("kind") not in KINDS or not entry.get("because"):
            raise SecateurError(f"{path}: {entry} needs `kind` ({', '.join(KINDS)}) and `because`.")
        known[entry["file"], entry["line"], entry["changed"]] = (entry["kind"], entry["because"])
    return known


def page(records: list[Record], known: dict[tuple[str, str, str], tuple[str, str]]) -> str:
    """The page: how many were killed, by room, and every survivor with its line before and after, and why."""
    judged = [one for one in records if one.outcome in (KILLED, SURVIVED)]
    invalid = sum(one.outcome == INVALID for one in records)
    equal = [one for one in judged if one.stands and known.get(one.key, ("",))[0] == EQUIVALENT]
    telling = [one for one in judged if one not in equal]
    first = sum(one.outcome == KILLED for one in judged)
    since = sum(bool(one.killed_since) for one in judged)
    drawn = f"Drawn with seed {records[0].seed}" if records else "None was drawn"
    lines = [
        "# Mutants", "",
        "Wrong changes of the code, drawn at random: does a fast test fail? Made by `make mutants`; how is said in "
        "`benchmarks/mutants.py`.", "",
        f"- **{first} of {len(judged)} killed ({_share(first, len(judged))}) by the tests as they were** at commit "
        f"{', '.join(sorted({one.commit for one in judged})) or 'none'}. This is the figure for changes that nobody "
        "has looked at.",
        f"- {len(equal)} of the others change nothing that is computed or said. **Of the {len(telling)} that change "
        f"anything, {first} were killed ({_share(first, len(telling))}); with the tests that were written since in "
        f"answer to survivors, {first + since} ({_share(first + since, len(telling))})** (tried again at "
        f"{', '.join(sorted({one.killed_since for one in judged if one.killed_since})) or 'no later commit'}). "
        "Those tests are aimed at these very mutants: another seed (`--seed`) says what they do beyond them.",
        f"- {drawn}: {len(records)} mutants, of which {len(judged) + invalid} were tried"
        f"{', in the order of the draw; the run was cut short' if len(judged) + invalid < len(records) else ''}. "
        f"{invalid} could not be imported or let no test be collected, and are not counted.",
        "",
        "| room | tried | killed | killed by tests since | equivalent | survive | run by no fast test |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]  # fmt: skip
    for room in sorted({one.room for one in judged}):
        own = [one for one in judged if one.room == room]
        counts = [
            len(own),
            sum(one.outcome == KILLED for one in own),
            sum(bool(one.killed_since) for one in own),
            sum(one in equal for one in own),
            sum(one.stands and one not in equal for one in own),
            sum(one.outcome == SURVIVED and not one.tests for one in own),
        ]
        lines.append(f"| {room} | {' | '.join(map(str, counts))} |")
    survivors = sorted((one for one in judged if one.outcome == SURVIVED), key=lambda one: one.name)
    lines += ["", "## Survivors of the first run", "",
              "`tests`: how many fast tests it was tried with.", "",
              "| where and what | before | after | tests | why |", "|---|---|---|---:|---|"]  # fmt: skip
    for one in survivors:
        kind, because = known.get(one.key, ("", ""))
        why = f"{KINDS[kind]}: {because}" if kind else "no reason is known"
        if one.killed_since:
            why = f"killed by a test written since (commit {one.killed_since})"
        lines.append(f"| {one.name} | {_cell(one.before)} | {_cell(one.after)} | {one.tests} | {why} |")
    return "\n".join(lines) + "\n"


def _share(part: int, whole: int) -> str:
    return f"{100 * part / max(1, whole):.0f} %"


def _cell(line: str) -> str:
    return "`" + line.strip().replace("|", "¦").replace("`", "'") + "`"
