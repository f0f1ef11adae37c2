"""What readers are told of a criterion is what its file and its entry say; entries that differ are told apart."""

import pytest

from secateur.ranking import glossary, registry


def test_a_plain_entry_is_what_its_file_says():
    found = glossary.entry({"criterion": "taylor"})
    criterion = registry.load("taylor")
    assert found["sentence"] == registry.describe("taylor") and " Here with " not in found["sentence"]
    assert found["formula"].startswith("|Σ a·g|") and found["paper"] == criterion.paper
    assert found["needs"] == "reference images with their labels, and gradients"
    assert found["normalisation"] == "scores divided by their layer's Euclidean norm"


def test_entries_of_one_criterion_are_told_apart_by_what_they_choose():
    entries = [
        {"criterion": "taylor"},
        {"criterion": "taylor", "normalisation": "none"},
        {"criterion": "taylor", "normalisation": "none", "options": {"of": "logit", "absolute": "sample"}},
        {"criterion": "taylor", "ranking": "once"},
    ]
    sentences = [glossary.entry(entry)["sentence"] for entry in entries]
    assert len(set(sentences)) == 4
    assert "of: logit; absolute: sample; scores as they are" in sentences[2]
    assert sentences[3].endswith("Here with ranked once for all rounds of retraining.")
    assert "ranking" not in glossary.entry({"criterion": "taylor", "ranking": "every-round"})["sentence"]


@pytest.mark.parametrize("name", [name for name, source in registry.find().items() if source.kind == "built-in"])
def test_what_is_read_is_what_the_criterion_is_when_it_runs(name):
    found, criterion = glossary.entry({"criterion": name}), registry.load(name)
    assert found["needs"] == glossary.LOOKS_AT[tuple(criterion.needs)]
    assert found["normalisation"] == glossary.COMPARABLE[criterion.normalisation]
    assert found["sentence"].strip() and found["formula"].strip()


def test_a_users_rule_and_what_its_file_leaves_open(tmp_path):
    (tmp_path / "mine.py").write_text('"""Mine: a number."""\n\n\ndef score(network):\n    """One each."""\n')
    found = glossary.entry({"criterion": "mine", "options": {"power": True, "at": [1, 2]}}, [tmp_path])
    assert found["sentence"] == "Mine: a number. Here with power: true; at: 1, 2." and found["formula"] == "One each."
    assert found["needs"] == "reference images with their labels" and found["paper"] == ""


def test_a_constant_that_is_put_together_when_the_file_runs_hides_none_behind_it(tmp_path):
    (tmp_path / "later.py").write_text(
        '"""Later: a number."""\n\nNEEDS = tuple(["samples"])\nNORMALISATION = "sum"\nPAPER = "Nobody, 2020"\n\n\n'
        'def score(network):\n    """One each."""\n'
    )
    found = glossary.entry({"criterion": "later"}, [tmp_path])
    assert found["paper"] == "Nobody, 2020" and found["normalisation"] == glossary.COMPARABLE["sum"]
    assert found["needs"] == "reference images with their labels", "what is usual, where the file leaves it open"


def test_of_a_rule_in_another_language_nothing_is_said_to_be_needed(tmp_path):
    (tmp_path / "ruled.smk").write_text(
        "# Ruled: by a rule.\n# paper: Nobody, 2020\n\n\nrule ruled:\n"
        '    input:\n        "{case}/samples.safetensors",\n'
    )
    found = glossary.entry({"criterion": "ruled"}, [tmp_path])
    assert found["sentence"] == "Ruled: by a rule." and found["formula"] == found["needs"] == ""
    (tmp_path / "filed.py").write_text('"""Filed."""\nNEEDS = ()\n\n\ndef score(network):\n    """One each."""\n')
    assert glossary.entry({"criterion": "filed"}, [tmp_path])["needs"] == "nothing but the network"
