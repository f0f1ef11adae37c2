"""The tables of docs/findings.md from the files of a run, and back."""

import json
import sys

import findings
import findings_causes as causes
import findings_tables as tables
import pandas as pd
import pytest


@pytest.fixture
def written(tmp_path):
    """The statistics of a run with two criteria, of which one is chosen otherwise in a variant."""
    folder = tmp_path / "zoo"
    for name in ("statistics", "tables", "samples/s"):
        (folder / name).mkdir(parents=True)
    means = {("fewshot", "10", "a"): 0.2, ("fewshot", "10", "b"): 0.5, ("fewshot", "5", "a"): 0.99,
             ("retrain", "5", "a"): 0.9, ("retrain", "5", "b"): 0.8}  # fmt: skip
    rows = [
        ("s", branch, samples, criterion, measure, 8, value, low, value + 0.01)
        for (branch, samples, criterion), mean in means.items()
        for measure, value in ((tables.MEASURE, mean), ("unpruned_accuracy", 0.95))
        for low in [mean - 0.01 if criterion == "a" else None]
    ]
    columns = ["study", "branch", "samples_per_class", "criterion", "measure", "n", "mean", "low", "high"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "statistics/intervals.csv", index=False)
    cost = pd.DataFrame({"criterion": ["a", "a", "b"], "ratio_to_gradient": [1.0, 3.0, 0.5]})
    cost.to_csv(folder / "tables/cost.csv", index=False)
    rows = [("s", "fewshot", 10, "a", "rule: x", 8, 0.05, 0.01), ("s", "fewshot", 10, "a", "rule: y", 8, -0.05, None)]
    columns = ["study", "branch", "samples_per_class", "criterion", "choice", "n", "mean_difference", "wilcoxon_holm"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "statistics/choices.csv", index=False)
    control = {"study": "s", "measure": "accuracy_at_rate", "samples_per_class": "", "control": "unpruned"}
    pd.DataFrame([control | {"value": value} for value in (0.96, 0.98)]).to_csv(
        folder / "statistics/measures.csv", index=False
    )
    verdicts = [
        ("C1", "lrp", "study", "s", "supported", 8, "weight", 0.031, 0.027, 0.036, "accuracy", None),
        ("C2", "lrp", "study", "s", "undecided", 8, "weight", 0.0, None, None, "accuracy", None),
        ("C3", "lrp", "study", "s", "supported", 8, "0.4", 0.0, 0.0, 0.0, "accuracy", 0.4),
        ("C4", "lrp", "study", "s", "supported", 8, "3", 1.3, 1.2, 1.4, "gradient passes", None),
        ("C4", "lrp", "overall", "", "supported", 8, "3", 9.9, 9.9, 9.9, "gradient passes", None),
        ("C3", "other", "study", "s", "supported", 8, "0.4", 0.0, 0.0, 0.0, "accuracy", 0.4),
    ]
    columns = ["claim", "criterion", "scope", "study", "verdict", "n", "against", "effect", "low", "high", "unit",
               "keeps_to"]  # fmt: skip
    pd.DataFrame(verdicts, columns=columns).to_csv(folder / "statistics/verdicts.csv", index=False)
    pd.DataFrame({"label": [0, 0, 1, 1, 2, 2, 3, 3]}).to_csv(folder / "samples/s/0-7.csv", index=False)
    (folder / "provenance.json").write_text(json.dumps({"config_hash": "abc", "commit": "def"}))
    (folder / "config.json").write_text(json.dumps({"retrain": {"finetune": {"epochs": 1}}, "criteria": []}))
    return folder


def test_means_have_the_highest_first_and_below_them_what_they_lie_between(written):
    head, _, *rows = tables.means(written).markdown().splitlines()
    assert head == "| criterion | s: not retrained | s: retrained | cost ÷ gradient |"
    assert rows == [
        "| b | 50.0 | 80.0 | 0.5 |",
        "| a | 20.0 [19.0, 21.0] | 90.0 [89.0, 91.0] | 2.0 |",
        "| _unpruned_ | 95.0 | 95.0 | – |",
        "| _unpruned, trained on as long_ | – | 97.0 | – |",
        "| _chance_ | 25.0 | 25.0 | – |",
    ]
    assert tables.blocks(written) == "n = 8 seeds; 10 (not retrained) and 5 (retrained) reference images per class"


def test_verdicts_stand_with_their_numbers_and_those_of_other_criteria_do_not(written):
    assert tables.verdicts(written).columns == {"s": {
        "C1, lrp": "supported: +3.1 [+2.7, +3.6], weight", "C2, lrp": "undecided: +0.0, weight",
        "C3, lrp": "supported: keeps to 0.4", "C4, lrp": "supported: 1.30 [1.20, 1.40]",
    }}  # fmt: skip


def test_a_run_that_trains_nothing_has_no_columns_of_retraining(written):
    (written / "config.json").write_text(json.dumps({"retrain": {"finetune": {"epochs": 0}}, "criteria": []}))
    assert "s: retrained" not in tables.means(written).columns
    assert set(tables.verdicts(written).rows) == {"C1, lrp", "C4, lrp"}


def test_a_choice_is_bold_where_the_corrected_test_says_so(written):
    text = findings.measured(written.rename(written.with_name("ablations")))
    assert "| a, rule: x | **+5.0** |\n| a, rule: y | −5.0 |" in text and "hash abc, commit def" in text


