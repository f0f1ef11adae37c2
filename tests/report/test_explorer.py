"""The interactive curves: their numbers are the table's, the chart draws them, and no name can leave its place."""

import json

import numpy as np
import pandas as pd
import pytest

import synthetic
from chain import HOSTILE
from secateur.report import explorer, plots, style


@pytest.fixture(scope="module")
def curves() -> pd.DataFrame:
    return synthetic.curves(seeds=3)


@pytest.fixture(scope="module")
def described(curves) -> dict:
    return explorer.describe(curves.assign(remedy="none"), style.read("report/style.yaml", set(curves["criterion"])),
                             {"scene15-resnet18": 0.1}, "lrp")  # fmt: skip


@pytest.fixture(scope="module")
def points(described) -> list[dict]:
    """The rows that the page's script makes of the columns."""
    names, columns = described["names"], described["columns"]
    return [
        {key: names[values[line]] if key in explorer.NAMED else values[line] for key, values in columns.items()}
        for line in range(len(columns["x"]))
    ]


def test_values_against_the_rate_are_those_of_the_table(curves, points):
    rows = [row for row in points if row["k"] == "rate"]
    assert len(rows) == curves.groupby(["study", "branch", "samples_per_class", "criterion", "rate"]).ngroups
    for row in rows[::17]:
        own = curves[
            (curves["branch"] == row["b"]) & (curves["samples_per_class"] == row["n"])
            & (curves["criterion"] == row["c"]) & (curves["rate"] == row["x"])
        ]  # fmt: skip
        for prefix, column in (("a", "accuracy"), ("w", "worst_class_accuracy")):
            found = [row[prefix], row[f"{prefix}l"], row[f"{prefix}h"]]
            assert np.allclose(found, [own[column].mean(), own[column].min(), own[column].max()], atol=6e-5)
        assert row["m"] == len(own) == 3


def test_values_against_macs_and_params_lie_on_the_lines_between_the_measured_points(curves, points):
    for kind, left in (("macs", "macs_share"), ("params", "params_share")):
        rows = pd.DataFrame(row for row in points if row["k"] == kind)
        mine = rows[(rows["c"] == "lrp") & (rows["b"] == "retrain")].sort_values("x")
        own = curves[(curves["criterion"] == "lrp") & (curves["branch"] == "retrain")]
        expected = np.mean(
            [np.interp(mine["x"], 1 - seed[left], seed["accuracy"]) for _, seed in own.groupby("seed")], axis=0
        )
        assert len(mine) == explorer.POINTS and np.allclose(mine["a"], expected, atol=2e-3)


def test_only_measured_settings_can_be_chosen(described):
    assert described["settings"] == {
        "scene15-resnet18": {"fewshot": {"1": ["none"], "10": ["none"]}, "retrain": {"10": ["none"]}}
    }
    assert described["images"] == {"scene15-resnet18": 2000}


def test_the_chart_draws_a_line_a_criterion(curves, described, points):
    """Vega itself, in its own engine, as the oracle."""
    vl_convert = pytest.importorskip("vl_convert")
    drawn = vl_convert.vegalite_to_svg(json.dumps(described["spec"] | {"datasets": {"points": points}}))
    assert drawn.count('aria-roledescription="line mark"') == curves["criterion"].nunique()
    for colour in style.read("report/style.yaml", ["lrp", "weight"]).colours.values():
        assert colour in drawn


def test_names_cannot_end_the_script_that_holds_them():
    text = explorer.embedded({HOSTILE: "</script><!--\u2028"})
    assert "<" not in text and "\u2028" not in text and json.loads(text) == {HOSTILE: "</script><!-- "}


def test_without_a_pruned_network_there_is_no_chart(curves):
    look = style.read("report/style.yaml", set(curves["criterion"]))
    assert explorer.describe(curves[curves["rate"] == 0].assign(remedy="none"), look, {}, "lrp") is None


@pytest.mark.slow
def test_the_library_asks_for_nothing_and_cannot_end_its_script():
    library = explorer.library()
    assert "vegaEmbed" in library and "</script" not in library and "<!--" not in library and "\r" not in library


def test_a_value_at_a_rate_is_the_one_that_the_statistics_have(curves):
    """Whole units go: where the rate reached is not the one asked for, chart and tables interpolate alike."""
    from secateur.analysis.measures import measure_all

    missed = curves.assign(rate_achieved=(curves["rate"] * 0.985).round(3))
    found = measure_all(missed)
    found = found[(found["measure"] == "accuracy_at_rate") & (found["branch"] == "retrain")]
    means = found.groupby(["criterion", "at"])["value"].mean()
    drawn = plots.over_rates(missed[missed["branch"] == "retrain"], "accuracy")
    drawn = drawn[drawn["x"] > 0].groupby(["criterion", "x"])["accuracy"].mean()
    assert len(drawn) == len(means) and np.allclose(drawn, means.loc[drawn.index], atol=1e-12)
    raw = missed[missed["branch"] == "retrain"].groupby(["criterion", "rate"])["accuracy"].mean()
    assert not np.allclose(drawn, raw.loc[drawn.index], atol=1e-4), "or it would show nothing"
