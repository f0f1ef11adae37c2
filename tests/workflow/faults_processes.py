"""Processes killed at random moments, and two runs at once."""

import os
import random
import shutil
import signal
import time
from pathlib import Path

from faults import COMMAND, LONGEST_RUN, Result, Undisturbed, complete, ended, error_line, until
from house import House


def processes(session: int) -> dict[int, tuple[int, str]]:
    """Process number → its parent and command line, of all living processes of a session (Linux)."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                state, parent, _, of_session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
                words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if int(of_session) == session and state != "Z":
                found[int(folder.name)] = (int(parent), words)
    return found


def kinds(session: int) -> dict[str, list[int]]:
    """Kind of process → those that live: snakemake, server, supervisor, job, command, shell, tee, other."""
    every = processes(session)
    found: dict[str, list[int]] = {}
    warm = {number for number, (_, words) in every.items() if "secateur.cli.server" in words}
    for number, (parent, words) in sorted(every.items()):
        if number == session:
            kind = "snakemake"
        elif number in warm:
            above = every.get(parent, (0, ""))[0]
            kind = "server" if parent not in warm else "supervisor" if above not in warm else "job"
        else:
            name = words.split(" ")[0].rpartition("/")[2]
            kind = {"bash": "shell", "sh": "shell", "tee": "tee"}.get(
                name, "command" if "secateur" in words else "other"
            )
        found.setdefault(kind, []).append(number)
    return found


def kill_at_random(house: House, undisturbed: Undisturbed, number: int, seed: int, log: Path) -> Result:
    """SIGKILL to a random process of the running DAG at `number` random moments; after each, the run goes on.

    The kind of process is drawn first, since there is one Snakemake and many shells. When the run ends, whether the
    kill ended it or not, it is started again: with --unlock before, where Snakemake itself was killed. A run that
    completes is compared with the undisturbed one, and all its files are removed, so that there is work to disturb.
    """
    draw = random.Random(seed)
    killed: dict[str, int] = {}
    details: list[str] = []
    whole = unlocked = 0
    while sum(killed.values()) < number:
        run = house.start(*undisturbed.command, said=log)
        began = time.monotonic()
        victim = ""
        while sum(killed.values()) < number and ended(run, draw.uniform(0.5, 14)) is None:
            living = kinds(run.pid)
            # Jobs live shortest: drawn more often, they are hit about as often as the others.
            victim = draw.choices(sorted(living), [4 if kind == "job" else 1 for kind in sorted(living)])[0]
            process = draw.choice(living[victim])
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                continue
            killed[victim] = killed.get(victim, 0) + 1
            details.append(f"{sum(killed.values())}. {victim} after {time.monotonic() - began:.1f} s")
            if victim == "snakemake":
                break
        code = run.wait(LONGEST_RUN)
        until(lambda session=run.pid: not processes(session), f"processes outlive a run in which {victim} was killed")
        if victim == "snakemake" and code != 0:
            refused = house.run(*undisturbed.command)
            said = refused.stdout + refused.stderr
            if refused.returncode != 0:  # killed before it locked the folder, it leaves no lock
                assert "cannot be locked" in said and "--unlock" in said and "Traceback" not in said, said
                assert house.run(*COMMAND, "--unlock").returncode == 0
                unlocked += 1
        if code == 0:
            complete(house, undisturbed)
            whole += 1
            for folder in ("results", "data", "logs"):
                shutil.rmtree(house.folder / folder)
    if code != 0:
        complete(house, undisturbed)
        whole += 1
    seen = ", ".join(f"{count} {kind}" for kind, count in sorted(killed.items()))
    seen = f"{seen}; {unlocked} stale locks, each named with its remedy; {whole} completed runs compared"
    return Result(f"SIGKILL of a random process of the running DAG (seed {seed})", number, seen, details=details)


def two_runs(house: House, undisturbed: Undisturbed, log: Path) -> Result:
    """A second run is started in the folder of a running one: it is refused, and the first completes."""
    first = house.start(*undisturbed.command, said=log)
    locked = house.folder / ".snakemake" / "locks"
    while not (locked.is_dir() and any(locked.iterdir())):
        assert ended(first, 0.1) is None, log.read_text()
    second = house.snakemake()
    said = second.stdout + second.stderr
    assert second.returncode != 0 and "Traceback" not in said, said
    assert first.wait(LONGEST_RUN) == 0, log.read_text()
    complete(house, undisturbed)
    return Result("two runs started at once in one folder", 1, error_line(said, "cannot be locked"))
