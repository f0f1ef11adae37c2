"""Faults of sources: edited while a run goes on and put back, other clones' runs on the same data, no warm process."""

import ast
import hashlib
import json
import os
import re
import shutil
import signal
from graphlib import TopologicalSorter
from pathlib import Path

from faults import COMMAND, CRITERION, LONGEST_RUN, RESULTS, Result, Undisturbed, complete, ended, hashes, remove
from faults_processes import kinds
from house import House
from secateur import sources
from secateur.cli.server import OFF, VARIABLE

COMMANDS = {"dataset": "data make", "images": "data prepare", "report": "report make"}
"""Subcommands that are not called as their rules are."""
POISON = """

import pathlib as _pathlib

_replace = _pathlib.Path.replace


def _spoilt(self, target):
    with self.open("ab") as opened:
        opened.write(b" ")
    return _replace(self, target)


_pathlib.Path.replace = _spoilt
"""
"""An edit that any job feels: whoever has loaded it writes a byte too much to every file."""
NOTE = """
import atexit, json, os, sys

def note():
    names = sorted(name for name in sys.modules if f"{name}.".startswith("secateur."))
    with open(os.path.join(os.path.dirname(__file__), f"{os.getpid()}.json"), "w") as opened:
        json.dump({"arguments": sys.argv[1:], "modules": names}, opened)

if sys.argv[0].endswith("secateur"):
    atexit.register(note)
"""
"""A sitecustomize.py, with which every `secateur` command notes what it has loaded."""
TIMED = ("cost", "latency")
PAGE = ("collect", "statistics", "figures", "report")
MADE_OF_TIMES = re.compile(
    r"(cost|latency|logs|usage|state)/|(workflow|provenance|code)\.json|report\.html|tables/(cost|latency)"
    r"|statistics/(cost|latency|criteria|verdicts|choices|sentences)|figures/(cost|latency|speed|workflow|page)|tables\.tex"
)
"""Files of a run that hold times, or are made of such."""


def jobs(house: House) -> dict[str, list[Path]]:
    """Rule → the outputs of one of its jobs, of every rule of the complete run in `house`; what follows comes first."""
    plan = json.loads((house.folder / RESULTS / "workflow.json").read_text())
    found = {job["rule"]: [Path(name) for name in job["outputs"]] for job in plan["jobs"] if job["outputs"]}
    return {rule: found[rule] for rule in TopologicalSorter(_following(plan["edges"])).static_order() if rule in found}


def _following(edges: list[list[str]]) -> dict[str, set[str]]:
    """Rule → the rules that read what it makes."""
    found: dict[str, set[str]] = {}
    for maker, reader in edges:
        found.setdefault(maker, set()).add(reader)
    return found


def stage_of(rule: str) -> Path:
    """The file of the stage that a rule runs: what its subcommand's function imports."""
    command = COMMANDS.get(rule, "rank" if rule.startswith("rank_") else rule.replace("_", "-"))
    module, name = sources._entry(command)
    path = sources._located(module, sources.ROOT.parent)
    assert path is not None
    function = next(
        each for each in sources._tree(path).body if isinstance(each, ast.FunctionDef) and each.name == name
    )
    for each in ast.walk(function):
        if isinstance(each, ast.ImportFrom) and each.module and not each.module.startswith("secateur.config"):
            for inner in (f"{each.module}.{each.names[0].name}", each.module):
                found = sources._located(inner, sources.ROOT.parent)
                if found and found.name != "__init__.py" and found.parent != sources.ROOT:
                    return Path("src", found.relative_to(sources.ROOT.parent))
    raise AssertionError(f"{rule}: no stage found in {command}")


