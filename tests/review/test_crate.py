"""A crate holds a run and all that is needed to run it again, and describes both as the profiles ask."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

import published_run as drawn
from secateur.cli.commands import app
from secateur.config import REPOSITORY, resolve
from secateur.errors import SecateurError
from secateur.files import read_json, write_json
from secateur.review import crate
from secateur.review.manifest import sha256

METADATA = "ro-crate-metadata.json"
PACKAGES = [REPOSITORY / ".venv" / "crate", *map(Path, filter(None, [os.environ.get("SECATEUR_CRATE")]))]


@pytest.fixture(scope="module")
def made(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which a run lies in results/ and its crate in crate/."""
    folder = Path(shutil.copytree(made, tmp_path_factory.mktemp("crate") / "run"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        crate.write(folder / "results", folder / "crate")
    return folder


@pytest.fixture
def graph(made: Path) -> dict[str, dict]:
    return {one["@id"]: one for one in read_json(made / "crate" / METADATA)["@graph"]}


@pytest.mark.slow
def test_every_file_is_described_with_its_hash_and_nothing_else_is(made, graph):
    folder = made / "crate"
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {METADATA}
    described = {name for name, one in graph.items() if "File" in one["@type"] and one["@type"] != "FormalParameter"}
    assert files == described
    assert all(graph[name]["sha256"] == sha256(folder / name) for name in files)
    assert {part["@id"] for part in graph["./"]["hasPart"]} == {*files, "published/synthetic/"}


def test_whatever_is_referred_to_is_there(graph):
    def references(value):
        if isinstance(value, dict):
            yield from [value["@id"]] if set(value) == {"@id"} else []
            for inner in value.values():
                yield from references(inner)
        for inner in value if isinstance(value, list) else []:
            yield from references(inner)

    outside = {target for one in graph.values() for key, value in one.items() for target in references({key: value})}
    assert {target for target in outside - set(graph) if not target.startswith("https://")} == set()
    action = graph["#run"]
    assert graph[action["instrument"]["@id"]]["@type"][-1] == "ComputationalWorkflow"
    assert "published/synthetic/report.html" in [one["@id"] for one in action["result"]]


def test_the_config_is_the_runs_and_the_version_is_asked_for(made):
    config = yaml.safe_load((made / "crate" / "config.yaml").read_text(encoding="utf-8"))
    assert resolve(config) == drawn.config()
    assert "made by Secateur" in (made / "crate" / "Snakefile").read_text(encoding="utf-8")


def test_an_archive_holds_the_same(made, tmp_path, monkeypatch):
    monkeypatch.chdir(made)
    done = CliRunner().invoke(app, ["crate", "results", "--output", str(tmp_path / "run.zip")])
    assert done.exit_code == 0, done.output
    with zipfile.ZipFile(tmp_path / "run.zip") as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
    folder = made / "crate"
    assert names == {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_what_cannot_be_packed_is_one_clear_error(made, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SecateurError, match="there is no run here"):
        crate.write(tmp_path / "nothing", tmp_path / "crate")
    with pytest.raises(SecateurError, match="there is something already"):
        crate.write(made / "results", made / "crate")
    shutil.copytree(made / "results", tmp_path / "results")
    config = read_json(tmp_path / "results" / "config.json")
    write_json(tmp_path / "results" / "config.json", config | {"criteria_path": ["/elsewhere"]})
    with pytest.raises(SecateurError, match="criteria_path: /elsewhere is not below this folder"):
        crate.write(tmp_path / "results", tmp_path / "crate")
    (tmp_path / "results" / "report.html").unlink()
    with pytest.raises(SecateurError, match=r"not a complete run, without report\.html"):
        crate.write(tmp_path / "results", tmp_path / "crate")
    assert not (tmp_path / "crate").exists()


def validated(folder: Path) -> str:
    """What the registry's validator says against a crate."""
    path = os.pathsep.join(map(str, PACKAGES))
    command = [sys.executable, str(Path(__file__).with_name("validate_crate.py")), str(folder)]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True)
    if "No module named" in done.stderr:
        pytest.skip("the validator is not here: `make .venv/crate` installs it")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_validator_has_nothing_to_say_and_finds_what_is_wrong(made, tmp_path):
    assert validated(made / "crate") == ""
    broken = Path(shutil.copytree(made / "crate", tmp_path / "broken"))
    content = json.loads((broken / METADATA).read_text(encoding="utf-8"))
    for one in content["@graph"]:
        if one["@id"] == "#run":
            del one["instrument"]
        if one["@id"] == "Snakefile":
            one["@type"] = ["File", "SoftwareSourceCode"]
    (broken / METADATA).write_text(json.dumps(content))
    assert "workflow-ro-crate" in validated(broken) and "process-run-crate" in validated(broken)
