"""Faults done to a real run, and what was lost: python benchmarks/faults.py [--kills 30] [--seed 1] [--write]

Runs the tiny DAG of the tests in a clean copy of this repository, undisturbed, and then under every fault of
tests/workflow/faults_*.py. Prints a row a fault; --write puts each into the table of docs/robustness.md, in place of
the row of the same fault. Faults of disks and folders mount file systems, which needs root on Linux; without it their
rows say that they were not tried.
"""

import argparse
import datetime
import itertools
import os
import platform
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "tests" / "workflow"))

import faults  # noqa: E402
import faults_clock  # noqa: E402
import faults_processes  # noqa: E402
import faults_sources  # noqa: E402
import faults_storage  # noqa: E402
from house import House  # noqa: E402

PAGE = REPOSITORY / "docs" / "robustness.md"
Try = tuple[str, Callable[[], faults.Result]]
"""What --only goes by, and what does it."""
HEAD = "| fault | times | what the user sees | lost |"
MARKS = "<!-- table of faults, written by `make faults` -->", "<!-- end of the table -->"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=30, help="processes to kill")
    parser.add_argument("--seed", type=int, default=1, help="of the moments, the processes and the damage")
    parser.add_argument("--write", action="store_true", help="put the table into docs/robustness.md")
    parser.add_argument("--only", default="", help="faults whose name contains this")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for result in _all(Path(folder), chosen.kills, chosen.seed, chosen.only):
            row = f"| {result.fault} | {result.times} | {_cell(result.seen, folder)} | {result.lost} |"
            print(row, *result.details, sep="\n  ", flush=True)
            if chosen.write:
                _write(row, chosen.seed)


def _write(row: str, seed: int) -> None:
    """Put a row into the page's table, in place of the one of the same fault."""
    before, rest = PAGE.read_text(encoding="utf-8").split(MARKS[0])
    old, after = rest.split(MARKS[1])
    kept = {line.split("|")[1]: line for line in old.splitlines() if line.startswith("| ")}
    kept.pop(HEAD.split("|")[1], None)
    kept[row.split("|")[1]] = row
    where = f"{platform.system()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    about = f"{datetime.datetime.now(tz=datetime.UTC).date()}, {where}, `tests/workflow/tiny.yaml`, seed {seed}:"
    table = "\n".join([about, "", HEAD, "|---|---:|---|---|", *kept.values()])
    PAGE.write_text(f"{before}{MARKS[0]}\n{table}\n{MARKS[1]}{after}", encoding="utf-8")


def _all(folder: Path, kills: int, seed: int, only: str) -> Iterator[faults.Result]:
    """Every fault in turn, in a house where the run is complete or in an empty one, as it needs."""
    log = folder / "log"
    house = House(_made(folder / "house"))
    done = house.snakemake()
    assert done.returncode == 0, done.stdout + done.stderr
    undisturbed = faults.undisturbed(house)
    tries: list[Try] = []
    for pattern, how in itertools.product(faults_storage.DAMAGED, ("cut short", "one bit flipped")):
        tries += [(f"{pattern} {how}", lambda p=pattern, h=how: faults_storage.damage(house, undisturbed, p, h, seed))]
    tries.append(("two runs", lambda: faults_processes.two_runs(House(_made(folder / "two")), undisturbed, log)))
    disks = [(where, part) for where in ("results", "data") for part in (0.2, 0.6, 0.9)]
    for where, part in disks:
        room = int(part * _kilobytes(house.folder / where))
        make = lambda w=where, r=room: faults_storage.full_disk(House(_made(folder / f"{w}{r}")), undisturbed, w, r)  # noqa: E731
        tries.append((f"disk {where}", make))
    tries.append(("read-only, empty", lambda: faults_storage.read_only(House(_made(folder / "empty")), undisturbed)))
    tries.append(("read-only", lambda: faults_storage.read_only(house, undisturbed)))
    tries.append(("clock after", lambda: faults_clock.after_a_run(house, undisturbed)))
    tries.append(("clock before", lambda: faults_clock.before_a_change(house, undisturbed)))
    tries.append(("clock during", lambda: faults_clock.during_a_run(House(_made(folder / "during")), undisturbed, log)))
    tries += _of_sources(folder, house, undisturbed, log)
    tries.insert(
        0,
        (
            "SIGKILL",
            lambda: faults_processes.kill_at_random(House(_made(folder / "kills")), undisturbed, kills, seed, log),
        ),
    )
    mountable = faults_storage.can_mount(folder / "try")
    for name, do in tries:
        if only not in name:
            continue
        if name.startswith(("disk", "read-only")) and not mountable:
            yield faults.Result(name, 0, "not tried: this user may not mount file systems", "–")
        else:
            yield do()


def _of_sources(folder: Path, house: House, undisturbed: faults.Undisturbed, log: Path) -> list[Try]:
    """Those of faults_sources.py: edits during a run, no or a killed warm process, other clones."""

    def new(name: str) -> House:
        return House(_made(folder / name))

    logs = folder / "first", folder / "second"
    rules = list(faults_sources.jobs(house))
    edited = faults_sources.edited_during_runs
    return [
        ("edits, warm", lambda: edited(house, undisturbed, rules, True, log)),
        ("edits, not warm", lambda: edited(house, undisturbed, rules, False, log)),
        ("all not warm", lambda: faults_sources.without_the_warm_process(house, new("cold"))),
        ("warm process killed", lambda: faults_sources.server_killed(new("dead"), undisturbed, log)),
        ("clones", lambda: faults_sources.clones_share_data(new("one"), new("other"), undisturbed, logs)),
        ("environment", lambda: faults_sources.another_clones_environment(house, new("next"))),
    ]


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _kilobytes(folder: Path) -> int:
    return sum(-(-path.stat().st_size // 4096) * 4 for path in folder.rglob("*") if path.is_file())


def _cell(text: str, folder: str) -> str:
    """Text for a cell of a table, without this run's folder."""
    return re.sub(rf"(?:/private)?{re.escape(folder)}/[^/]+/", "", text).replace("|", "\\|")


if __name__ == "__main__":
    main()
