"""The page's sentences on who leads: each named criterion is the maximum of that very number in the table it cites."""

import pandas as pd
import pytest
from tests.tiers import rows

import synthetic
from secateur.analysis import statistics
from secateur.analysis.measures import measure_all
from secateur.analysis.statistics import numbered
from secateur.report import page_tables, summary

HEADINGS = ("mean accuracy over rates", "keeps 95 % to rate")
"""The columns that a sentence's two parts are about, in their order."""


def intervals(**other) -> pd.DataFrame:
    return statistics.intervals(numbered(measure_all(synthetic.curves(**other))), 0.05, 0)


def cells(found: pd.DataFrame) -> pd.DataFrame:
    """The summary as it is shown, one row a criterion and setting, with the id of each row."""
    table = summary.summary(found, synthetic.cost())
    shown = pd.DataFrame([[cell.text for cell in row] for row in table.rows], columns=table.head)
    marks = pd.DataFrame(table.marks).rename(columns=lambda name: name.removeprefix("data-"))
    return pd.concat([shown.drop(columns="study", errors="ignore"), marks], axis=1)


@pytest.mark.parametrize("studies", rows([("a-x",), ("a-x", "b-y")], [("a-x",)]))
@pytest.mark.parametrize("seed", rows([0, 1], [0]))
def test_a_leader_is_the_maximum_of_the_number_that_is_named_and_links_to_its_row(studies, seed):
    found = intervals(studies=studies, seeds=6, noise=0.05, seed=seed)
    table = cells(found)
    sentences = summary.leaders(found)
    assert len(sentences) == 3 * len(studies), "one a study, branch and number of images"
    for said in sentences:
        keys = ["study", "branch", "samples"]
        here = table[(table[keys] == [said[key] for key in keys]).all(axis=1)]
        assert len(here) == len(synthetic.CRITERIA)
        for part, heading in zip(said["parts"], HEADINGS, strict=True):
            numbers = here.set_index("criterion")[heading].map(lambda text: float(text.removesuffix(" %")))
            assert set(part["names"]) == set(numbers[numbers == numbers.max()].index)
            assert part["value"] == f"{numbers.max():.1f} %"
            assert part["beside"] == f"{numbers['random']:.1f} % at random"
            assert here.set_index("id")["criterion"][part["row"]] in part["names"]


def test_both_leaders_have_their_own_number_where_they_differ():
    found = intervals(seeds=3)
    few = found["branch"].eq("fewshot") & found["samples_per_class"].eq("1")
    found.loc[few & found["criterion"].eq("weight") & found["measure"].eq(summary.KEPT), "mean"] = 0.79
    first, second = summary.leaders(found)[0]["parts"]
    assert first["names"] == ["lrp"] and second["names"] == ["weight"] and second["value"] == "79.0 %"
    assert first["value"] != second["value"]


def test_equals_lead_together():
    found = intervals(seeds=3)
    main = found["measure"].eq(page_tables.MAIN) & found["samples_per_class"].eq("1")
    found.loc[main & found["criterion"].isin(["lrp", "taylor"]), "mean"] = 0.9
    part = summary.leaders(found)[0]["parts"][0]
    assert part["names"] == ["lrp", "taylor"] and part["value"] == "90.0 %"


def test_random_in_front_is_not_set_against_itself():
    found = intervals(seeds=3, criteria={"lrp": -0.1, "random": 0.1})
    part = summary.leaders(found)[0]["parts"][0]
    assert part["names"] == ["random"] and part["beside"] == ""


@pytest.mark.slow
def test_the_best_of_a_setting_is_the_darkest_and_every_number_has_its_interval():
    found = intervals(seeds=6)
    table = summary.summary(found, synthetic.cost())
    place = table.head.index(HEADINGS[0])
    for mark in {tuple(sorted(mark.items()))[:2] for mark in table.marks}:
        rows = [row for row, own in zip(table.rows, table.marks, strict=True) if set(mark) <= set(own.items())]
        best = max(rows, key=lambda row: float(row[place].sort))
        assert best[place].heat == "1" and sorted(row[place].heat for row in rows)[0] == "0"
    row = found[(found["criterion"] == "lrp") & (found["measure"] == page_tables.MAIN) & (found["branch"] == "retrain")]
    span = f"{100 * row['low'].item():.1f}–{100 * row['high'].item():.1f}"
    assert [own[place].beside for own in table.rows if own[0].text == "lrp"][-1] == span


def test_what_one_criterion_has_is_not_coloured_by_rank():
    table = summary.summary(intervals(seeds=3, criteria={"lrp": 0.1}), synthetic.cost().head(0))
    assert {cell.heat for row in table.rows for cell in row} == {""} and "cost" not in table.head
