"""Two runs held against each other: what is identical, what other seeds explain, what moved and what is missing."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

import synthetic
from secateur.cli.commands import app
from secateur.errors import SecateurError
from secateur.files import write_json
from secateur.review.comparison import compare
from secateur.review.numbers import IDENTICAL, MOVED, ONLY_FIRST, ONLY_SECOND, ROUNDING, SPREAD, UNJUDGED

VERDICTS = pd.DataFrame(
    {
        "claim": ["C1", "C1", "C4"], "criterion": "lrp", "scope": ["overall", "study", "study"],
        "study": ["", "scene15", "scene15"], "verdict": ["supported", "supported", "supported"],
        "blocks": ["all studies alike", "seeds", "repeats"], "effect": [0.1, 0.1, 1.2], "sentence": "…",
    }
)  # fmt: skip


def run(folder: Path, seed: int = 0, seeds: int = 5, **options) -> Path:
    """A small run in `folder`, drawn with `seed`."""
    curves = synthetic.curves(seed=seed, seeds=seeds, samples=("10",), branches=("fewshot",), **options)
    synthetic.write(folder, curves=curves, profiles=synthetic.profiles(seeds=seeds), cost=synthetic.cost())
    (folder / "statistics").mkdir()
    VERDICTS.to_csv(folder / "statistics" / "verdicts.csv", index=False)
    write_json(folder / "config.json", {"run": folder.name, "run_seed": 1, "fewshot": {"rates": [0.1]}})
    write_json(folder / "provenance.json", {"commit": "abc", "hardware": "slow", "versions": {"torch": "2.9"}})
    return folder


@pytest.fixture
def first(tmp_path: Path) -> Path:
    return run(tmp_path / "A")


@pytest.fixture
def second(first: Path) -> Path:
    """A copy of run A, to be changed."""
    return Path(shutil.copytree(first, first.with_name("B")))


def change(folder: Path, table: str = "curves"):
    """A decorator that applies a function to a table of the run in `folder`."""

    def apply(edit):
        path = folder / "tables" / f"{table}.parquet"
        edit(pd.read_parquet(path)).to_parquet(path)

    return apply


def states(found) -> set[str]:
    return set(found.numbers["state"])


def test_a_copy_is_identical_to_the_byte(first, second):
    found = compare(first, second)
    assert found.outcome == "identical" and states(found) == {IDENTICAL}
    assert set(found.files.values()) == {"same bytes"}
    rates, criteria, measures = len(synthetic.RATES), len(synthetic.CRITERIA), 5
    assert (found.numbers["table"] == "curves").sum() == (rates + 1) * criteria * measures


def test_the_same_values_in_other_bytes_and_another_order_are_identical(first, second):
    change(second)(lambda table: table.sample(frac=1, random_state=0))
    found = compare(first, second)
    assert found.outcome == "identical" and found.files["tables/curves.parquet"] == "same values"


def test_rounding_is_called_rounding(first, second):
    change(second)(lambda table: table.assign(loss=table["loss"] * (1 + 1e-7)))
    found = compare(first, second)
    assert found.outcome == "reproduced" and states(found) == {IDENTICAL, ROUNDING}
    assert set(found.numbers.loc[found.numbers["state"] == ROUNDING, "measure"]) == {"loss"}
    assert SPREAD in states(compare(first, second, tolerance=1e-9))


def test_a_ten_thousandth_is_no_rounding(first, second):
    change(second)(lambda table: table.assign(loss=table["loss"] * (1 + 1e-4)))
    assert ROUNDING not in states(compare(first, second))


def test_other_seeds_are_within_the_seeds_spread(first, tmp_path):
    found = compare(first, run(tmp_path / "B", seed=1))
    assert found.outcome == "reproduced" and SPREAD in states(found) and MOVED not in states(found)
    judged = found.numbers[found.numbers["state"] == SPREAD]
    assert (judged["p"] > 0.05).all() and (judged["difference"].abs() <= judged["unseen"] + 1e-12).all()


def test_a_criterion_that_moved_is_found_and_it_alone(first, tmp_path):
    second = run(tmp_path / "B", seed=1)
    worse = lambda table: table["accuracy"].where(table["criterion"] != "lrp", table["accuracy"] * 0.9)  # noqa: E731
    change(second)(lambda table: table.assign(accuracy=worse(table)))
    found = compare(first, second)
    moved = found.numbers[found.numbers["state"] == MOVED]
    assert found.outcome == "not reproduced" and len(moved)
    assert moved["where"].str.contains("criterion lrp,").all() and set(moved["measure"]) == {"accuracy"}
    assert moved["where"].str.endswith("rate all").any() and (moved["difference"] < 0).all()


def test_numbers_and_seeds_of_one_run_alone_are_named(first, second):
    change(second)(lambda table: table[table["criterion"] != "lrp"])
    change(first)(lambda table: table[~((table["criterion"] == "weight") & (table["seed"] == 3))])
    found = compare(first, second)
    assert found.outcome == "not reproduced"
    named = {state: found.numbers.loc[found.numbers["state"] == state, "where"] for state in (ONLY_FIRST, ONLY_SECOND)}
    curves = found.numbers[found.numbers["table"] == "curves"]
    assert set(curves.loc[curves["where"].str.contains("criterion lrp,"), "state"]) == {ONLY_FIRST}
    assert named[ONLY_FIRST].str.contains("criterion lrp,").all()
    assert len(named[ONLY_SECOND]) and named[ONLY_SECOND].str.contains("criterion weight,").all()


def test_a_table_of_one_run_alone_is_named(first, second):
    (second / "tables" / "profiles.parquet").unlink()
    found = compare(first, second)
    assert found.files["tables/profiles.parquet"] == ONLY_FIRST and found.outcome == "not reproduced"


def test_a_table_without_seeds_must_be_the_same(first, second):
    units = pd.DataFrame({"study": "s", "layer": ["conv1", "conv2"], "units": [8, 16], "left_out": ["", None]})
    for folder in (first, second):
        units.to_parquet(folder / "tables" / "units.parquet")
    assert compare(first, second).files["tables/units.parquet"] == "same bytes"
    change(second, "units")(lambda table: table.iloc[::-1])
    found = compare(first, second)
    assert found.files["tables/units.parquet"] == "same values" and found.outcome == "identical"
    change(second, "units")(lambda table: table.assign(units=9))
    found = compare(first, second)
    assert found.files["tables/units.parquet"] == MOVED and found.outcome == "not reproduced"


def test_other_data_are_named(first, second):
    change(second)(lambda table: table.assign(test_samples=1999))
    found = compare(first, second)
    assert found.outcome == "not reproduced"
    assert [(fact.what.partition(" of ")[0], fact.first, fact.second) for fact in found.facts] == [
        ("test_samples", "2000", "1999")
    ]


def test_few_seeds_are_not_judged(tmp_path):
    found = compare(run(tmp_path / "A", seeds=3), run(tmp_path / "B", seeds=3, seed=1))
    assert found.outcome == "not judged" and UNJUDGED in states(found) and SPREAD not in states(found)


def test_a_2d_study_with_one_network_is_not_judged_and_takes_nothing_from_the_others(tmp_path):
    one, two = run(tmp_path / "A", seeds=4), run(tmp_path / "B", seeds=4, seed=1)
    for folder in (one, two):
        synthetic.toy().to_parquet(folder / "tables" / "toy.parquet")
    change(two, "toy")(lambda table: table.assign(accuracy=table["accuracy"] * 0.99))
    by_table = compare(one, two).numbers.groupby("table")["state"].agg(set)
    assert by_table["toy"] == {UNJUDGED, IDENTICAL} and SPREAD in by_table["curves"]


def test_a_value_that_is_no_number_in_one_run_has_moved(first, second):
    change(second)(lambda table: table.assign(loss=table["loss"].where(table["seed"] != 2)))
    found = compare(first, second)
    assert set(found.numbers.loc[found.numbers["state"] == MOVED, "measure"]) == {"loss"}
    change(first)(lambda table: table.assign(loss=table["loss"].where(table["seed"] != 2)))
    assert compare(first, second).outcome == "identical"


def test_times_are_not_compared(first, second):
    change(second, "cost")(lambda table: table.assign(seconds=99.0))
    table = VERDICTS.assign(verdict=["supported", "supported", "contradicted"], effect=[0.1, 0.1, 9.0])
    table.to_csv(second / "statistics" / "verdicts.csv", index=False)
    found = compare(first, second)
    assert found.outcome == "identical" and [verdict.timing for verdict in found.verdicts] == [True]


@pytest.mark.parametrize(("verdict", "outcome"), [("undecided", "reproduced"), ("contradicted", "not reproduced")])
def test_a_changed_verdict_is_listed_and_an_opposite_one_counts(first, tmp_path, verdict, outcome):
    second = run(tmp_path / "B", seed=1)
    table = VERDICTS.assign(verdict=[verdict, "supported", "supported"])
    table.to_csv(second / "statistics" / "verdicts.csv", index=False)
    found = compare(first, second)
    assert [(v.claim, v.where, v.first, v.second) for v in found.verdicts] == [
        ("C1", "over all studies", "supported", verdict)
    ]
    assert found.outcome == outcome


def test_statistics_that_differ_although_the_numbers_do_not_have_moved(first, second):
    VERDICTS.assign(effect=0.2).to_csv(second / "statistics" / "verdicts.csv", index=False)
    found = compare(first, second)
    assert found.files["statistics/verdicts.csv"] == MOVED and found.outcome == "not reproduced"
    VERDICTS.assign(effect=VERDICTS["effect"] * (1 + 1e-12)).to_csv(second / "statistics/verdicts.csv", index=False)
    assert compare(first, second).files["statistics/verdicts.csv"] == "within rounding"


def test_configs_and_environments_are_named_where_they_differ(first, second):
    write_json(second / "config.json", {"run": "other", "run_seed": 2, "fewshot": {"rates": [0.1, 0.2]}})
    write_json(second / "provenance.json", {"commit": "abd", "hardware": "slow", "versions": {"torch": "2.10"}})
    found = compare(first, second)
    assert {(d.what, d.first, d.second) for d in found.config} == {
        ("run_seed", "1", "2"), ("fewshot.rates", "[0.1]", "[0.1, 0.2]")
    }  # fmt: skip
    assert {(d.what, d.second) for d in found.environment} == {("commit", "abd"), ("versions.torch", "2.10")}
    assert "backbones" in " ".join(found.notes) and found.outcome == "identical"


def test_a_folder_without_a_run_and_a_broken_table_are_one_error_each(first, tmp_path):
    with pytest.raises(SecateurError, match="there is no run here"):
        compare(first, tmp_path / "nowhere")
    (first / "tables" / "curves.parquet").write_bytes(b"PAR1")
    with pytest.raises(SecateurError, match=r"curves\.parquet: not a readable"):
        compare(first, first)


@pytest.mark.parametrize(
    ("seeds", "factor", "code"), [(5, None, 0), (5, 1.0, 0), (5, 0.8, 1), (3, 1.0, 3)]
)  # identical, reproduced, moved, too few seeds
def test_the_commands_exit_code_and_file_say_how_it_went(tmp_path, seeds, factor, code):
    first = run(tmp_path / "A", seeds=seeds)
    second = first if factor is None else run(tmp_path / "B", seed=1, seeds=seeds)
    if factor is not None:
        change(second)(lambda table: table.assign(accuracy=table["accuracy"] * factor))
    target = tmp_path / "found.json"
    done = CliRunner().invoke(app, ["compare", str(first), str(second), "--output", str(target)])
    assert done.exit_code == code, done.output
    written = json.loads(target.read_text(encoding="utf-8"))
    words = {None: "identical", 0: "reproduced", 1: "not reproduced", 3: "not judged"}
    assert written["outcome"] == words[None if factor is None else code] and f"{written['outcome']}: of" in done.output
    assert len(written["numbers"]) == len(compare(first, second).numbers)
    if code == 1:
        assert "Moved:" in done.output
    refused = CliRunner().invoke(app, ["compare", str(first), str(second), "--output", "x.txt"])
    assert isinstance(refused.exception, SecateurError)