def edited_during_runs(house: House, undisturbed: Undisturbed, rules: list[str], warm: bool, log: Path) -> Result:
    """Rule by rule, the stage is edited once its job is planned, and put back when the run has ended.

    The job has the bytes of the sources that it was planned with, or fails with the file's name and leaves nothing.
    """
    variables = {} if warm else {VARIABLE: OFF}
    details, failed = [], ""
    for rule in rules:
        outputs, edited = jobs(house)[rule], stage_of(rule)
        path = house.folder / edited
        text, before = path.read_bytes(), _bytes(house, outputs)
        for name in outputs:
            remove(house.folder / name)
        run = house.start(*COMMAND, "--", *map(str, outputs), said=log, **variables)
        while "Job stats" not in log.read_text():
            assert ended(run, 0.02) is None, log.read_text()
        path.write_bytes(text + POISON.encode())
        code = run.wait(LONGEST_RUN)
        path.write_bytes(text)
        said = log.read_text()
        if code == 0:
            details.append(f"{rule}: the bytes of what was planned")
        else:
            line = next((line for line in said.splitlines() if f"error: {edited}" in line), None)
            assert line and "not what it was when the workflow started" in line, said
            assert not any((house.folder / name).exists() for name in outputs), f"{rule} left what an edit has made"
            details.append(f"{rule}: {line}")
            failed = line
            again = house.snakemake("--", *map(str, outputs))
            assert again.returncode == 0, again.stdout + again.stderr
        assert rule in TIMED or _bytes(house, outputs) == before, f"{rule} has the bytes of an edit:\n{said}"
        assert not _spoilt(house, outputs), f"{rule} has the byte of an edit:\n{said}"
    complete(house, undisturbed)
    whole = sum("the bytes" in line for line in details)
    seen = f"{whole} jobs have the bytes of what was planned, {len(details) - whole} fail: {failed}"
    how = "with" if warm else "without"
    fault = f"the stage of a rule edited while its job runs and put back, {how} the warm process, each rule once"
    return Result(fault, len(rules), seen, details=details)


def without_the_warm_process(house: House, other: House, whole: bool = True) -> Result:
    """The same run in another house, on one core, each command importing for itself: files without times are the same.

    And no command has loaded a module of ours that its rule does not depend on. `whole`: every job is done, not one of
    each rule alone, with what the others made taken over from `house`.
    """
    noted = other.folder / "noted"
    noted.mkdir()
    (noted / "sitecustomize.py").write_text(NOTE, encoding="utf-8")
    other.packages = (*other.packages, noted)
    for targets in [[]] if whole else [_one_of_each(house), []]:
        done = other.snakemake("--", *targets, cores=1, **{VARIABLE: OFF})
        assert done.returncode == 0, done.stdout + done.stderr
        if targets:
            _take_over(house, other)
    assert other.run("secateur", "--help").returncode == 0
    _check_loaded(other, noted)
    ours, theirs = (_hashes(each.folder) for each in (house, other))
    assert ours.keys() == theirs.keys(), ours.keys() ^ theirs.keys()
    different = [name for name in ours if ours[name] != theirs[name]]
    assert not different, f"with and without the warm process: {different}"
    rules = {rule for rule, outputs in jobs(house).items() if any(_in(name, ours) for name in outputs)}
    missing = jobs(house).keys() - rules - {*TIMED, "report"}
    assert not missing, f"not compared: {missing}"
    seen = f"{len(ours)} files of {len(rules)} rules, all with the same bytes"
    return Result("the whole run without the warm process", 1, seen)


def _one_of_each(house: House) -> list[str]:
    """Outputs of a job of every rule that measures something, those of one criterion."""
    plan = json.loads((house.folder / RESULTS / "workflow.json").read_text())
    found: dict[str, list[str]] = {}
    for job in plan["jobs"]:
        if job["outputs"] and job["rule"] not in PAGE and (job["rule"] not in found or CRITERION in job["outputs"][0]):
            found[job["rule"]] = job["outputs"]
    return [name for outputs in found.values() for name in outputs]


