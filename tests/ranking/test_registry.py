"""Criteria are found by their files, read without running them, and checked when loaded."""

import runpy
import subprocess
import sys

import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from secateur.cli.commands import app
from secateur.errors import SecateurError
from secateur.pruning.units import find_unit_groups
from secateur.ranking import registry, scorefile
from secateur.ranking.rank import Scoring, rank

GOOD = '''"""Counts: the number of the channel.

More words.
"""

NORMALISATION = "none"
NEEDS = ()


def score(network, *, step=2):
    return network.zeros()
'''


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "counts.py").write_text(GOOD, encoding="utf-8")
    (tmp_path / "_helper.py").write_text("raise ImportError", encoding="utf-8")
    return tmp_path


def test_a_file_is_a_criterion(folder):
    assert "counts" in registry.find([folder]) and "_helper" not in registry.find([folder])
    criterion = registry.load("counts", [folder])
    assert (criterion.normalisation, criterion.needs, criterion.options) == ("none", (), {"step": 2})
    assert registry.describe("counts", [folder]) == "Counts: the number of the channel."
    assert registry.with_options(criterion, {"step": 3}) == {"step": 3}


def test_mistakes_name_the_criterion(folder):
    with pytest.raises(SecateurError, match="unknown criterion 'count'.*Did you mean 'counts'"):
        registry.load("count", [folder])
    with pytest.raises(SecateurError, match=r"unknown option 'stride'.*step \(default 2\)"):
        registry.with_options(registry.load("counts", [folder]), {"stride": 1})
    (folder / "broken.py").write_text("def score(:", encoding="utf-8")
    with pytest.raises(SecateurError, match="'broken'.*cannot be imported: it raised SyntaxError"):
        registry.load("broken", [folder])
    with pytest.raises(SecateurError, match="'broken'"):
        registry.describe("broken", [folder])
    (folder / "empty.py").write_text("", encoding="utf-8")
    with pytest.raises(SecateurError, match="'empty'.*no function score"):
        registry.load("empty", [folder])
    (folder / "odd.py").write_text(GOOD.replace('"none"', '"softmax"'), encoding="utf-8")
    with pytest.raises(SecateurError, match="'odd'.*'softmax'"):
        registry.load("odd", [folder])
    (folder / "weight.py").write_text(GOOD, encoding="utf-8")
    with pytest.raises(SecateurError, match="'weight' is defined twice"):
        registry.find([folder])


def test_what_a_criterion_says_it_needs_is_what_it_gets(folder):
    (folder / "asks.py").write_text(GOOD.replace("NEEDS = ()", 'NEEDS = ("pictures",)'), encoding="utf-8")
    with pytest.raises(SecateurError, match="'asks'.*'pictures'.*samples"):
        registry.load("asks", [folder])
    (folder / "cheats.py").write_text(
        '"""Cheats: gradients without saying so."""\n\nNEEDS = ("samples",)\n\n\n'
        "def score(network):\n    return {layer: pair[1] for layer, pair in next(network.gradients()).items()}\n",
        encoding="utf-8",
    )
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(2, 2))
    groups = find_unit_groups(model, torch.zeros(1, 1, 3, 3))
    with pytest.raises(SecateurError, match='"labels" in its NEEDS'):
        rank(model, groups, torch.zeros(2, 1, 3, 3), torch.tensor([0, 1]), Scoring(registry.load("cheats", [folder])))


def test_a_rule_is_a_criterion_and_tests_beside_criteria_are_none(folder):
    (folder / "test_counts.py").write_text("", encoding="utf-8")
    (folder / "ruled.smk").write_text(
        "# Ruled: by a rule.\n# paper: Nobody, 2020\n# combine: max\n\n\nrule ruled:\n"
        '    input:\n        "{case}/samples.safetensors",\n',
        encoding="utf-8",
    )
    found = registry.find([folder])
    assert found["ruled"].kind == "rule" and found["counts"].kind == "file" and "test_counts" not in found
    assert found["weight"].kind == "built-in" and not any(name.startswith("_") for name in found)
    criterion = registry.load("ruled", [folder])
    assert (criterion.combine, criterion.paper, criterion.needs) == ("max", "Nobody, 2020", ("samples", "labels"))
    assert registry.describe("ruled", [folder]) == "Ruled: by a rule."


