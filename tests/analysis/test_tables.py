"""Reading the tidy tables: what is wrong with one is said once and clearly."""

import pandas as pd
import pytest

import synthetic
from secateur.analysis import tables
from secateur.analysis.measures import measure_all
from secateur.errors import SecateurError


def test_a_table_comes_back_whole_and_in_order(tmp_path):
    written = synthetic.curves(seeds=2)
    folder = synthetic.write(tmp_path, curves=written.sample(frac=1, random_state=0))
    found = tables.read(folder, "curves")
    assert len(found) == len(written) and list(found.columns) == tables.COLUMNS["curves"]
    assert found.equals(tables.read(synthetic.write(tmp_path / "again", curves=written), "curves"))


def test_a_missing_table_is_an_error_or_empty_where_it_is_optional(tmp_path):
    with pytest.raises(SecateurError, match=r"curves\.parquet: not a readable table"):
        tables.read(tmp_path, "curves")
    assert tables.optional(tmp_path, "cost").empty
    assert list(tables.optional(tmp_path, "cost").columns) == tables.COLUMNS["cost"]


def test_a_table_of_an_earlier_run_lacks_columns_and_is_read_all_the_same(tmp_path):
    old = synthetic.cost().drop(columns="view_seconds")
    folder = synthetic.write(tmp_path, curves=synthetic.curves(seeds=1), cost=old)
    found = tables.read(folder, "cost")
    assert list(found.columns) == tables.COLUMNS["cost"] and found["view_seconds"].isna().all()
    assert (tables.read(folder, "curves")["control"] == "").all()


def test_a_broken_file_is_an_error(tmp_path):
    (tmp_path / "cost.parquet").write_bytes(b"PAR1 and nothing else")
    with pytest.raises(SecateurError, match="Remove the folder .* and run again"):
        tables.optional(tmp_path, "cost")


def test_a_missing_column_is_named(tmp_path):
    folder = synthetic.write(tmp_path, curves=synthetic.curves(seeds=1).drop(columns="macs_share"))
    with pytest.raises(SecateurError, match="without the column\\(s\\) macs_share"):
        tables.read(folder, "curves")


@pytest.mark.parametrize("value", [1.5, -0.1, float("nan")])
def test_an_accuracy_that_is_no_share_is_an_error(tmp_path, value):
    curves = synthetic.curves(seeds=1)
    curves.loc[4, "accuracy"] = value
    with pytest.raises(SecateurError, match=r"accuracy is (1\.5|-0\.1|nan) in row 4; shares lie in \[0, 1\]"):
        tables.read(synthetic.write(tmp_path, curves=curves), "curves")


def test_a_row_that_occurs_twice_is_an_error(tmp_path):
    curves = synthetic.curves(seeds=1)
    curves.loc[1, "rate"] = curves.loc[2, "rate"]
    with pytest.raises(SecateurError, match="more than one row for"):
        tables.read(synthetic.write(tmp_path, curves=curves), "curves")


def with_a_control(curves):
    """The same, and an unpruned network beside each seed's pruned ones, better than all of them."""
    control = curves[curves["criterion"] == "lrp"].assign(
        criterion="", control="unpruned", samples_per_class="", accuracy=0.99
    )
    return pd.concat([control, curves.assign(control="")], ignore_index=True)


def test_rows_of_a_control_are_only_for_those_who_ask(tmp_path):
    curves = synthetic.curves(seeds=2, samples=("10",), branches=("retrain",))
    folder = synthetic.write(tmp_path, curves=with_a_control(curves))
    older = tables.read(synthetic.write(tmp_path / "older", curves=curves), "curves")
    assert tables.read(folder, "curves").equals(older) and set(older["control"]) == {""}
    found = tables.read(folder, "curves", numbered=True, control="unpruned")
    assert len(found) == 2 * len(synthetic.RATES) and (found["accuracy"] == 0.99).all()
    assert set(found["line"]) == set(range(2, 2 + len(found))), "lines are those of the file"
    assert tables.read(folder, "curves", numbered=True)["line"].min() == 2 + len(found)
    assert tables.read(folder, "curves", control="scratch").empty


def test_no_statistic_changes_by_a_control(tmp_path):
    curves = synthetic.curves(seeds=2, samples=("10",), branches=("retrain",))
    folder = synthetic.write(tmp_path, curves=with_a_control(curves))
    assert measure_all(tables.read(folder, "curves")).equals(measure_all(curves))


def test_sample_counts_are_ordered_as_numbers_with_words_last():
    assert tables.in_order(["all", "10", "2", "1", "10"]) == ["1", "2", "10", "all"]


def test_a_table_that_is_not_there_has_line_numbers_where_they_are_asked_for_alone(tmp_path):
    assert list(tables.optional(tmp_path, "cost")) == tables.COLUMNS["cost"]
    assert list(tables.optional(tmp_path, "cost", numbered=True)) == [*tables.COLUMNS["cost"], "line"]
    folder = synthetic.write(tmp_path, curves=synthetic.curves(seeds=1), cost=synthetic.cost())
    assert "line" not in tables.optional(folder, "cost") and "line" in tables.optional(folder, "cost", numbered=True)
