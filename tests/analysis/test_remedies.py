"""What remedies are worth: planted gains are found, and a remedy that levels criteria is seen to do so."""

import numpy as np
import pandas as pd
import pytest

import synthetic
from secateur.analysis import remedies, statistics, tables, trace
from secateur.analysis.measures import measure_all
from secateur.analysis.sentences import badge
from secateur.report import remedy_tables
from secateur.report.drawing import read_statistics

SEEDS = 8


@pytest.fixture(scope="module")
def measures(tmp_path_factory) -> pd.DataFrame:
    """Curves without a remedy, one that adds five points to all criteria, and one that gives all the same."""
    folder = tmp_path_factory.mktemp("run")
    plain = synthetic.curves(seed=3, seeds=SEEDS, samples=("10",)).assign(control="", remedy="none")
    few = plain[plain["branch"] == "fewshot"]
    pruned = (few["rate"] > 0).to_numpy()
    better = few.assign(remedy="better", accuracy=np.minimum(few["accuracy"] + 0.05 * pruned, 1.0))
    level = few.assign(remedy="level", accuracy=np.where(pruned, 0.6, few["accuracy"]))
    synthetic.write(folder, curves=pd.concat([plain, better, level], ignore_index=True))
    assert set(tables.read(folder / "tables", "curves")["remedy"]) == {"none"}, "others see unrepaired networks alone"
    without = measure_all(tables.read(folder / "tables", "curves")).assign(remedy="none")
    every = pd.concat([without, remedies.measured(folder / "tables")], ignore_index=True)
    return every[every["branch"] == "fewshot"]


def test_a_planted_gain_is_found_with_its_interval(measures):
    worth = remedies.worth(measures, 0.05, 0).set_index(["remedy", "criterion"])
    assert worth["n"].eq(SEEDS).all() and worth.loc["none", "gain"].isna().all()
    gains = worth.loc["better"]
    assert ((gains["gain"] > 0.03) & (gains["gain"] <= 0.05)).all()
    assert ((gains["gain_low"] > 0) & (gains["gain_high"] >= gains["gain_low"])).all()
    assert np.allclose(gains["mean"] - gains["gain"], worth.loc["none", "mean"])


def test_the_order_stays_or_is_lost(measures):
    order = remedies.order(measures, 0.05).set_index("remedy")
    assert order.loc["better", "kendall"] > 0.9
    assert order.loc["level", "spread"] < 1e-9 < order.loc["level", "spread_before"]
    worth = remedies.worth(measures, 0.05, 0)
    for remedy, row in order.iterrows():
        means = worth[worth["remedy"] == remedy].set_index("criterion")["mean"]
        assert row["spread"] == pytest.approx(means.max() - means.min())


def test_a_sentence_has_the_numbers_of_its_rows(measures):
    worth, order = remedies.worth(measures, 0.05, 0), remedies.order(measures, 0.05)
    said = remedy_tables.sentences(worth, order)
    assert len(said) == len(order)
    rows = worth[worth["remedy"] == "better"].sort_values("gain")
    sentence = next(each for each in said if "remedy better" in each)
    for row in (rows.iloc[0], rows.iloc[-1]):
        assert f"{100 * row['gain']:+.1f} points" in sentence and f"({row['criterion']})" in sentence
    assert f"{100 * order.set_index('remedy').loc['better', 'spread']:.1f} points apart" in sentence


def test_few_seeds_are_said_and_not_tested(measures):
    worth = remedies.worth(measures[measures["seed"] < 3], 0.05, 0)
    tested = worth[worth["remedy"] != "none"]
    assert tested["wilcoxon_holm"].isna().all() and tested["note"].ne("").all()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run's folder with curves without a remedy, and with one after which all criteria are as good."""
    folder = tmp_path_factory.mktemp("judged")
    ahead = {**synthetic.CRITERIA, "lrp": 0.2}
    plain = synthetic.curves(ahead, seed=3, seeds=SEEDS, samples=("10",)).assign(control="", remedy="none")
    few = plain[plain["branch"] == "fewshot"]
    level = few.assign(remedy="level", accuracy=np.where(few["rate"] > 0, 0.6, few["accuracy"]))
    timed = synthetic.cost().assign(remedy="none")
    of_remedy = timed[timed["criterion"] == "lrp"].assign(criterion="", remedy="level", seconds=1.5)
    curves = pd.concat([plain, level], ignore_index=True)
    synthetic.write(folder, curves=curves, cost=pd.concat([timed, of_remedy], ignore_index=True))
    curves.to_csv(folder / "tables" / "curves.csv", index=False)
    config = {"run_seed": 1, "fewshot": {"remedies": ["none", "level"]}, "criteria": synthetic.entries()}
    statistics.run(folder / "tables", folder / "statistics", config)
    return folder


