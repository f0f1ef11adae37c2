"""The page's sentence on who leads: each named criterion is the maximum of that very number in the table it cites."""

import re

import pandas as pd
import pytest

import synthetic
from secateur.analysis import statistics
from secateur.analysis.measures import measure_all
from secateur.analysis.statistics import numbered
from secateur.report import content, page_tables

PARTS = re.compile(
    r"^(?P<branch>.+?) and with (?P<samples>\S+) reference images? per class(?P<over>.*?): .*?rates is that of "
    r"(?P<highest>\S+) \((?P<accuracy>\S+) %(?:, against (?P<floor>\S+) % at random)?\); .*?that of "
    r"(?P<furthest>\S+) \((?P<rate>\S+) %"
)
ACCURACY, RATE = "mean accuracy over rates", "keeps 95 % to rate"


def intervals(**other) -> pd.DataFrame:
    return statistics.intervals(numbered(measure_all(synthetic.curves(**other))), 0.05, 0)


def cited(found: pd.DataFrame, branch: str, samples: str) -> pd.DataFrame:
    """The cells of "All criteria at a glance" for one setting: criterion × column, in per cent, means over studies."""
    table = page_tables.glance(found)
    cells = pd.DataFrame([[cell.text for cell in row] for row in table.rows], columns=table.head)
    words = page_tables.branch_words(branch)
    cells = cells[(cells["retraining"] == words) & (cells["images per class"] == samples)]
    numbers = cells[[ACCURACY, RATE]].map(lambda text: float(text.removesuffix(" %")))
    return numbers.groupby(cells["criterion"]).mean()


@pytest.mark.parametrize("studies", [("a-x",), ("a-x", "b-y")])
def test_a_leader_is_the_maximum_of_the_number_that_is_named(studies):
    found = intervals(studies=studies, seeds=6)
    sentences = content.leaders(found)
    assert len(sentences) == 2
    for branch, sentence in zip(("fewshot", "retrain"), sentences, strict=True):
        said = PARTS.match(sentence)
        assert said, sentence
        cells = cited(found, branch, said["samples"])
        assert said["samples"] == {"fewshot": "1", "retrain": "10"}[branch]
        assert ("2 studies" in said["over"]) == (len(studies) == 2)
        for who, number, column in (("highest", "accuracy", ACCURACY), ("furthest", "rate", RATE)):
            assert said[who] == cells[column].idxmax()
            assert float(said[number]) == pytest.approx(cells[column].max(), abs=0.06)
        assert float(said["floor"]) == pytest.approx(cells.loc["random", ACCURACY], abs=0.06)


def test_two_measures_can_have_two_leaders_and_each_keeps_its_own_number():
    found = intervals(seeds=3)
    few = found["branch"].eq("fewshot") & found["samples_per_class"].eq("1") & found["measure"].eq("rate_keeping_95")
    found.loc[few & found["criterion"].eq("weight"), "mean"] = 0.79
    said = PARTS.match(content.leaders(found)[0])
    assert said["highest"] == "lrp" and said["furthest"] == "weight" and said["rate"] == "79.0"
    kept = found[few & found["criterion"].eq("lrp")]["mean"].item()
    assert said["rate"] != f"{100 * kept:.1f}"


def test_equals_lead_together_and_who_was_not_everywhere_leads_nowhere():
    found = intervals(seeds=3, studies=("a-x", "b-y"))
    few = found["branch"].eq("fewshot") & found["samples_per_class"].eq("1")
    main = few & found["measure"].eq(page_tables.MAIN)
    found.loc[main & found["criterion"].isin(["lrp", "taylor"]), "mean"] = 0.9
    assert "is that of lrp and taylor (90.0 %, against" in content.leaders(found)[0]
    found.loc[main & found["criterion"].eq("gradient"), "mean"] = 0.99
    found = found[~(few & found["criterion"].eq("gradient") & found["study"].eq("b-y"))]
    assert "is that of lrp and taylor (90.0 %" in content.leaders(found)[0]


def test_random_in_front_is_not_set_against_itself():
    found = intervals(seeds=3, criteria={"lrp": -0.1, "random": 0.1})
    assert "is that of random (" in content.leaders(found)[0] and "at random" not in content.leaders(found)[0]