def test_an_installed_package_brings_criteria_and_is_not_imported_to_be_found(tmp_path, monkeypatch):
    """What pip leaves behind: the package and its metadata; the real installation is a test of the workflow."""
    package = tmp_path / "pruneplus"
    (package / "inner").mkdir(parents=True)
    (package / "__init__.py").write_text("raise_if_imported = True\n", encoding="utf-8")
    (package / "inner" / "__init__.py").write_text("", encoding="utf-8")
    (package / "inner" / "counts_plus.py").write_text(GOOD, encoding="utf-8")
    about = tmp_path / "pruneplus-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Name: pruneplus\nVersion: 1.0\n", encoding="utf-8")
    points = about / "entry_points.txt"
    points.write_text("[secateur.criteria]\ncounts_plus = pruneplus.inner.counts_plus\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    source = registry.find()["counts_plus"]
    assert (source.kind, source.path) == ("package", package / "inner" / "counts_plus.py")
    assert registry.describe("counts_plus") == "Counts: the number of the channel."
    assert "pruneplus" not in sys.modules
    assert registry.load("counts_plus").options == {"step": 2}
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)  # as in a command; `python -m pytest` has one
    attribute = "pruneplus.inner.counts_plus:score"
    for value in ("pruneplus.elsewhere", "nowhere.at_all", attribute, "no module", "__main__"):
        points.write_text(f"[secateur.criteria]\nodd = {value}\n", encoding="utf-8")
        registry._points.cache_clear()  # packages change between processes
        with pytest.raises(SecateurError, match=f"'odd'.*{value}.*package.module"):
            registry.find()
    ended = "tried to end the process by"
    for name, broken, words in [
        ("absent", "import no_such_thing", "raised ModuleNotFoundError"),
        ("exits", "raise SystemExit(3)", rf"{ended} sys.exit\(3\)"),
        ("leaves", "import os; os._exit(0)", rf"{ended} os._exit\(0\)"),
    ]:
        (package / "inner" / f"{name}.py").write_text(broken, encoding="utf-8")
        points.write_text(f"[secateur.criteria]\nodd = pruneplus.inner.{name}\n", encoding="utf-8")
        registry._points.cache_clear()
        with pytest.raises(SecateurError, match=f"'odd'.*cannot be imported: it {words}"):
            registry.load("odd")


@pytest.mark.slow
def test_the_template_is_a_criterion_with_a_test_that_passes(tmp_path):
    made = CliRunner().invoke(app, ["criteria", "new", "mine", "--folder", str(tmp_path)])
    assert made.exit_code == 0 and f"pytest {tmp_path}/test_mine.py" in made.stdout
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", str(tmp_path)], capture_output=True, text=True)
    assert "2 passed" in done.stdout, done.stdout + done.stderr
    listed = CliRunner().invoke(app, ["criteria", "--folder", str(tmp_path)]).stdout
    assert f"options: power=1\n  paper: Author et al., Title, Venue, year\n  source: file, {tmp_path}/mine.py" in listed
    assert "weight\n  Weight: the sum" in listed and "needs: no data" in listed
    # Its test is one of the criterion beside it: another equation there fails it.
    written = tmp_path / "mine.py"
    written.write_text(written.read_text("utf-8").replace(".abs()", ".relu()"), encoding="utf-8")
    tests = runpy.run_path(str(tmp_path / "test_mine.py"))
    with pytest.raises(AssertionError):
        tests["test_it_is_what_its_equation_says"]()
    for name, words in [("mine", "there already"), ("lrp", "there already"), ("Mine", "small letters")]:
        failed = CliRunner().invoke(app, ["criteria", "new", name, "--folder", str(tmp_path)])
        assert words in str(failed.exception)


def test_score_files_come_back_and_damage_is_named(tmp_path):
    path = tmp_path / "scores.safetensors"
    scores = {(0, "5"): {"conv1": torch.tensor([1.0, 2.0], dtype=torch.float64)}}
    scorefile.write(path, scores)
    assert torch.equal(scorefile.read(path, 0, "5", {"conv1": 2})["conv1"], scores[0, "5"]["conv1"])
    for arguments, words in [
        ((0, "5", {"conv1": 3}), "shape"),
        ((0, "5", {"conv2": 2}), "0/5/conv2"),
        ((1, "5", {"conv1": 2}), "1/5/conv1"),
    ]:
        with pytest.raises(SecateurError, match=words):
            scorefile.read(path, *arguments)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(SecateurError, match="not a readable score file"):
        scorefile.read(path, 0, "5", {"conv1": 2})
    scorefile.write(path, {(0, "5"): {"conv1": torch.tensor([float("nan"), 2.0])}})
    with pytest.raises(SecateurError, match="NaN"):
        scorefile.read(path, 0, "5", {"conv1": 2})
