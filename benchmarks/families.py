"""The table of families: of every module of timm the smallest member, its units, and whether they go exactly.

    python benchmarks/families.py [--only NAME ...]    prints rows; names are modules of timm or architectures
    python benchmarks/families.py --write              also puts them into docs/architectures.md
    python benchmarks/families.py --units --write      after a change of the units: relevance stays as the page has it
    python benchmarks/families.py --changed --write    the same, and where the units are the page's, their removal too
    python benchmarks/families.py --choose             chooses the members anew (benchmarks/families.json): minutes

Each family has a process and a limit of its own, so that one that hangs, crashes or takes all memory is a row that says
so. With --fresh each pruned network is loaded in a new Python process. Rows that are not asked for stay as they are in
the page; its sentences are made of its rows.
"""

import argparse
import json
import multiprocessing
import os
import platform
import resource
import signal
import sys
import traceback
import warnings
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import family_choice
import family_evidence
import torch
from family_evidence import LIMIT

from secateur.files import read_json, write_text

PAGE = Path(__file__).parents[1] / "docs" / "architectures.md"
CHOSEN = Path(__file__).with_suffix(".json")
BEGIN, END = "<!-- families: begin -->", "<!-- families: end -->"
PROCESSOR_SECONDS = 300
WALL_SECONDS = 1800
MEMORY = 12 * 2**30
TRACING = 2.0
SHOWN = 3  # reasons in a cell
HEADER = ("family", "smallest member", "input", "units", "parameters in units", "with channels of heads")
HEADER = (*HEADER, "with channels of streams", "removal against the mask", "relevance against the oracle")
HEADER = (*HEADER, "same after loading", "seconds to trace", "left out, and why")
UNITS, SHARE, WITH_HEADS, WITH_STREAMS, REMOVAL, RELEVANCE, SAVED, SECONDS = range(3, len(HEADER) - 1)
MOST_OF_IT = 80
"""Share of the parameters, in per cent, above which a family's units are said to cover it."""


def child(architecture: str, fresh: bool, earlier: Mapping[str, str], line: Connection) -> None:
    """Find the evidence about one network and send it; a traceback is evidence too."""
    sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115 - networks' own warnings
    torch.set_num_threads(1)
    resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR_SECONDS, PROCESSOR_SECONDS + 5))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    warnings.simplefilter("ignore")
    try:
        member = family_choice.member(architecture)
        line.send({"side": member.side, **family_evidence.evidence(member, fresh, earlier)})
    except BaseException as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        said = f"traceback: {type(error).__name__}: {family_evidence.short(error)} ({Path(place.filename).name})"
        line.send({"failed": said})


def row(family: str, architecture: str, fresh: bool, earlier: Mapping[str, str] = family_evidence.NOTHING) -> list[str]:
    """One row of the table, whatever happens to the process that finds it out; arguments as of `evidence`."""
    here, there = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=child, args=(architecture, fresh, earlier, there))
    process.start()
    there.close()
    found: dict[str, Any] = {"failed": f"traceback: no answer in {WALL_SECONDS} s"}
    try:
        if here.poll(WALL_SECONDS):
            found = here.recv()
    except EOFError:
        process.join()
        code = -(process.exitcode or 0)
        ended = signal.Signals(code).name if code > 0 else f"exit code {-code}"
        limit = f" after {PROCESSOR_SECONDS} s of processor time" if ended in ("SIGXCPU", "SIGKILL") else ""
        found = {"failed": f"traceback: ended by {ended}{limit}"}
    process.kill()
    process.join()
    return cells(family, architecture, found)


def cells(family: str, architecture: str, found: dict[str, Any]) -> list[str]:
    """The cells of a row."""
    if "failed" in found:
        return [family, architecture, *[""] * (len(HEADER) - 3), found["failed"]]
    reasons = found["left out"].split("; ")
    shown = "; ".join(reasons[:SHOWN]) + (f"; {len(reasons) - SHOWN} more reasons" if len(reasons) > SHOWN else "")
    return [
        family,
        architecture,
        f"{found['side']} px",
        found["units"],
        f"{100 * found['coverage']:.0f}%",
        found["head_channels"],
        found["embedding"],
        number(found["removal"]),
        number(found["relevance"]),
        number(found["saved"]),
        f"{found['seconds']:.1f}",
        shown,
    ]


def number(value: float | str) -> str:
    """A difference as a cell has it; words stay."""
    return value if isinstance(value, str) else f"{value:.0e}"


def exact(cell: str) -> bool:
    """Whether a cell holds a difference within the limit, a refusal, or nothing that could differ."""
    try:
        return float(cell) <= LIMIT
    except ValueError:
        return cell in ("", "yes") or cell.startswith("refused:")


