"""The stage `statistics`: what it writes, the same bytes every time, every number traceable to the tables."""

import json

import numpy as np
import pandas as pd
import pytest

import synthetic
from secateur.analysis import statistics
from secateur.analysis.comparisons import friedman_ranks, pairwise_tests
from secateur.analysis.measures import measure_all
from secateur.analysis.statistics import numbered

FILES = {f"{name}.csv" for name in ("measures", "intervals", "tests", "ranks", "variance", "verdicts", "power",
                                     "diagnostics", "recommended", "datasets")}  # fmt: skip
FILES |= {"metrics.json", "toy_published.csv", "toy_cells.csv", "toy_ordering.csv"}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    tables = synthetic.write(folder)
    statistics.run(tables, folder / "statistics", {"run_seed": 1})
    return folder


@pytest.mark.slow
def test_every_file_is_there_and_written_again_byte_for_byte(run):
    statistics.run(run / "tables", run / "again", {"run_seed": 1})
    assert {path.name for path in (run / "statistics").iterdir()} == FILES
    for name in FILES:
        assert (run / "statistics" / name).read_bytes() == (run / "again" / name).read_bytes()


@pytest.mark.slow
def test_another_run_seed_changes_intervals_only(run):
    statistics.run(run / "tables", run / "other", {"run_seed": 2})
    assert (run / "statistics/measures.csv").read_bytes() == (run / "other/measures.csv").read_bytes()
    one, two = (pd.read_csv(run / name / "tests.csv") for name in ("statistics", "other"))
    assert not one["bca_low"].equals(two["bca_low"])
    for column in ("mean_difference", "low", "wilcoxon_p", "permutation_p", "rank_biserial"):
        assert one[column].equals(two[column])


def test_an_interval_row_is_the_mean_of_its_rows_in_the_tidy_table(run):
    curves = pd.read_parquet(run / "tables/curves.parquet")
    row = pd.read_csv(run / "statistics/intervals.csv").query(
        "criterion == 'taylor' and measure == 'accuracy_at_rate' and at == 0.3 and branch == 'retrain'"
    )
    rows = curves.query("criterion == 'taylor' and rate == 0.3 and branch == 'retrain'")
    assert len(row) == 1 and row["n"].iloc[0] == len(rows) == 8
    assert row["mean"].iloc[0] == pytest.approx(rows["accuracy"].mean())
    assert row["sd"].iloc[0] == pytest.approx(rows["accuracy"].std())


def test_metrics_are_nested_by_name(run):
    metrics = json.loads((run / "statistics/metrics.json").read_text())
    assert metrics["verdict"]["C1"]["lrp_epsilon"] == "undecided"
    assert metrics["verdict"]["C3"]["lrp"] == "supported in the one study"
    assert metrics["mean_accuracy_over_rate"]["scene15-resnet18"]["fewshot"]["10"]["lrp"] > 0.5


def test_pairs_that_no_corrected_test_can_separate_are_said_in_words(run):
    tests = pd.read_csv(run / "statistics/tests.csv")
    assert len(tests) == 15 * 4 * 3  # pairs of six criteria, measures, settings
    assert tests["wilcoxon_holm"].isna().all()  # 15 · 2 / 2^8 > 0.05
    assert set(tests["note"]) == {"too few blocks for 15 pairs to reach 0.05 after correction"}


def test_with_enough_seeds_corrected_tests_are_made():
    measures = numbered(measure_all(synthetic.curves(seeds=12, samples=("1",), branches=("fewshot",))))
    tests = pairwise_tests(measures, 0.05, 0)
    assert tests["wilcoxon_holm"].notna().all() and (tests["wilcoxon_holm"] >= tests["wilcoxon_p"]).all()
    assert (tests["note"] == "").all()


@pytest.mark.slow
def test_studies_that_share_a_network_are_no_blocks():
    curves = synthetic.curves(
        studies=("a-net", "b-net", "a-tree", "b-tree"), seeds=2, samples=("1",), branches=("fewshot",)
    )
    measures = numbered(measure_all(curves))
    tests, ranks = pairwise_tests(measures, 0.05, 0), friedman_ranks(measures, 0.05)
    over = tests[tests["scope"] == "studies"]
    assert over[["wilcoxon_p", "permutation_p", "p_better", "bca_low"]].isna().all(axis=None)
    assert over["note"].str.contains("studies share datasets or networks").all()
    assert (over["low"] < over["mean_difference"]).all() and (over["mean_difference"] < over["high"]).all()
    assert ranks.loc[ranks["scope"] == "studies", "p"].isna().all()
    assert ranks.loc[ranks["scope"] == "studies", "average_rank"].notna().all()


def test_studies_that_share_nothing_are_blocks():
    curves = synthetic.curves(studies=tuple(f"d{index}-n{index}" for index in range(6)), seeds=2, samples=("1",))
    measures = numbered(measure_all(curves))
    found = friedman_ranks(measures, 0.05)
    over = found[(found["scope"] == "studies") & (found["branch"] == "fewshot")]
    assert set(over["blocks"]) == {6} and over["p"].notna().all()
    within = found[found["scope"] == "study"]
    assert set(within["blocks"]) == {2} and within["p"].isna().all()
    assert within["note"].str.contains("too few blocks: 2").all()


def test_a_criterion_with_fewer_seeds_is_compared_on_the_seeds_it_has():
    curves = synthetic.curves(samples=("1",), branches=("fewshot",))
    partial = curves[(curves["criterion"] != "lrp") | (curves["seed"] < 6)]
    tests = pairwise_tests(numbered(measure_all(partial)), 0.05, 0)
    with_lrp = (tests["criterion"] == "lrp") | (tests["other"] == "lrp")
    assert set(tests.loc[with_lrp, "n"]) == {6} and set(tests.loc[~with_lrp, "n"]) == {8}


@pytest.mark.slow
def test_a_run_of_one_seed_and_one_branch_passes_through(tmp_path):
    folder = synthetic.write(tmp_path, curves=synthetic.curves(seeds=1, branches=("retrain",)))
    statistics.run(folder, tmp_path / "statistics", {})
    verdicts = pd.read_csv(tmp_path / "statistics/verdicts.csv")
    assert set(verdicts["verdict"]) == {"undecided"} and np.isnan(verdicts["p"]).all()


def test_two_seeds_have_a_standard_deviation_and_one_has_none():
    for seeds in (2, 1):
        measures = numbered(measure_all(synthetic.curves(seeds=seeds, samples=("1",), branches=("fewshot",))))
        found = statistics.intervals(measures[measures["measure"] == "mean_accuracy_over_rate"], 0.05, 0)
        for row in found.itertuples():
            own = measures[(measures["criterion"] == row.criterion) & (measures["measure"] == row.measure)]
            assert row.n == seeds
            assert row.sd == pytest.approx(own["value"].std(ddof=1), nan_ok=True) and np.isnan(row.sd) == (seeds == 1)
