"""`secateur init`: what it writes, and what it refuses."""

import pytest
import yaml
from typer.testing import CliRunner

from secateur import config, runfolder, shipped
from secateur.cli.commands import app
from secateur.errors import SecateurError


@pytest.mark.parametrize("source", sorted(runfolder.sources()))
def test_every_config_that_is_brought_along_becomes_a_run_of_the_folders_name(tmp_path, source):
    written = runfolder.write(tmp_path / "my-run", source)
    assert {path.name for path in written} >= {"Snakefile", "config.yaml", "README.md", "data.dvc"}
    text = (tmp_path / "my-run" / "config.yaml").read_text(encoding="utf-8")
    given = yaml.safe_load((shipped.ROOT / "config" / f"{source}.yaml").read_text(encoding="utf-8"))
    assert yaml.safe_load(text) == given | {"run": "my-run"}
    if any("file" in entry["weights"] for entry in given["backbones"].values()):  # which the user has to bring
        with pytest.raises(SecateurError, match=r"backbones\.\w+\.weights: there is no file '"):
            config.read(tmp_path / "my-run" / "config.yaml")
    else:
        assert config.read(tmp_path / "my-run" / "config.yaml")["run"] == "my-run"


def test_the_command_says_what_to_type_next(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["init", "mine"])
    assert done.exit_code == 0 and "wrote mine/Snakefile" in done.output and "snakemake --cores all" in done.output


def test_nothing_is_written_over_and_nothing_is_written_for_a_bad_name(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("years of work")
    for name, source, message in [
        ("full", "demo", "there is something already"),
        ("My Run", "demo", "cannot be the name of a run"),
        ("new", "dmeo", r"there is no run 'dmeo'; known are .*demo"),
        ("new", "claims", "there is no run 'claims'"),
    ]:
        with pytest.raises(SecateurError, match=message):
            runfolder.write(tmp_path / name, source)
    assert [path.name for path in tmp_path.rglob("*")] == ["full", "thesis.tex"]


def test_a_folders_own_file_counts_before_the_one_that_is_brought_along(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    claims = shipped.find("config/claims.yaml")
    assert claims == shipped.ROOT / "config/claims.yaml" and claims.exists()
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "claims.yaml").write_text("claims: []\n")
    assert shipped.find("config/claims.yaml").read_text() == "claims: []\n"
    assert str(shipped.find("config/nowhere.yaml")) == "config/nowhere.yaml"
