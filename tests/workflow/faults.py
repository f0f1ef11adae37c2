"""Faults, really done to the real DAG: processes killed, disks filled, files damaged, runs doubled, clocks set back.

Each function takes a house (a copy of the repository), does one kind of fault to the tiny run in it, lets the run
complete as a user would, and returns what was tried, what the user was told and what was lost. A fault that was not
survived is an AssertionError. Used by the slow tests with few faults and by benchmarks/faults.py with many.
"""

import hashlib
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from house import TINY, House

RESULTS = Path("results/tiny")
TABLES = ["curves", "profiles", "grid", "units", "toy", "toy_stability"]
"""The tables that are byte-identical between runs: all but the timings in cost and latency."""
COMMAND = ("snakemake", "--cores", "2", "--configfile", TINY)
SECONDS_TO_DIE = 20.0
LONGEST_RUN = 600.0


@dataclass
class Result:
    """One kind of fault: how often it was done, what the user saw, and what was lost."""

    fault: str
    times: int
    seen: str
    lost: str = "nothing"
    details: list[str] = field(default_factory=list)


def tables(house: House) -> dict[str, str]:
    """Hash of every table that is no timing."""
    folder = house.folder / RESULTS / "tables"
    return {name: hashlib.sha256((folder / f"{name}.parquet").read_bytes()).hexdigest() for name in TABLES}


def complete(house: House, undisturbed: dict[str, str]) -> None:
    """Run to the end; the tables are the undisturbed run's, and nothing is left to do nor half-written."""
    done = house.snakemake()
    assert done.returncode == 0, done.stdout + done.stderr
    assert tables(house) == undisturbed
    left = [
        path for folder in ("results", "data") for path in (house.folder / folder).rglob(".*") if is_temporary(path)
    ]
    assert not left, f"half-written files are left: {left}"
    again = house.snakemake()
    assert "Nothing to be done" in again.stdout + again.stderr


def is_temporary(path: Path) -> bool:
    """Whether a hidden file is one that something was about to be written to."""
    return path.name not in (".snakemake_timestamp", ".checksums.json")


# --- processes killed


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
    warm = {number for number, (_, words) in every.items() if "secateur.server" in words}
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


def kill_at_random(house: House, undisturbed: dict[str, str], number: int, seed: int, log: Path) -> Result:
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
        run = house.start(*COMMAND, said=log)
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
            refused = house.snakemake()
            said = refused.stdout + refused.stderr
            if refused.returncode != 0:  # killed before it locked the folder, it leaves no lock
                assert "cannot be locked" in said and "--unlock" in said and "Traceback" not in said, said
                assert house.run(*COMMAND, "--unlock").returncode == 0
                unlocked += 1
        if (house.folder / RESULTS / "report.html").exists() and house.snakemake("-n").stdout.count(
            "Nothing to be done"
        ):
            complete(house, undisturbed)
            whole += 1
            for folder in ("results", "data", "logs"):
                shutil.rmtree(house.folder / folder)
    complete(house, undisturbed)
    seen = ", ".join(f"{count} {kind}" for kind, count in sorted(killed.items()))
    seen = f"{seen}; {unlocked} stale locks, each named with its remedy; {whole + 1} completed runs compared"
    return Result(f"SIGKILL of a random process of the running DAG (seed {seed})", number, seen, details=details)


def ended(run: subprocess.Popen[bytes], seconds: float) -> int | None:
    """Exit code of `run` if it ends within so many seconds."""
    try:
        return run.wait(seconds)
    except subprocess.TimeoutExpired:
        return None


def until(condition: Callable[[], bool], complaint: str) -> None:
    """Wait until `condition` holds."""
    ends = time.monotonic() + SECONDS_TO_DIE
    while not condition():
        assert time.monotonic() < ends, complaint
        time.sleep(0.1)


