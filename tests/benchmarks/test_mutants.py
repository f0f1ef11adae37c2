"""The mutation run: what is drawn, which tests it is tried with, and what its page counts."""

import os
import subprocess
import sys

import mutants
import pytest
from mutants import Mutant
from mutants_outcome import INVALID, KILLED, SURVIVED, Outcome, copied
from mutants_tests import BUDGET, Covering

from secateur.config import REPOSITORY

SOURCE = """
def share(part: int = 3, whole: "int | None" = None) -> float | None:
    count: int = 4
    if part < 0:
        raise ValueError(f"{part + 1} is below 0")
    return part / (whole or count)
"""


class Contexts:
    """Coverage's data: of each line the tests that ran it."""

    def contexts_by_lineno(self, path):
        assert path.endswith("src/secateur/x.py")
        return {1: ["tests/test_a.py::slow", "tests/test_b.py::fast", ""], 2: ["tests/test_a.py::slow"]}


def test_annotations_and_the_texts_of_errors_are_left_out():
    lines = SOURCE.splitlines()
    spans = {lines[row - 1][start:end] for (row, start), (_, end) in mutants.unjudged(SOURCE)}
    assert spans == {"int", '"int | None"', "float | None", 'ValueError(f"{part + 1} is below 0")'}


def test_a_mutant_is_tried_with_the_fastest_test_of_its_line_first_and_then_with_others_of_the_files():
    covering = Covering(Contexts(), {
        "tests/test_a.py::slow": 3.0, "tests/test_b.py::fast": 1.0, "tests/test_b.py::other": 0.1,
        "tests/test_c.py::elsewhere": 0.1, "tests/test_a.py::endless": BUDGET,
    })  # fmt: skip
    assert covering.of("src/secateur/x.py", 1) == [
        "tests/test_b.py::fast",
        "tests/test_a.py::slow",
        "tests/test_b.py::other",
    ]
    assert covering.of("src/secateur/x.py", 2)[0] == "tests/test_a.py::slow"
    assert covering.of("src/secateur/x.py", 9) == []


def test_a_mutant_that_no_test_tries_survives_and_one_that_does_not_import_is_not_counted(monkeypatch):
    found = [
        (Mutant("src/secateur/ranking/ties.py", "core/AddNot", 0, 1, 0), Outcome(KILLED, 3, 1.0)),
        (Mutant("src/secateur/ranking/ties.py", "core/AddNot", 1, 2, 0), Outcome(SURVIVED, 0, 1.0)),
        (Mutant("src/secateur/ranking/ties.py", "core/AddNot", 2, 3, 0), Outcome(INVALID, 3, 1.0)),
    ]
    monkeypatch.setattr(mutants, "changed", lambda mutant: "a\nnot b | c\n")
    text = mutants.page(found, seed=1)
    assert "**1 of 2 killed (50 %).**" in text and "1 more did not import" in text
    assert "| ranking | 2 | 1 | 1 |" in text
    assert "| ranking/ties.py:2 AddNot |" in text and "`not b ¦ c` | 0 |" in text


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="mutants are tried in forked processes")
def test_a_wrong_change_is_killed_and_a_harmless_one_survives(tmp_path):
    path = "src/secateur/ranking/glossary.py"
    text = (REPOSITORY / path).read_text(encoding="utf-8")
    tests = ["tests/ranking/test_glossary.py"]
    broken = text.replace("return ", "return None and ")
    assert broken != text
    tasks = [(path, text + "# more\n", tests), (path, broken, tests)]
    # In a process of its own: what this one has imported, tests too, a fork of it would have as well.
    code = (
        f"from mutants_outcome import tried\nprint(*(one.kind for one in tried({tasks!r}, Path({str(tmp_path)!r}), 1)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"from pathlib import Path\n{code}"], capture_output=True, text=True, check=True,
        cwd=REPOSITORY / "benchmarks",
    )  # fmt: skip
    assert done.stdout.splitlines()[-1].split() == [SURVIVED, KILLED]


def test_a_copy_has_the_files_that_git_knows_and_leaves_the_originals_alone(tmp_path):
    folder = copied(tmp_path / "copy")
    assert (folder / "src/secateur/config.py").samefile(REPOSITORY / "src/secateur/config.py")
    assert not (folder / ".git").exists()