def test_claims_are_judged_in_each_cell_of_criterion_and_remedy(run):
    found = pd.read_csv(run / "statistics" / "verdicts.csv", keep_default_na=False)
    assert set(found["remedy"]) == {"none", "level"}
    level = found[found["remedy"] == "level"]
    assert set(level["claim"]) == {"C1", "C1s", "C5"}, "the claims about networks that are not retrained, no others"
    keys = ["claim", "criterion", "scope", "where"]
    both = found.pivot(index=keys, columns="remedy", values="verdict").loc[["C1"]]
    studies = both.xs("study", level="scope")
    assert (studies.loc[("C1", "lrp"), "none"] == "supported").all()
    assert (studies["level"] == "undecided").all(), "nobody is shown to lead where all are as good"
    assert level["sentence"].str.startswith("With every pruned network repaired by level: ").all()


@pytest.mark.slow
def test_verdicts_without_a_remedy_are_those_of_a_run_that_has_none(run, tmp_path):
    """Everything that others read is the same, whether networks were repaired as well or not."""
    curves = pd.read_parquet(run / "tables" / "curves.parquet")
    synthetic.write(tmp_path, curves=curves[curves["remedy"] == "none"], cost=synthetic.cost())
    statistics.run(tmp_path / "tables", tmp_path / "statistics", {"run_seed": 1, "criteria": synthetic.entries()})
    for name in ("measures", "verdicts", "intervals", "tests", "power"):
        with_it, without = (read_statistics(each / "statistics", name) for each in (run, tmp_path))
        pd.testing.assert_frame_equal(with_it, without)
    assert (run / "statistics/metrics.json").read_text() == (tmp_path / "statistics/metrics.json").read_text()


def test_a_verdicts_source_leads_to_the_measures_of_its_remedy(run):
    verdicts = run / "statistics" / "verdicts.csv"
    table = pd.read_csv(verdicts)
    chosen = (table["remedy"] == "level") & (table["claim"] == "C1") & (table["scope"] == "study")
    number = int(np.flatnonzero(chosen)[0])
    (measures,) = trace.behind(verdicts, number + trace.FIRST).values()
    assert set(measures["remedy"]) == {"level"} and len(measures)
    (behind,) = trace.rows(run, measures["source"].iloc[0]).values()
    assert set(behind["remedy"]) == {"level"}


def test_the_page_says_verdicts_and_seconds_of_each_remedy(run):
    verdicts = read_statistics(run / "statistics", "verdicts", remedy=None)
    (c1, *_) = remedy_tables.verdict_sentences(verdicts, "lrp")
    overall = verdicts[verdicts["claim"].eq("C1") & verdicts["criterion"].eq("lrp") & verdicts["scope"].eq("overall")]
    says = {row["remedy"]: badge(row)[1] for row in overall.to_dict("records")}
    assert c1 == f"C1 for lrp: {says['none']} as cut, {says['level']} with level."
    cost = tables.optional(run / "tables", "cost", remedy=None)
    (said,) = remedy_tables.cost_sentences(cost)
    passes = (1.5 / cost.loc[cost["remedy"] == "level", "forward_seconds"]).median()
    assert said == f"scene15-resnet18, time of a repair on 10 images: level 1.5 s ({passes:.3g} forward passes)."
    assert len(remedy_tables.cost_table(cost).rows) == 1
    assert set(tables.optional(run / "tables", "cost")["criterion"]) == set(synthetic.CRITERIA)
    shown = remedy_tables.verdicts_table(verdicts)
    assert shown.count == int(verdicts["claim"].isin(["C1", "C1s", "C5"]).sum())