# --- disks and folders


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[None]:
    """Something else mounted at `folder` (needs root on Linux)."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", *options, str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def can_mount(folder: Path) -> bool:
    """Whether this process may mount a file system."""
    try:
        with mounted(folder, "-t", "tmpfs", "-o", "size=64k", "tmpfs"):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


def full_disk(house: House, undisturbed: dict[str, str], where: str, kilobytes: int) -> Result:
    """`where` (results or data) on a disk that fills up in the middle of the run; room is made; the run goes on."""
    folder = house.folder / where
    with mounted(folder, "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs"):
        done = house.snakemake()
        said = done.stdout + done.stderr
        assert done.returncode != 0, "the disk was large enough"
        assert "Traceback" not in said, said
        told = error_line(said, "o space left on device", "disk is full")
        subprocess.run(["mount", "-o", "remount,size=200m", str(folder)], check=True)
        complete(house, undisturbed)
    return Result(f"the disk under {where}/ full at {kilobytes} kB", 1, told)


def read_only(house: House, undisturbed: dict[str, str]) -> Result:
    """The results, none yet or one of them missing, on a file system that is read-only; then it is writable again."""
    folder = house.folder / "results"
    missing = house.folder / RESULTS / "curves/fewshot" / f"{CRITERION}.parquet"
    what = "one curve missing" if missing.exists() else "empty"
    missing.unlink(missing_ok=True)
    with mounted(folder, "--bind", str(folder)):
        subprocess.run(["mount", "-o", "remount,ro,bind", str(folder)], check=True)
        done = house.snakemake()
        said = done.stdout + done.stderr
        assert done.returncode != 0 and "Traceback" not in said, said
        told = error_line(said, "ead-only file system", "Write-protected output")
    house.run(*COMMAND, "--unlock")
    complete(house, undisturbed)
    return Result(f"`results/` read-only, {what}", 1, told)


# --- files damaged

CRITERION = "digits_vgg/lrp/0-1"
DAMAGED = {
    "data/digits_target/train_inputs.npy": [
        "data/prepared/digits_target",
        "{results}/curves/fewshot/" + CRITERION + ".parquet",
    ],
    "data/prepared/digits_target/*/test_inputs.npy": ["{results}/curves/fewshot/" + CRITERION + ".parquet"],
    "data/prepared/digits_target/*/train_labels.npy": ["{results}/rankings/" + CRITERION + ".safetensors"],
    "data/prepared/digits_target/*/dataset.json": ["{results}/rankings/" + CRITERION + ".safetensors"],
    "{results}/backbones/vgg_small.safetensors": [
        "{results}/models/digits_vgg/0-1.safetensors",
        "{results}/rankings/" + CRITERION + ".safetensors",
    ],
    "{results}/models/digits_vgg/0-1.safetensors": ["{results}/rankings/" + CRITERION + ".safetensors"],
    "{results}/samples/digits_vgg/0-1.csv": ["{results}/rankings/" + CRITERION + ".safetensors"],
    "{results}/units/digits_vgg.safetensors": ["{results}/rankings/" + CRITERION + ".safetensors"],
    "{results}/rankings/" + CRITERION + ".safetensors": ["{results}/curves/fewshot/" + CRITERION + ".parquet"],
    "{results}/curves/fewshot/" + CRITERION + ".parquet": ["{results}/tables", "{results}/report.html"],
    "{results}/tables/curves.parquet": ["{results}/statistics", "{results}/report.html"],
    "{results}/toy/moons.parquet": ["{results}/tables", "{results}/report.html"],
    "{results}/toy/moons.npz": ["{results}/figures", "{results}/report.html"],
    "{results}/config.json": ["{results}/curves/fewshot/" + CRITERION + ".parquet"],
}
"""File to damage → what to remove so that a job must read it (Snakemake misses only what the run is asked for)."""


def damage(house: House, undisturbed: dict[str, str], pattern: str, how: str, seed: int) -> Result:
    """One file of a complete run cut short or with a bit flipped, its time unchanged as when a disk fails.

    A job that must read it names it and fails, or does it anew; the file is removed, as the message says, and the run
    completed.
    """
    draw = random.Random(f"{seed} {pattern} {how}")
    (path,) = house.folder.glob(pattern.format(results=RESULTS))
    before = path.stat()
    content = bytearray(path.read_bytes())
    if how == "cut short":
        content = content[: draw.randrange(len(content))]
    else:
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    for name in DAMAGED[pattern]:
        remove(house.folder / name.format(results=RESULTS))
    done = house.snakemake()
    said = done.stdout + done.stderr
    name = path.relative_to(house.folder)
    if done.returncode == 0:
        told = "seen and made again by the same run"
        assert path.read_bytes() != content, f"{name} {how}: nobody noticed"
    else:
        assert "Traceback" not in said, said
        told = error_line(said, path.name, path.parent.name)
        remove(path if path.is_relative_to(house.folder / "results") else path.parent)
    complete(house, undisturbed)
    return Result(f"`{name.as_posix()}` {how}", 1, told)


def remove(path: Path) -> None:
    """Remove a file or a folder."""
    shutil.rmtree(path) if path.is_dir() else path.unlink()


# --- two runs and the clock


def two_runs(house: House, undisturbed: dict[str, str], log: Path) -> Result:
    """A second run is started in the folder of a running one: it is refused, and the first completes."""
    first = house.start(*COMMAND, said=log)
    locked = house.folder / ".snakemake" / "locks"
    while not (locked.is_dir() and any(locked.iterdir())):
        assert ended(first, 0.1) is None, log.read_text()
    second = house.snakemake()
    said = second.stdout + second.stderr
    assert second.returncode != 0 and "Traceback" not in said, said
    assert first.wait(LONGEST_RUN) == 0, log.read_text()
    complete(house, undisturbed)
    return Result("two runs started at once in one folder", 1, error_line(said, "cannot be locked"))


def clock_set_back(house: House, undisturbed: dict[str, str]) -> Result:
    """Everything was made two days in the future. Nothing is made again for that; what is missing is refused, until
    --touch has brought the times to now; a changed file is seen, whatever its time."""
    shift = 2 * 86_400
    for folder in ("results", "data", ".snakemake"):
        for path in [house.folder / folder, *(house.folder / folder).rglob("*")]:
            if not path.is_symlink():
                os.utime(path, (path.stat().st_atime + shift, path.stat().st_mtime + shift))
    assert not house.planned(), "a complete run is made again"
    (house.folder / RESULTS / "curves/fewshot" / f"{CRITERION}.parquet").unlink()
    skewed = house.snakemake()
    told = error_line(skewed.stdout + skewed.stderr, "older modification time")
    assert skewed.returncode != 0 and "Traceback" not in skewed.stdout + skewed.stderr, skewed.stderr
    assert house.run(*COMMAND, "--touch").returncode == 0
    complete(house, undisturbed)
    criterion = house.folder / "src/secateur/criteria/random.py"
    original = criterion.read_text(encoding="utf-8")
    criterion.write_text(original + "\n# edited\n", encoding="utf-8")
    os.utime(criterion, (0, 0))  # older than all that was made of it
    planned = house.planned()
    criterion.write_text(original, encoding="utf-8")
    assert planned.get("rank_random") == planned.get("toy", 1) == 1, planned
    complete(house, undisturbed)
    seen = f"a complete run stays complete; an edited criterion is seen, however old; a removed curve: {told[:300]}"
    return Result("clock set back by two days", 1, seen)


def error_line(said: str, *words: str) -> str:
    """The line that tells the user what is wrong: the first one with one of `words`."""
    for line in said.splitlines():
        if any(word in line for word in words) and "error" in line.lower():
            return line.strip()
    for line in said.splitlines():
        if any(word in line for word in words):
            return line.strip()
    raise AssertionError(f"no line says {' or '.join(words)}:\n{said}")
