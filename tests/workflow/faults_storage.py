"""Disks that fill up, folders that are read-only, files that are damaged."""

import os
import random
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from faults import COMMAND, CRITERION, RESULTS, Result, Undisturbed, complete, error_line, hashes, remove
from house import House


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


def full_disk(house: House, undisturbed: Undisturbed, where: str, kilobytes: int) -> Result:
    """`where` (results or data) on a disk that fills up in the middle of the run; room is made; the run goes on."""
    folder = house.folder / where
    with mounted(folder, "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs"):
        done = house.run(*undisturbed.command)
        said = done.stdout + done.stderr
        assert done.returncode != 0, "the disk was large enough"
        assert "Traceback" not in said, said
        told = error_line(said, "o space left on device", "disk is full")
        subprocess.run(["mount", "-o", "remount,size=200m", str(folder)], check=True)
        complete(house, undisturbed)
    return Result(f"the disk under {where}/ full at {kilobytes} kB", 1, told)


def read_only(house: House, undisturbed: Undisturbed) -> Result:
    """The results, none yet or one of them missing, on a file system that is read-only; then it is writable again."""
    folder = house.folder / "results"
    missing = house.folder / RESULTS / "curves/fewshot" / f"{CRITERION}.parquet"
    what = "one curve missing" if missing.exists() else "empty"
    missing.unlink(missing_ok=True)
    with mounted(folder, "--bind", str(folder)):
        subprocess.run(["mount", "-o", "remount,ro,bind", str(folder)], check=True)
        done = house.run(*undisturbed.command)
        said = done.stdout + done.stderr
        assert done.returncode != 0 and "Traceback" not in said, said
        told = error_line(said, "ead-only file system", "Write-protected output")
    house.run(*COMMAND, "--unlock")
    complete(house, undisturbed)
    return Result(f"`results/` read-only, {what}", 1, told)


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


def damage(house: House, undisturbed: Undisturbed, pattern: str, how: str, seed: int) -> Result:
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
    done = house.run(*undisturbed.command)
    said = done.stdout + done.stderr
    name = path.relative_to(house.folder)
    if done.returncode == 0:
        assert hashes(house, undisturbed.hashes) == undisturbed.hashes, f"{name} {how}: nobody noticed"
        same = path.read_bytes() == content
        told = "no effect: that byte carries no data" if same else "seen and made again by the same run"
    else:
        assert "Traceback" not in said, said
        told = error_line(said, path.name, path.parent.name)
        advised = re.search(r"Remove (?:the folder )?(it|\S+) and run again", told)
        assert advised, f"no advice: {told}"
        remove(path if advised[1] == "it" else house.folder / advised[1])
    complete(house, undisturbed)
    return Result(f"`{name.as_posix()}` {how}", 1, told)
