"""What remedies are worth: planted gains are found, and a remedy that levels criteria is seen to do so."""

import numpy as np
import pandas as pd
import pytest

import synthetic
from secateur.analysis import remedies, tables
from secateur.report import remedy_tables

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
    return remedies.measured(folder / "tables")


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
