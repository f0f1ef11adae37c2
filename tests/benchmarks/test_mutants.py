"""The mutation run: what is drawn, which tests it is tried with, and what its page counts."""

import os
import subprocess
import sys
from dataclasses import replace

import mutants
import pytest
from mutants import Mutant
from mutants_outcome import INVALID, KILLED, SURVIVED, copied
from mutants_page import REASONS, RECORDS, Record
from mutants_tests import BUDGET, Covering, imported

from secateur.config import REPOSITORY
from secateur.errors import SecateurError

SOURCE = """
@dataclass(frozen=True)
class Parts:
    of: int


def share(part: int = 3, whole: "int | None" = None) -> float | None:
    count: int = 4
    if part < 0:
        raise ValueError(f"{part + 1} is below 0")
    model.load_state_dict(part, strict=True)
    return part / (whole or count), dict(zip(part, whole, strict=True))
"""


class Contexts:
    """Coverage's data: of each line the tests that ran it, all in a function's body."""

    def contexts_by_lineno(self, path):
        assert path.endswith("src/secateur/ranking/ties.py")
        return {31: ["tests/test_a.py::slow", "tests/test_b.py::fast", ""], 32: ["tests/test_a.py::slow"]}


def test_annotations_the_texts_of_errors_and_what_must_never_happen_are_left_out():
    lines = SOURCE.splitlines()
    spans = [lines[row - 1][start:end] for (row, start), (_, end) in mutants.unjudged(SOURCE)]
    assert sorted(spans) == sorted([
        "int", "int", "int", '"int | None"', "float | None", 'ValueError(f"{part + 1} is below 0")',
        "dataclass(frozen=True)", "True",
    ])  # fmt: skip


def test_a_mutant_is_tried_with_the_fastest_test_of_its_line_first_and_then_with_others_of_the_files():
    covering = Covering(Contexts(), {
        "tests/test_a.py::slow": 3.0, "tests/test_b.py::fast": 1.0, "tests/test_b.py::other": 0.1,
        "tests/test_c.py::elsewhere": 0.1, "tests/test_a.py::endless": BUDGET,
    })  # fmt: skip
    assert covering.of("src/secateur/ranking/ties.py", 31) == [
        "tests/test_b.py::fast",
        "tests/test_a.py::slow",
        "tests/test_b.py::other",
    ]
    assert covering.of("src/secateur/ranking/ties.py", 32)[0] == "tests/test_a.py::slow"
    assert covering.of("src/secateur/ranking/ties.py", 39) == []


def record(line: int, outcome: str, tests: int = 3, **more: str) -> Record:
    return Record("ranking/ties.py", line, "AddNot", 0, f"if b{line} | c:", f"if not b{line} | c:", outcome, tests,
                  commit="abc", **more)  # fmt: skip


def test_the_page_counts_equivalent_mutants_apart_and_says_what_was_not_tried():
    records = [
        record(1, KILLED), record(2, SURVIVED, 0), record(3, INVALID), record(4, SURVIVED),
        record(5, SURVIVED, killed_since="def"), record(6, ""),
    ]  # fmt: skip
    known = {records[3].key: ("equivalent", "an order among equals.")}
    text = mutants.page(records, known)
    assert "**1 of 4 killed (25 %) by the tests as they were** at commit abc" in text
    assert "Of the 3 that change anything, 1 were killed (33 %);" in text and "survivors, 2 (67 %)**" in text
    assert "6 mutants, of which 5 were tried, in the order of the draw; the run was cut short. 1 could not" in text
    assert "| ranking | 4 | 1 | 1 | 1 | 1 | 1 |" in text
    assert "| ranking/ties.py:2 AddNot | `if b2 ¦ c:` | `if not b2 ¦ c:` | 0 | no reason is known |" in text
    assert "| 3 | changes nothing that is computed or said: an order among equals. |" in text
    assert "| 3 | killed by a test written since (commit def) |" in text


