"""The table of families: one row for each, whatever happens to it, and sentences made of the rows."""

import os
import signal

import families
import family_choice
import family_evidence
import pytest
import timm
import torch
from removal_proof import disturb

from secateur.files import read_json
from secateur.pruning.units import find_unit_groups


def test_every_module_of_timm_has_a_member_and_the_page_its_row():
    chosen = read_json(families.CHOSEN)
    assert set(chosen) == set(family_choice.families()) and len(chosen) >= 95
    page = families.PAGE.read_text(encoding="utf-8")
    rows = families.kept(page)
    assert len(rows) >= 50 and {family: row[1] for family, row in rows.items()}.items() <= chosen.items()
    assert families.sentences(list(rows.values()), sorted(set(chosen) - set(rows))) in page


def test_what_others_register_is_no_family_of_timm(monkeypatch):
    theirs = [*timm.list_modules(), "somebody_elses"]
    monkeypatch.setattr(timm, "list_modules", lambda: theirs)
    assert set(family_choice.families()) == set(read_json(families.CHOSEN))


def test_the_smallest_member_has_the_fewest_parameters():
    assert family_choice.smallest("vgg") == read_json(families.CHOSEN)["vgg"] == "vgg11"
    member = family_choice.member("vit_tiny_patch16_224")
    assert member.side == member.arguments["img_size"] == 64  # it must be told
    assert "img_size" not in family_choice.member("resnet18").arguments


def test_a_row_holds_what_is_true_of_a_small_network():
    row = families.row("test", "test_resnet", fresh=False)
    assert len(row) == len(families.HEADER) and row[families.SAVED] == "yes"
    assert float(row[families.REMOVAL]) <= 1e-8 and float(row[families.RELEVANCE]) <= 1e-8
    assert row[families.WITH_HEADS] == row[families.WITH_STREAMS] == "none"
    assert families.exact(row[families.REMOVAL]) and not families.exact("1e-06 (rounding: 3e-06)")
    assert not families.exact("1e-07") and not families.exact("nothing: …")


@pytest.mark.slow
@pytest.mark.parametrize("way", ["raises", "dies", "lasts"])
def test_a_family_that_fails_is_a_row(monkeypatch, way):
    def fails(*_):
        if way == "raises":
            raise IndexError("a | b")
        if way == "dies":
            os.kill(os.getpid(), signal.SIGSEGV)
        while True:
            pass

    monkeypatch.setattr(family_evidence, "evidence", fails)
    monkeypatch.setattr(families, "PROCESSOR_SECONDS", 2)
    row = families.row("test", "test_resnet", fresh=False)
    assert row[-1].startswith("traceback: ")
    assert {"raises": "IndexError", "dies": "SIGSEGV", "lasts": "SIGXCPU"}[way] in row[-1]
    said = families.sentences([row])
    assert "1 end in a traceback" in said and "Traceback: test." in said


def test_rows_survive_being_written_and_read():
    left = "0 of 3 layers left out"
    none = ["none; 3 of 3 layers left out", "0%", "none", "none", "", "refused: In x", "", "0.1", "3 × y"]
    differing = ["1e-3", "1e-15", "yes", "2.5", ""]
    rows = [
        ["a", "m", "64 px", *none],
        ["b", "n", "64 px", f"9 filters; {left}", "90%", "", "", *differing],
        ["c", "o", "64 px", f"9 heads; {left}", "60%", "32: 80%", "8: 99%", *differing],
        ["d", "p", "64 px", f"9 heads; {left}", "60%", "none", "8: 99%", *differing],
    ]
    page = f"{families.BEGIN}\n{families.table(rows)}\n{families.END}"
    assert families.kept(page) == {row[0]: row for row in rows}
    said = families.sentences(rows)
    assert "4 families. In 2 the units cover" in said and ": in 1 those of" in said and "silencing, it is 3." in said
    assert "Below 80 %: a, d." in said and "Not exact: b, c, d." in said and "refused: a." in said
    assert "to trace: b, c, d." in said


def test_the_share_of_parameters_in_units_by_hand():
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Flatten(), torch.nn.Linear(4, 5))
    groups = find_unit_groups(model, torch.zeros(1, 3, 3, 3))
    assert family_evidence.coverage(model, groups) == (4 * 27 + 4 + 20) / (4 * 27 + 4 + 25)


def test_the_evidence_sees_a_removal_that_is_not_silence(monkeypatch):
    torch.manual_seed(0)
    model = disturb(timm.create_model("test_resnet", num_classes=10)).double().eval()
    inputs = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    groups = find_unit_groups(model, inputs)
    assert family_evidence.removal(model, groups, inputs) <= 1e-8
    right = family_evidence.prove

    def wrong(model, groups, selection, inputs):
        return right(model, groups, {name: [0] for name in selection}, inputs)._replace(difference=0.5)

    monkeypatch.setattr(family_evidence, "prove", wrong)
    assert family_evidence.removal(model, groups, inputs) >= 0.5  # relative to what silencing changes, at most 1


def test_what_has_not_changed_is_not_found_anew(monkeypatch):
    member = family_choice.member("test_vit")
    whole = family_evidence.evidence(member, fresh=False)
    assert whole["head_channels"].endswith("%") and whole["removal"] <= 1e-8
    monkeypatch.setattr(family_evidence, "agreement", None)
    monkeypatch.setattr(family_evidence, "saved", None)
    earlier = {"relevance": "2e-2", "units": whole["units"], "removal": "0.5", "saved": "no"}
    found = family_evidence.evidence(member, False, earlier)
    assert (found["relevance"], found["removal"], found["saved"]) == ("2e-2", 0.5, "no")
    assert found["embedding"] == whole["embedding"]
    assert family_evidence.worst(["1e-15", 2e-14, ""]) == 2e-14
    assert family_evidence.worst([1.0, "counts 3"]) == "counts 3"
    with pytest.raises(TypeError):  # other units: saving is tried anew
        family_evidence.evidence(member, False, {**earlier, "units": "none"})