def sentences(rows: list[list[str]], missing: Sequence[str] = ()) -> str:
    """What the table's rows say together, and which families have no row."""
    failed = [row for row in rows if "traceback:" in row[-1]]
    fine = [row for row in rows if row not in failed]
    none = [row for row in fine if row[UNITS].startswith("none")]
    refused = [row for row in fine if row[RELEVANCE].startswith("refused:")]
    wrong = [row for row in fine if not all(exact(cell) for cell in row[REMOVAL:SECONDS])]
    slow = [row for row in fine if float(row[SECONDS]) > TRACING]
    alone, heads, streams = (covered(fine, column) for column in (SHARE, WITH_HEADS, WITH_STREAMS))
    lines = [
        f"{len(rows)} families. In {len(heads)} the units cover at least {MOST_OF_IT} % of the parameters: in "
        f"{len(alone)} those of the scope `all`, in the others with channels of heads. With channels of streams, whose "
        f"removal is not silencing, it is {len(streams)}. {len(none)} have no unit.",
        f"In {len(fine) - len(wrong)} all that is offered is exact (a difference of at most {LIMIT:g}) and the rest is "
        f"refused by name: relevance as a whole in {len(refused)}. {len(failed)} end in a traceback.",
        f"Not run yet: {', '.join(missing)}." if missing else "",
        named(f"Below {MOST_OF_IT} %", [row for row in fine if row not in heads]),
        named("No unit", none),
        named("Relevance refused", refused),
        named("Not exact", wrong),
        named("Traceback", failed),
        named(f"More than {TRACING:g} s of processor time to trace", slow),
    ]
    return "\n\n".join(line for line in lines if line)


def covered(rows: list[list[str]], column: int) -> list[list[str]]:
    """The rows whose units cover most of the parameters, with those of all scopes up to a column's."""

    def share(row: list[str]) -> float:
        known = [cell for cell in row[SHARE : column + 1] if cell not in ("", "none")]
        return float(known[-1].rpartition(" ")[2].rstrip("%"))

    return [row for row in rows if share(row) >= MOST_OF_IT]


def named(what: str, rows: list[list[str]]) -> str:
    """A sentence that names the families of some rows; empty where there are none."""
    return f"{what}: {', '.join(row[0] for row in rows)}." if rows else ""


def kept(page: str) -> dict[str, list[str]]:
    """Family → its row in a page."""
    table = page.partition(BEGIN)[2].partition(END)[0]
    lines = [line for line in table.splitlines() if line.startswith("| ")]
    rows = [[cell.strip().replace("\\|", "|") for cell in line.strip("|").split(" |")] for line in lines[1:]]
    return {row[0]: row for row in rows}


def table(rows: list[list[str]]) -> str:
    """The sentences and the table."""
    lines = ["| " + " | ".join(HEADER) + " |", "|" + "---|" * len(HEADER)]
    lines += ["| " + " | ".join(cell.replace(" |", " \\|") for cell in row) + " |" for row in rows]
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "timm"))
    made = f"Python {platform.python_version()}, {packages}; one thread."
    missing = sorted(set(read_json(CHOSEN)) - {row[0] for row in rows})
    return f"{sentences(rows, missing)}\n\n" + "\n".join(lines) + f"\n\n{made}"


def write(new: dict[str, list[str]]) -> None:
    """Put rows into the page, in place of those that it has of the same families, and its sentences anew."""
    page = PAGE.read_text(encoding="utf-8")
    rows = {**kept(page), **new}
    before, rest = page.split(BEGIN)
    text = table([rows[family] for family in sorted(rows)])
    write_text(PAGE, f"{before}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}")


def choose() -> None:
    """Choose every family's member anew and write them down."""
    found = {}
    for family in family_choice.families():
        found[family] = family_choice.smallest(family)
        print(family, found[family], flush=True)
    write_text(CHOSEN, json.dumps(found, indent=1) + "\n")


def main() -> None:
    """Print rows; with --write, put them into the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="put each row into docs/architectures.md as it is found")
    parser.add_argument("--only", nargs="*", default=[], help="these families, or those of these architectures")
    parser.add_argument("--units", action="store_true", help="all but relevance, which stays as the page has it")
    parser.add_argument("--changed", action="store_true", help="like --units; removal too where units are the page's")
    parser.add_argument("--fresh", action="store_true", help="load each pruned network in a new process")
    parser.add_argument("--choose", action="store_true", help="choose the members anew, and nothing else")
    given = parser.parse_args()
    if given.choose:
        choose()
        return
    chosen = read_json(CHOSEN)
    shown = kept(PAGE.read_text(encoding="utf-8"))
    unknown = set(given.only) - set(chosen) - set(chosen.values())
    if unknown:
        parser.error(f"--only {' '.join(sorted(unknown))}: no family and no family's smallest member. See {CHOSEN}.")
    for family, name in chosen.items():
        if not given.only or family in given.only or name in given.only:
            earlier = {}
            if (given.units or given.changed) and name == shown.get(family, ["", ""])[1]:
                earlier["relevance"] = shown[family][RELEVANCE]
                if given.changed:
                    names = ("units", "removal", "saved")
                    earlier |= dict(zip(names, (shown[family][at] for at in (UNITS, REMOVAL, SAVED)), strict=True))
            found = row(family, name, given.fresh, earlier)
            print("| " + " | ".join(found) + " |", flush=True)
            if given.write:
                write({family: found})


if __name__ == "__main__":
    main()
