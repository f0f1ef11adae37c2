"""Pins of a run's datasets: written once, checked without DVC, and read by DVC as its own."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from secateur.cli.commands import app
from secateur.config import REPOSITORY, datasets
from secateur.data import pins, store
from secateur.errors import SecateurError

ENTRIES = {name: {"citation": f"about {name}", "licence": "CC0"} for name in ("fetched", "other")}


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A folder with data/fetched, data/other and a data.dvc that pins `other`."""
    for name in ENTRIES:
        (tmp_path / "data" / name / "inner").mkdir(parents=True)
        (tmp_path / "data" / name / "a.npy").write_bytes(name.encode())
        (tmp_path / "data" / name / "inner" / "b.json").write_text("{}", encoding="utf-8")
    out = {"path": "data/other", "md5": pins.folder_hash(tmp_path / "data" / "other")}
    (tmp_path / "data.dvc").write_text(yaml.safe_dump({"outs": [out]}), encoding="utf-8")
    return tmp_path


def states(house: Path) -> dict[str, str]:
    return {found.name: found.state for found in pins.verify(ENTRIES, house / "data", house / "data.dvc")}


def test_a_run_pins_what_no_other_file_pins(house):
    assert states(house) == {"fetched": "not pinned", "other": "as pinned"}
    pins.pin_run("mine", ENTRIES, house / "data", house / "data.dvc")
    assert states(house) == {"fetched": "as pinned", "other": "as pinned"}
    (out,) = yaml.safe_load((house / "data.mine.dvc").read_text(encoding="utf-8"))["outs"]
    assert out["path"] == "data/fetched" and out["nfiles"] == 2 and out["size"] == len("fetched") + 2
    assert out["desc"] == "about fetched" and out["meta"] == {"licence": "CC0"}


def test_what_the_workflow_leaves_in_a_folder_does_not_count(house):
    before = pins.folder_hash(house / "data" / "other")
    (house / "data" / "other" / ".snakemake_timestamp").touch()
    assert pins.folder_hash(house / "data" / "other") == before


def test_pinning_again_changes_nothing(house):
    pins.pin_run("mine", ENTRIES, house / "data", house / "data.dvc")
    before = (house / "data.mine.dvc").read_bytes()
    pins.pin_run("mine", ENTRIES, house / "data", house / "data.dvc")
    assert (house / "data.mine.dvc").read_bytes() == before


@pytest.mark.parametrize("damage", ["changed", "added", "removed", "renamed"])
def test_other_bytes_are_found_and_refused(house, damage):
    pins.pin_run("mine", ENTRIES, house / "data", house / "data.dvc")
    folder = house / "data" / "fetched"
    match damage:
        case "changed":
            (folder / "a.npy").write_bytes(b"Fetched")
        case "added":
            (folder / "c.npy").write_bytes(b"")
        case "removed":
            (folder / "a.npy").unlink()
        case "renamed":
            (folder / "a.npy").rename(folder / "z.npy")
    assert states(house) == {"fetched": "differs", "other": "as pinned"}
    before = (house / "data.mine.dvc").read_bytes()
    with pytest.raises(SecateurError, match=r"data\.mine\.dvc pins .*--renew"):
        pins.pin_run("mine", ENTRIES, house / "data", house / "data.dvc")
    with pytest.raises(SecateurError, match=r"data\.mine\.dvc pins"):
        pins.check("fetched", folder, house / "data.dvc")
    assert (house / "data.mine.dvc").read_bytes() == before
    pins.pin_run("mine", ENTRIES, house / "data", house / "data.dvc", renew=True)
    assert states(house)["fetched"] == "as pinned"


def test_another_files_pin_is_not_renewed(house):
    (house / "data" / "other" / "a.npy").write_bytes(b"changed")
    with pytest.raises(SecateurError, match=r"dvc commit -f .*data\.dvc"):
        pins.pin_run("mine", ENTRIES, house / "data", house / "data.dvc", renew=True)
    assert not (house / "data.mine.dvc").exists()


def test_what_is_not_there_cannot_be_pinned(house):
    with pytest.raises(SecateurError, match="'absent'.*snakemake"):
        pins.pin_run("mine", {"absent": {}}, house / "data", house / "data.dvc")


def test_two_files_that_pin_the_same_dataset_are_named(house):
    (house / "data.mine.dvc").write_bytes((house / "data.dvc").read_bytes())
    with pytest.raises(SecateurError, match=r"'other' is pinned in .*data\.dvc and in .*data\.mine\.dvc"):
        pins.verify(ENTRIES, house / "data", house / "data.dvc")


def test_the_rule_that_makes_a_dataset_obeys_the_pins_of_other_runs(tmp_path):
    (tmp_path / "data.mine.dvc").write_text("outs:\n- path: data/moons\n  md5: 0123.dir\n", encoding="utf-8")
    with pytest.raises(SecateurError, match=r"data\.mine\.dvc pins 0123\.dir"):
        store.make("moons", datasets()["moons"], tmp_path / "data" / "moons", tmp_path / "data.dvc")


def test_the_command_verifies_a_run_and_its_exit_code_says_how_it_went(tmp_path, monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    options = ["data", "verify", "tests/workflow/tiny.yaml", "--data", str(tmp_path), "--pins", "data.dvc"]
    nothing = CliRunner().invoke(app, options)
    assert nothing.exit_code == 1 and "moons: not there" in nothing.output
    for name in ("digits_source", "digits_target", "moons"):
        store.make(name, datasets()[name], tmp_path / name, REPOSITORY / "data.dvc")
    right = CliRunner().invoke(app, options)
    assert right.exit_code == 0 and "moons: as pinned" in right.output, right.output
    labels = np.load(tmp_path / "moons" / "test_labels.npy")
    labels[0] = 1 - labels[0]
    np.save(tmp_path / "moons" / "test_labels.npy", labels)
    wrong = CliRunner().invoke(app, options)
    assert wrong.exit_code == 1 and "moons: differs" in wrong.output and "digits_target: as pinned" in wrong.output


@pytest.mark.slow
def test_dvc_takes_the_file_for_its_own(house):
    """`dvc commit` computes what the bytes are: nothing in the file changes, and DVC then calls it up to date."""
    pins.pin_run("mine", ENTRIES, house / "data", house / "data.dvc")
    before = yaml.safe_load((house / "data.mine.dvc").read_text(encoding="utf-8"))
    (house / "data" / "fetched" / ".snakemake_timestamp").touch()
    (house / ".dvcignore").write_bytes((REPOSITORY / ".dvcignore").read_bytes())
    dvc = [sys.executable, "-m", "dvc"]
    subprocess.run([*dvc, "init", "--no-scm", "-q"], cwd=house, check=True)
    subprocess.run([*dvc, "config", "core.analytics", "false"], cwd=house, check=True)
    subprocess.run([*dvc, "commit", "-q", "-f", "data.mine.dvc"], cwd=house, check=True)
    assert yaml.safe_load((house / "data.mine.dvc").read_text(encoding="utf-8")) == before
    done = subprocess.run([*dvc, "status", "data.mine.dvc"], cwd=house, check=True, capture_output=True, text=True)
    assert "up to date" in done.stdout