def test_what_is_read_back_is_what_was_written(written):
    for table in (tables.means(written), tables.verdicts(written), tables.choices(written)):
        assert tables.read_back(f"words\n\n{table.markdown()}\n\nmore") == {table.first: table}


def test_the_page_keeps_what_is_not_there_and_takes_what_is(written, tmp_path, monkeypatch, capsys):
    page = tmp_path / "findings.md"
    page.write_text(findings.page({"demo": tables.means(written).markdown()}), encoding="utf-8")
    monkeypatch.setattr(findings, "FILE", page)
    monkeypatch.setattr(sys, "argv", ["findings.py", "--results", str(written.parent), "--write"])
    findings.main()
    text = page.read_text(encoding="utf-8")
    assert "demo: not run" in capsys.readouterr().out.replace(str(written.parent) + "/", "")
    assert list(findings.sections(text)) == ["demo", "zoo"] and findings.page(findings.sections(text)) == text
    glance = tables.read_back(text.partition("\n### ")[0])["claim"]
    assert glance.columns["Digits"]["C1"].startswith("1 supported")


@pytest.fixture
def explained(written):
    """The run with a decomposition and two remedies."""
    parts = [
        ("s", 10, "a", "where", "", 0.30, 0.20, 0.40, 0.01), ("s", 10, "a", "which", "", -0.01, -0.03, 0.02, 0.9),
        ("s", 10, "b", "where", "", 0.02, -0.01, 0.04, 0.2), ("s", 10, "b", "which", "", 0.08, 0.05, 0.11, 0.03),
        ("s", 10, "random", "where", "", 0.0, -0.01, 0.01, None), ("s", 10, "random", "which", "", 0.0, -0.01, 0.01, 1),
        ("s", 10, "a", "where", 0.5, 0.99, 0.99, 0.99, 0.01), ("s", 1, "a", "which", "", 0.77, 0.7, 0.8, 0.01),
    ]  # fmt: skip
    columns = ["study", "samples_per_class", "criterion", "effect", "at", "mean", "low", "high", "wilcoxon_holm"]
    pd.DataFrame(parts, columns=columns).to_csv(written / "statistics/decomposition.csv", index=False)
    means = {("none", "a"): 0.5, ("none", "b"): 0.45, ("none", "random"): 0.2,
             ("bias", "a"): 0.6, ("bias", "b"): 0.62, ("bias", "random"): 0.55}  # fmt: skip
    rows = [("s", 10, *key, mean, mean - 0.01, mean + 0.01) for key, mean in means.items()]
    columns = ["study", "samples_per_class", "remedy", "criterion", "mean", "low", "high"]
    pd.DataFrame(rows, columns=columns).to_csv(written / "statistics/remedies.csv", index=False)
    path = written / "statistics/verdicts.csv"
    found = pd.read_csv(path).assign(remedy="none")
    other = found[found["claim"] == "C1"].assign(remedy="bias", verdict="contradicted")
    pd.concat([found, other]).to_csv(path, index=False)
    return written


def test_layers_and_filters_stand_apart_and_bold_where_the_test_finds_them(explained):
    table = causes.parts(explained)
    assert table.rows == ["a", "b", "random"]
    assert table.columns["s: where"]["a"] == "**+30.0 [+20.0, +40.0]**"
    assert table.columns["s: which"]["a"] == "−1.0 [−3.0, +2.0]"
    one, other = causes.of_parts(table)
    assert "worth most to `a` (30.0), which filters these are to `b` (8.0)" in one
    assert "worth more than the layers to 1 of 2 criteria: `b`." in one
    assert other.endswith("above 0: `b`; 0 within it: `a`, `random`.")


def test_a_repair_is_held_against_the_highest_without_one(explained):
    chance, spread, floor = causes.of_repairs(causes.repaired(explained))
    assert chance.endswith("repaired by bias keep more than those that the best criterion chose, unrepaired, in 1 of 1 "
                           "studies: s.")  # fmt: skip
    assert spread.endswith("30.0 (none, highest `a` (50.0)), 7.0 (bias, highest `b` (62.0)).")
    assert "is `a` (50.0); units taken at random and repaired have 55.0 % by bias, above it (20.0 %" in floor
    (said,) = [line for line in causes.of_judged(causes.judged(explained)) if line.startswith("C1 ")]
    assert said == "C1 for `lrp`, studies by what is done after cutting: none: 1 supported; bias: 1 contradicted."


def test_a_study_that_was_not_repaired_is_not_counted_among_those_that_were(explained):
    table = causes.repaired(explained)
    table.columns["t: none"] = dict(table.columns["s: none"])
    chance, *others = causes.of_repairs(table)
    assert chance.endswith("in 1 of 1 studies: s.")
    assert [line.partition(":")[0] for line in others] == ["s", "s", "t"]


def test_a_run_with_causes_has_their_tables_on_the_page_and_reads_them_back(explained):
    text = findings.measured(explained)
    assert [table.first for table in causes.all_of(explained)] == [causes.PARTS, causes.REPAIRED, causes.JUDGED]
    for table in causes.all_of(explained):
        assert tables.read_back(text)[table.first] == table
    assert findings.section(findings.section(text)) == findings.section(text)
