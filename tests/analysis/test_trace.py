"""Every number can be computed again from the lines that it names, and from nothing else."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import synthetic
from secateur.analysis import claims, statistics, trace
from secateur.analysis.measures import MEASURES
from secateur.errors import SecateurError

CLAIMS = {claim.id: claim for claim in claims.read("config/claims.yaml").claims}


FIVE = {name: synthetic.CRITERIA[name] for name in ("lrp", "lrp_epsilon", "taylor", "weight", "random")}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of two studies whose tables are in no particular order, with the CSV files that collecting writes."""
    folder = tmp_path_factory.mktemp("run")
    curves = synthetic.control(synthetic.curves(FIVE, studies=("a-net", "b-net"))).sample(frac=1, random_state=3)
    tables = synthetic.write(folder, curves=curves, cost=synthetic.cost(study="b-net").sample(frac=1, random_state=1))
    for name in ("curves", "cost"):
        pd.read_parquet(tables / f"{name}.parquet").to_csv(tables / f"{name}.csv", index=False)
    config = {"run_seed": 1, "criteria": synthetic.entries()}
    statistics.run(tables, folder / "statistics", config)
    return folder


def sampled(run, name: str, count: int = 40) -> list[tuple[dict, pd.DataFrame]]:
    """Rows of a statistics table, with the rows that they name."""
    table = pd.read_csv(run / "statistics" / f"{name}.csv", dtype={"samples_per_class": str}, keep_default_na=False,
                        na_values=[""])  # fmt: skip
    chosen = table.sample(min(count, len(table)), random_state=0)
    found = []
    for row in chosen.to_dict("records"):
        if not isinstance(row["source"], str):
            assert row["n"] == 0  # a number rests on nothing only where there is none
            continue
        (rows,) = trace.rows(run, row["source"]).values()
        found.append((row, rows))
    return found


def test_measures_follow_from_their_curve(run):
    for row, curve in sampled(run, "measures", 200):
        if row["control"] == "unpruned":
            assert len(curve) == 1 and curve["rate"].item() == row["at"] and {*curve["control"]} == {"unpruned"}
            column = {"accuracy_at_rate": "accuracy", "loss_at_rate": "loss"}.get(
                row["measure"], "worst_class_accuracy"
            )
            assert row["value"] == curve[column].item() and curve["seed"].item() == row["seed"]
            continue
        assert {*curve["criterion"]} == {row["criterion"]} and {*curve["seed"]} == {row["seed"]}
        assert {*curve["study"]} == {row["study"]} and {*curve["samples_per_class"]} == {row["samples_per_class"]}
        curve = curve.sort_values("rate")
        axis = next((axis for axis in ("macs", "params") if axis in row["measure"]), "rate")
        x = (curve["rate_achieved"] if axis == "rate" else 1 - curve[f"{axis}_share"]).to_numpy()
        column = next((name for name in ("worst_class", "loss") if name in row["measure"]), "accuracy")
        y = curve["worst_class_accuracy" if column == "worst_class" else column].to_numpy()
        if row["measure"].startswith("mean_"):
            fine = (np.arange(100_000) + 0.5) / 100_000 * row["until"]
            assert row["value"] == pytest.approx(np.interp(fine, x, y).mean(), abs=1e-6)
        elif "_at_" in row["measure"]:
            assert row["value"] == pytest.approx(np.interp(row["at"], x, y), abs=1e-9)
        elif row["measure"] == "unpruned_accuracy":
            assert row["value"] == y[0]
        else:  # where a threshold is crossed: it is kept a little before, and not a little after
            at = 1 - row["value"] if axis == "macs" else row["value"]
            kept = {"rate_keeping_95": 0.95, "rate_keeping_99": 0.99, "macs_left_keeping_95": 0.95,
                    "macs_left_keeping_99": 0.99, "collapse_rate": 0.5}[row["measure"]]  # fmt: skip
            y = curve["worst_class_accuracy"].to_numpy() if row["measure"] == "collapse_rate" else y
            assert np.interp(at - 1e-6, x, y) >= kept * y[0]
            assert at >= row["until"] - 1e-9 or np.interp(at + 1e-6, x, y) < kept * y[0]


def blocks(rows: pd.DataFrame, scope: str) -> pd.DataFrame:
    table = rows.pivot(index=["study", "seed"], columns="criterion", values="value")
    return table if scope == "study" else table.groupby("study").mean()


def test_intervals_are_about_the_mean_of_their_measures(run):
    for row, rows in sampled(run, "intervals"):
        assert row["n"] == len(rows) == 8 and {*rows["measure"]} == {row["measure"]}
        assert row["mean"] == pytest.approx(rows["value"].mean()) and row["sd"] == pytest.approx(rows["value"].std())
        assert row["smallest"] == rows["value"].min() and row["largest"] == rows["value"].max()


