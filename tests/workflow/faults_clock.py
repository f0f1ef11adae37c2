"""The clock set back: after a run, and in the middle of one that then stops.

The clock itself is left alone; the times of all files there are go forward instead, which looks the same.
"""

import os
import signal
from pathlib import Path

from faults import COMMAND, CRITERION, LONGEST_RUN, RESULTS, Result, Undisturbed, complete, ended, error_line, until
from faults_processes import processes
from house import TINY, House

DAYS = 2


def after_a_run(house: House, undisturbed: Undisturbed) -> Result:
    """All was made two days in the future: refused, until its times are set back; then what is there stays, what is
    missing is made, and what something else was made of is seen to have changed."""
    _set_back(house)
    told = _refused(house)
    assert not house.planned(), "a complete run is made again"
    (house.folder / RESULTS / "curves/fewshot" / f"{CRITERION}.parquet").unlink()
    complete(house, undisturbed)
    criterion = house.folder / "src/secateur/criteria/random.py"
    original = criterion.read_text(encoding="utf-8")
    criterion.write_text(original + "\n# edited\n", encoding="utf-8")
    os.utime(criterion, (0, 0))  # older than all that was made of it
    planned = house.planned()
    criterion.write_text(original, encoding="utf-8")
    assert planned.get("rank_random") == planned.get("toy", 1) == 1, planned
    return Result(f"clock set back by {DAYS} days after a run", 1, told)


def before_a_change(house: House, undisturbed: Undisturbed) -> Result:
    """The results, not the data, were made two days in the future. Now the backbone is trained anew, otherwise, and the
    run stops there: what was made of the former backbone is out of date, though its time was later."""
    _set_back(house, "results")
    told = _refused(house)
    changed = house.folder / "changed.yaml"
    text = (house.folder / TINY).read_text(encoding="utf-8")
    changed.write_text(text.replace("pretrain: {epochs: 3", "pretrain: {epochs: 2"), encoding="utf-8")
    done = house.snakemake("--until", "backbone", config="changed.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    planned = house.planned("changed.yaml")
    assert all(planned.get(rule) for rule in ("transfer", "rank_lrp", "fewshot", "retrain", "report")), planned
    complete(house, undisturbed)
    return Result(f"clock set back by {DAYS} days before a change of the recipe", 1, told)


def during_a_run(house: House, undisturbed: Undisturbed, log: Path) -> Result:
    """Once the models are there all files are of two days later; the run goes on for a while and is killed."""
    run = house.start(*undisturbed.command, said=log)
    models = house.folder / RESULTS / "models/digits_vgg/0-1.safetensors"
    while not models.exists():
        assert ended(run, 0.05) is None, log.read_text()
    _set_back(house)
    if ended(run, 6) is None:
        os.kill(run.pid, signal.SIGKILL)
    run.wait(LONGEST_RUN)
    until(lambda: not processes(run.pid), "processes outlive a run that was killed")
    told = _refused(house)
    house.run(*COMMAND, "--unlock")
    complete(house, undisturbed)
    return Result(f"clock set back by {DAYS} days during a run", 1, told)


def _set_back(house: House, *folders: str) -> None:
    for folder in folders or ("results", "data", ".snakemake"):
        for path in [house.folder / folder, *(house.folder / folder).rglob("*")]:
            if not path.is_symlink() and path.exists():
                found = path.stat()
                os.utime(path, (found.st_atime + DAYS * 86_400, found.st_mtime + DAYS * 86_400))


def _refused(house: House) -> str:
    """A run is refused, with the remedy, which is taken; what the user was told."""
    refused = house.snakemake()
    said = refused.stdout + refused.stderr
    assert refused.returncode != 0 and "Traceback" not in said, said
    told = error_line(said, "from the future")
    assert "secateur clock" in told
    assert house.run("secateur", "clock").returncode == 0
    return told
