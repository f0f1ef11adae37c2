"""A job counts only if it ran the sources that it was planned with, whatever happens to the files meanwhile."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.tiers import rows

from secateur import dag, loaded
from secateur.cli import server
from secateur.config import REPOSITORY

POINTS, FETCHING = "src/secateur/data/points.py", "src/secateur/data/fetching.py"
PLAN = """
import json, sys
from secateur import sources
from secateur.files import md5
counted, read = sources.of_command("data make", {}), {"data.dvc": md5("data.dvc")}
job = {"sources": counted, "beside": sources.beside(), "files": read}
print(json.dumps({"jobs": {"planned": job}}))
"""


class Clone:
    """A copy of what `secateur data make` needs, in which sources can be edited, and a plan made from it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("src/secateur", "config", "workflow/schemas"):
            shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "data.dvc").write_text("outs: []\n", encoding="utf-8")
        self.environment = {key: value for key, value in os.environ.items() if key != server.VARIABLE}
        self.environment |= {"PYTHONPATH": str(folder / "src"), loaded.VARIABLE: "plan.json"}
        planned = subprocess.run(
            [sys.executable, "-c", PLAN], cwd=folder, env=self.environment, capture_output=True, text=True, check=True
        )
        (folder / "plan.json").write_text(planned.stdout, encoding="utf-8")

    def make(self, *options: str, warm: str | None = None) -> subprocess.CompletedProcess[str]:
        """Make a dataset as a job of the workflow does."""
        shutil.rmtree(self.folder / "made", ignore_errors=True)
        command = [sys.executable, "-c", "from secateur.cli.server import main; main()", *options]
        environment = self.environment | ({server.VARIABLE: warm} if warm else {})
        command += ["data", "make", "moons", "--output", "made"]
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True)

    def edit(self, name: str, text: str = "# edited\n") -> str:
        """Append to a file; its former text."""
        path = self.folder / name
        before = path.read_text(encoding="utf-8")
        path.write_text(before + text, encoding="utf-8")
        return before

    @property
    def made(self) -> bytes:
        return (self.folder / "made" / "train_inputs.npy").read_bytes()

    @contextlib.contextmanager
    def warm(self) -> Iterator[str]:
        """The socket of a server of this clone, which has loaded its sources."""
        path = self.folder / "socket"
        code = "import sys; from secateur.cli import server; "
        code += "server.PRELOADED = ['secateur.data.store', 'secateur.cli.commands']; "
        command = [sys.executable, "-c", code + "server.serve(server.Path(sys.argv[1]))", str(path)]
        process = subprocess.Popen(command, env=self.environment, stdin=subprocess.PIPE)
        while not path.exists():
            assert process.poll() is None
            time.sleep(0.05)
        assert self.make(warm=str(path)).returncode == 0, "it answers once it has loaded all"
        yield str(path)
        process.terminate()
        process.wait()


@pytest.fixture
def clone(tmp_path):
    return Clone(tmp_path)


def fails(done: subprocess.CompletedProcess[str], name: str) -> None:
    assert done.returncode == 2 and len(done.stderr.strip().splitlines()) <= 2
    assert done.stderr.splitlines()[-1].startswith(f"error: {name}: not what it was when the workflow started")


WRONG = "\nNOISE['moons'] = 0.5\n"


def test_a_job_runs_with_the_sources_that_it_was_planned_with(clone):
    done = clone.make("--code", "planned")
    assert done.returncode == 0, done.stderr
    assert clone.made


def test_an_edit_of_what_the_job_runs_fails_it_by_name(clone):
    clone.edit(POINTS)
    fails(clone.make("--code", "planned"), POINTS)
    assert clone.make().returncode == 0, "by hand, what there is runs"


def test_an_edit_of_what_it_does_not_run_is_none_of_its_business(clone):
    clone.edit(FETCHING)
    clone.edit("src/secateur/branches/ranking.py")
    clone.edit("src/secateur/cli/planning.py")
    assert clone.make("--code", "planned").returncode == 0


