"""Criteria are found by their files, read without running them, and checked when loaded."""

import pytest
import torch

from secateur.errors import SecateurError
from secateur.ranking import registry, scorefile

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
    with pytest.raises(SecateurError, match="'broken'.*cannot be imported: SyntaxError"):
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