def _take_over(house: House, other: House) -> None:
    """Give `other` what jobs in `house` have measured that it has not done."""
    for job in json.loads((house.folder / RESULTS / "workflow.json").read_text())["jobs"]:
        for name in job["outputs"] if job["rule"] not in PAGE else ():
            if not (other.folder / name).exists():
                (other.folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(house.folder / name, other.folder / name)


def _check_loaded(house: House, noted: Path) -> None:
    """Of every command of a run: what it has loaded is what it was planned with, but for what they all load."""
    found = [json.loads(path.read_text()) for path in noted.glob("*.json")]
    jobs = json.loads((house.folder / RESULTS / "code.json").read_text())["jobs"]
    always = {name for each in found if each["arguments"] == ["--help"] for name in each["modules"]}
    assert always
    seen = set()
    for each in found:
        if "--code" in each["arguments"]:
            job = jobs[each["arguments"][each["arguments"].index("--code") + 1]]
            counted = {name.partition(":")[0] for name in job["sources"] | job["beside"]}
            beyond = set(each["modules"]) - counted - always
            assert not beyond, f"{' '.join(each['arguments'])} has loaded {beyond}, which its rule does not depend on"
            seen.add(each["arguments"][each["arguments"].index("--code") + 1])
    assert len(seen) > len(sources.REGISTRIES) and seen <= jobs.keys()


def clones_share_data(first: House, second: House, undisturbed: Undisturbed, logs: tuple[Path, Path]) -> Result:
    """Two clones with one data/ folder start together: one waits until the other has made what both need."""
    place = first.folder / "data"
    place.mkdir(exist_ok=True)
    (second.folder / "data").symlink_to(place, target_is_directory=True)
    runs = [house.start(*undisturbed.command, said=log) for house, log in zip((first, second), logs, strict=True)]
    codes = [run.wait(LONGEST_RUN) for run in runs]
    said = [log.read_text() for log in logs]
    assert codes == [0, 0], "\n".join(said)
    waited = [line for text in said for line in text.splitlines() if "waiting for it" in line]
    assert len(waited) == 1, waited
    made = [len(re.findall(r"^localrule (?:dataset|images):", text, re.MULTILINE)) for text in said]
    assert min(made) == 0 < max(made), f"data were made by both: {made}"
    for house in (first, second):
        complete(house, undisturbed)
    return Result("two clones with one `data/` started at once", 1, waited[0])


def another_clones_environment(house: House, other: House) -> Result:
    """A run in one clone, started in the environment of another: refused, with the remedy."""
    done = house.snakemake("-n", PYTHONPATH=str(other.folder / "src"))
    said = done.stdout + done.stderr
    lines = [line for line in said.splitlines() if "another clone's environment is active" in line]
    assert done.returncode != 0 and len(lines) == 1 and "Traceback" not in said, said
    remedy = re.search(r"run with PYTHONPATH=(\S+)\.$", lines[0])
    assert remedy and house.snakemake("-n", PYTHONPATH=remedy[1]).returncode == 0
    return Result("a run started in another clone's environment", 1, lines[0])


def server_killed(house: House, undisturbed: Undisturbed, log: Path) -> Result:
    """The warm process of a run is killed: another one is started, and the run completes."""
    run = house.start(*undisturbed.command, said=log)
    killed = None
    while killed is None:
        assert ended(run, 0.1) is None, log.read_text()
        if (house.folder / RESULTS / "backbones").is_dir():
            killed = next(iter(kinds(run.pid).get("server", [])), None)
    os.kill(killed, signal.SIGKILL)
    assert run.wait(LONGEST_RUN) == 0, log.read_text()
    line = next(line for line in log.read_text().splitlines() if "the warm process has died" in line)
    assert hashes(house, undisturbed.hashes) == undisturbed.hashes
    complete(house, undisturbed)
    return Result("the warm process killed during a run", 1, line)


def _spoilt(house: House, outputs: list[Path]) -> list[Path]:
    """Text files of a job's outputs that the edit's byte stands at the end of: they may hold times, which differ."""
    texts = [house.folder / name for name in outputs if name.suffix in (".html", ".json", ".tex")]
    return [path for path in texts if path.read_bytes().endswith(b" ")]


def _bytes(house: House, outputs: list[Path]) -> dict[str, str]:
    """Hashes of outputs that hold no times, of folders of all files in them that Snakemake has not put there."""
    found = {}
    for name in outputs:
        path = house.folder / name
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            timed = file.is_relative_to(house.folder / RESULTS) and MADE_OF_TIMES.match(
                file.relative_to(house.folder / RESULTS).as_posix()
            )
            if file.is_file() and file.name != ".snakemake_timestamp" and not timed:
                found[str(file.relative_to(house.folder))] = hashlib.sha256(file.read_bytes()).hexdigest()
    return found


def _hashes(folder: Path) -> dict[str, str]:
    """Hashes of all files of the data and the run that hold no times."""
    found = {}
    for place in (Path("data"), RESULTS):
        for file in sorted((folder / place).rglob("*")):
            name = file.relative_to(folder / place).as_posix()
            hidden = file.name == ".snakemake_timestamp" or name.startswith(".locks/")
            if file.is_file() and not hidden and not MADE_OF_TIMES.match(name):
                found[str(place / name)] = hashlib.sha256(file.read_bytes()).hexdigest()
    return found


def _in(output: Path, names: dict[str, str]) -> bool:
    return any(name == str(output) or name.startswith(f"{output}/") for name in names)