@pytest.mark.slow
def test_an_edit_of_its_subcommand_fails_it(clone):
    path = clone.folder / "src/secateur/cli/datasets.py"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("    files: list[Path] = []", "    files: list[Path] = list()"), encoding="utf-8")
    fails(clone.make("--code", "planned"), "src/secateur/cli/datasets.py")


LOADED = [POINTS, "src/secateur/files.py", "src/secateur/errors.py", "src/secateur/config.py"]


@pytest.mark.parametrize("name", rows(LOADED, [POINTS]))
def test_an_edit_that_was_put_back_before_the_job_ended_fails_it_too(clone, name):
    """The edited module itself puts the file back when it is imported: only what was compiled can tell."""
    before = (clone.folder / name).read_bytes()
    kept = clone.folder / "kept"
    kept.write_bytes(before)
    clone.edit(name, f"\nimport shutil as _shutil\n\n_shutil.copyfile({str(kept)!r}, __file__)\n")
    done = clone.make("--code", "planned")
    assert (clone.folder / name).read_bytes() == before
    fails(done, name)


@pytest.mark.slow
def test_a_compiled_file_of_the_same_second_and_size_is_not_taken_for_the_source(clone):
    path = clone.folder / POINTS
    assert clone.make().returncode == 0
    right, text, times = clone.made, path.read_text(encoding="utf-8"), path.stat()
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(path)], check=True)
    path.write_text(text.replace('"moons": 0.1', '"moons": 0.7'), encoding="utf-8")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    fails(clone.make("--code", "planned"), POINTS)
    assert clone.make().returncode == 0 and clone.made != right


@pytest.mark.slow
def test_an_edited_file_that_is_read_besides_fails_it(clone):
    clone.edit("data.dvc")
    fails(clone.make("--code", "planned"), "data.dvc")


def test_sources_that_nobody_planned_are_refused(clone):
    done = clone.make("--code", "other")
    assert done.returncode == 2 and "plan.json knows no sources 'other'" in done.stderr


@pytest.mark.slow
def test_a_warm_process_goes_on_with_what_it_loaded_before_an_edit(clone):
    assert clone.make().returncode == 0
    right = clone.made
    with clone.warm() as warm:
        clone.edit(POINTS, WRONG)
        done = clone.make("--code", "planned", warm=warm)
    assert (done.returncode, done.stderr.count("\n")) == (0, 1) and clone.made == right
    assert clone.make().returncode == 0 and clone.made != right, "it was an edit that changes the result"


@pytest.mark.slow
def test_a_warm_process_that_loaded_an_edit_leaves_the_job_to_its_command(clone):
    assert clone.make().returncode == 0
    right, before = clone.made, clone.edit(POINTS, WRONG)
    with clone.warm() as warm:
        assert clone.made != right
        said = clone.make("--code", "planned", warm=warm).stderr
        assert "has loaded other sources" in said and f"error: {POINTS}: not what it was" in said
        (clone.folder / POINTS).write_text(before, encoding="utf-8")
        done = clone.make("--code", "planned", warm=warm)
    assert done.returncode == 0 and clone.made == right and "has loaded other sources" in done.stderr


def test_every_rule_with_sources_tells_its_job_of_them():
    for path in (REPOSITORY / "workflow" / "rules").glob("*.smk"):
        text = path.read_text(encoding="utf-8")
        told = re.findall(r"secateur .*--code {params.code} \w", text)
        assert len(re.findall(r"code=code\(|\*\*job\.alone\(", text)) == len(told), path
        own = re.split(r"^(?=\s*(?:use )?rule\b)", text, flags=re.MULTILINE)
        assert all("dag.COMMAND" in rule or "use rule stage as" in rule for rule in own if "**job(" in rule), path
    assert "--code {params.code} {params.command}" in dag.COMMAND