def test_records_read_as_they_were_written_and_a_reason_is_of_a_kind(tmp_path):
    records = [record(1, KILLED), record(2, "", killed_since="def")]
    mutants.write(records, tmp_path / "mutants.csv")
    assert mutants.read(tmp_path / "mutants.csv") == records
    path = tmp_path / "reasons.yaml"
    path.write_text("- {file: a.py, line: b, changed: c, kind: so, because: d}\n")
    with pytest.raises(SecateurError, match="needs `kind`"):
        mutants.reasons(path)


@pytest.mark.skipif(not RECORDS.exists(), reason="no mutants were tried yet")
def test_the_shipped_page_is_that_of_its_records_and_every_reason_is_of_a_survivor():
    records, known = mutants.read(), mutants.reasons(REASONS)
    assert mutants.PAGE.read_text(encoding="utf-8") == mutants.page(records, known)
    assert known.keys() <= {one.key for one in records if one.stands}


def test_a_survivor_is_found_again_by_the_text_of_its_line(monkeypatch, tmp_path):
    file = tmp_path / "src" / "secateur" / "ranking" / "ties.py"
    file.parent.mkdir(parents=True)
    file.write_text("if b2 | c:\n    a\n\nif b2 | c:\n    a\n")
    monkeypatch.setattr(mutants, "REPOSITORY", tmp_path)
    places = [Mutant("src/secateur/ranking/ties.py", "core/AddNot", n, line, 3) for n, line in enumerate((1, 4))]
    monkeypatch.setattr(mutants, "mutants", lambda path: iter(places))
    assert mutants.today(record(2, SURVIVED)) == places[0], "the nearest of two"
    assert mutants.today(replace(record(3, SURVIVED), before="if b2 | d:")) == places[1], "a name was changed"
    assert mutants.today(replace(record(3, SURVIVED), before="while wanted in others:")) is None
    file.rename(file.with_name("renamed.py"))
    assert mutants.today(record(2, SURVIVED)) == places[0], "anywhere in the room when its file has gone"


def test_what_runs_at_import_is_tried_with_the_tests_of_the_whole_file():
    source = "LIMIT = 3\n\n\n@cached\ndef f(x=1,\n      y=2):\n    z = LIMIT\n    return z\n"
    assert [imported(source, line) for line in range(1, 9)] == [True] * 6 + [False] * 2
    path = "src/secateur/analysis/regret.py"
    number = (REPOSITORY / path).read_text(encoding="utf-8").splitlines().index("import pandas as pd") + 1

    class Some:
        def contexts_by_lineno(self, path):
            return {number: [""], number + 30: ["tests/test_a.py::one", ""]}

    assert Covering(Some(), {"tests/test_a.py::one": 1.0}).of(path, number) == ["tests/test_a.py::one"]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="mutants are tried in forked processes")
def test_a_wrong_change_is_killed_a_harmless_one_survives_and_one_that_does_not_import_counts_for_neither(tmp_path):
    path = "src/secateur/ranking/glossary.py"
    text = (REPOSITORY / path).read_text(encoding="utf-8")
    tests = ["tests/ranking/test_glossary.py"]
    broken = text.replace("return ", "return None and ")
    assert broken != text
    tasks = [(path, text + "# more\n", tests), (path, broken, tests), (path, text + "None + 1\n", tests)]
    # In a process of its own: what this one has imported, tests too, a fork of it would have as well.
    code = (
        f"from mutants_outcome import tried\nprint(*(one.kind for one in tried({tasks!r}, Path({str(tmp_path)!r}), 1)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"from pathlib import Path\n{code}"], capture_output=True, text=True, check=True,
        cwd=REPOSITORY / "benchmarks",
    )  # fmt: skip
    assert done.stdout.splitlines()[-1].split() == [SURVIVED, KILLED, INVALID]


def test_a_copy_has_the_files_that_git_knows_and_leaves_the_originals_alone(tmp_path):
    folder = copied(tmp_path / "copy")
    assert (folder / "src/secateur/config.py").samefile(REPOSITORY / "src/secateur/config.py")
    assert not (folder / ".git").exists()