def test_pairs_follow_from_the_measures_of_both(run):
    for row, rows in sampled(run, "tests"):
        assert {*rows["criterion"]} == {row["criterion"], row["other"]}
        assert len(rows) == (16 if row["scope"] == "study" else 32)
        table = blocks(rows, row["scope"])
        differences = (table[row["criterion"]] - table[row["other"]]).to_numpy()
        assert row["mean_difference"] == pytest.approx(differences.mean()) and row["n"] == differences.size
        if row["scope"] == "study":
            assert row["wilcoxon_p"] == pytest.approx(stats.wilcoxon(differences, method="exact").pvalue)
        else:
            assert np.isnan(row["wilcoxon_p"]) and "studies share datasets or networks" in row["note"]


def test_ranks_and_variances_follow_from_the_measures_of_all(run):
    for row, rows in sampled(run, "ranks"):
        table = blocks(rows, row["scope"])
        ranks = pd.DataFrame(stats.rankdata(-table.round(12), axis=1), columns=table.columns)
        assert row["average_rank"] == pytest.approx(ranks[row["criterion"]].mean()) and row["blocks"] == len(table)
        if row["scope"] == "study":
            assert row["friedman_chi_square"] == pytest.approx(stats.friedmanchisquare(*table.to_numpy().T).statistic)
    for row, rows in sampled(run, "variance"):
        if row["scope"] == "study" and row["component"] == "criterion × seed":
            table = blocks(rows, "study").to_numpy()
            left = table - table.mean(axis=0) - table.mean(axis=1, keepdims=True) + table.mean()
            assert row["variance"] == pytest.approx((left**2).sum() / row["degrees_of_freedom"])


def test_power_rests_on_the_spread_of_the_rows_it_names(run):
    for row, rows in sampled(run, "power"):
        table = rows.groupby(["seed", "criterion"])["value"].mean().unstack()
        spreads = (table.drop(columns=row["criterion"]).sub(table[row["criterion"]], axis=0)).std()
        assert row["spread"] == pytest.approx(spreads.max()) and (
            len(spreads) > 1 or {*spreads.index} == {row["rival"]}
        )


def test_verdicts_follow_from_the_rows_they_name(run):
    kinds = set()
    for row, rows in sampled(run, "verdicts", 100):
        claim = CLAIMS[row["claim"]]
        if row["scope"] != "study" or row["n"] == 0:
            continue
        kinds.add(claim.comparison)
        if claim.comparison == "at_most":
            assert row["effect"] == pytest.approx(rows["ratio_to_gradient"].median(), rel=1e-2)
            assert row["n"] == len(rows)
            continue
        assert {*rows["branch"]} == {claim.branch}
        table = rows[rows["measure"] == claim.measure]
        if claim.comparison == "keeps":
            at = table[np.isclose(table["at"], row["at"])].fillna({"control": ""})
            at = at.set_index(["control", "seed"])["value"]
            differences = at.loc[""] - at.loc["unpruned"]
            assert {*table["criterion"].dropna()} == {row["criterion"]} and row["control"] == "unpruned"
        else:
            means = table.groupby(["seed", "criterion"])["value"].mean().unstack()
            differences = means[row["criterion"]] - means[row["against"]]
            differences = differences if MEASURES[claim.measure][0] == "higher" else -differences
            differences = -differences if claim.comparison == "equivalent" else differences  # form minus criterion
        assert row["effect"] == pytest.approx(differences.median()) and row["n"] == len(differences)
    assert kinds == {"better_than", "not_worse_than", "keeps", "equivalent", "at_most"}


def test_a_verdict_over_studies_names_the_rows_of_all_its_studies(run):
    table = (
        pd.read_csv(run / "statistics/verdicts.csv").query("claim == 'C1' and criterion == 'lrp'").set_index("scope")
    )
    overall = trace.lines_of(table.loc["overall", "source"])[trace.MEASURES]
    of_studies = [line for text in table.loc["study", "source"] for line in trace.lines_of(text)[trace.MEASURES]]
    assert overall == sorted(of_studies)


@given(st.sets(st.integers(2, 60), min_size=1))
def test_a_source_gives_its_lines_back(lines):
    text = trace.source("tables/curves.csv", lines)
    assert trace.lines_of(text) == {"tables/curves.csv": sorted(lines)}
    assert trace.lines_of(f"{text} other.csv:3") == {"tables/curves.csv": sorted(lines), "other.csv": [3]}


def test_the_row_behind_a_line_and_lines_that_are_not_there(run):
    table = run / "statistics" / "tests.csv"
    (found,) = trace.behind(table, 2).values()
    row = pd.read_csv(table).iloc[0]
    assert {*found["criterion"]} == {row["criterion"], row["other"]}
    with pytest.raises(SecateurError, match="has lines 2 to"):
        trace.behind(table, 10**6)
    with pytest.raises(SecateurError, match="is not a source"):
        trace.rows(run, "tables/curves.csv")
    with pytest.raises(SecateurError, match="cannot be read"):
        trace.rows(run, "tables/none.csv:2")
    assert trace.source("tables/curves.csv", []) == ""
