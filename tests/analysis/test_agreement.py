"""Rank agreement on score files whose orders are known."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from secateur import tensorfile
from secateur.analysis import agreement as module
from secateur.analysis import statistics
from secateur.analysis.agreement import COLUMNS, LAYER_COLUMNS
from secateur.analysis.agreement import agreement as both
from secateur.errors import SecateurError


def write(folder, criterion, scores, study="s"):
    path = folder / study / criterion / "0-1.safetensors"
    path.parent.mkdir(parents=True)
    tensorfile.write(path, {name: torch.tensor(values, dtype=torch.float64) for name, values in scores.items()})
    return path


def files(folder):
    return sorted(folder.rglob("*.safetensors"))


def agreement(paths):
    """The table of whole networks."""
    return both(paths)[0]


def test_the_same_order_agrees_fully_whatever_its_scale_and_the_opposite_not_at_all(tmp_path):
    scores = np.random.default_rng(0).random(10)
    write(tmp_path, "a", {"0/1/x": scores[:6], "0/1/y": scores[6:]})
    write(tmp_path, "b", {"0/1/x": np.exp(5 * scores[:6]), "0/1/y": np.exp(5 * scores[6:])})
    write(tmp_path, "c", {"0/1/x": -scores[:6], "0/1/y": -scores[6:]})
    found = agreement(files(tmp_path)).set_index(["criterion", "other"])
    same, opposite = found.loc[("a", "b")], found.loc[("a", "c")]
    assert list(agreement(files(tmp_path)).columns) == COLUMNS and set(found["kind"]) == {"criteria"}
    for measure in ("spearman", "kendall", "spearman_in_layer", "overlap_half"):
        assert same[measure] == pytest.approx(1.0)
    assert opposite["spearman"] == pytest.approx(-1.0) and opposite["overlap_half"] == 0.0


def test_correlations_are_scipys_on_all_units_and_per_layer(tmp_path):
    one, two = np.random.default_rng(1).random((2, 12))
    write(tmp_path, "a", {"3/all/x": one[:5], "3/all/y": one[5:]})
    write(tmp_path, "b", {"3/all/x": two[:5], "3/all/y": two[5:]})
    row = agreement(files(tmp_path)).iloc[0]
    assert row["seed"] == 3 and row["samples_per_class"] == "all" and row["units"] == 12
    assert row["spearman"] == pytest.approx(stats.spearmanr(one, two).statistic)
    assert row["kendall"] == pytest.approx(stats.kendalltau(one, two).statistic)
    parts = {"x": slice(5), "y": slice(5, None)}
    layers = both(files(tmp_path))[1].set_index("group")
    for group, part in parts.items():
        assert layers.loc[group, "units"] == one[part].size
        assert layers.loc[group, "spearman"] == pytest.approx(stats.spearmanr(one[part], two[part]).statistic)
        assert layers.loc[group, "kendall"] == pytest.approx(stats.kendalltau(one[part], two[part]).statistic)
    assert row["spearman_in_layer"] == pytest.approx(layers["spearman"].mean())


@settings(max_examples=60, deadline=None)
@given(arrays(float, (4, 9), elements=st.integers(0, 5).map(float)), st.booleans())
def test_correlations_with_ties_are_scipys_however_they_are_computed(scores, all_at_once):
    one, two = np.array([0, 0, 0, 1, 1, 2]), np.array([1, 2, 3, 2, 3, 3])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MANY", 100 if all_at_once else 0)
        found = module._agreements(scores, one, two)
    for index, (a, b) in enumerate(zip(one, two, strict=True)):
        if np.ptp(scores[a]) == 0 or np.ptp(scores[b]) == 0:
            assert np.isnan([found["spearman"][index], found["kendall"][index]]).all()
            continue
        assert found["spearman"][index] == pytest.approx(stats.spearmanr(scores[a], scores[b]).statistic)
        assert found["kendall"][index] == pytest.approx(stats.kendalltau(scores[a], scores[b]).statistic)


def test_a_criterion_is_compared_with_itself_on_every_two_draws(tmp_path):
    write(tmp_path / "rankings", "a", {"0/2/x": [1, 2, 3, 4]})
    path = tmp_path / "redraws" / "s" / "a.safetensors"
    path.parent.mkdir(parents=True)
    draws = {0: [1, 2, 3, 4], 1: [1, 2, 4, 3], 2: [4, 3, 2, 1]}
    tensors = {
        f"{draw}/{samples}/x": torch.tensor(values, dtype=torch.float64)
        for draw, values in draws.items()
        for samples in (2, 5)
    }
    tensorfile.write(path, tensors)
    whole, layers = both(files(tmp_path / "rankings"), [path])
    assert list(whole.columns) == COLUMNS and list(layers.columns) == LAYER_COLUMNS
    assert set(whole["kind"]) == {"draws"} and len(whole) == 3 * 2
    row = whole[(whole["draw"] == 0) & (whole["other_draw"] == 1) & (whole["samples_per_class"] == "5")].iloc[0]
    assert row["criterion"] == row["other"] == "a" and row["seed"] == 0
    assert row["spearman"] == pytest.approx(0.8) and row["overlap_half"] == 1.0
    assert row["source"] == "redraws/s/a.safetensors:0/5 redraws/s/a.safetensors:1/5"
    opposite = layers[(layers["draw"] == 0) & (layers["other_draw"] == 2)]
    assert np.allclose(opposite["kendall"], -1) and (opposite["overlap_half"] == 0).all()


def test_a_criterion_is_compared_with_itself_at_fewest_and_most_images(tmp_path):
    write(tmp_path, "a", {"0/1/x": [1, 2, 3, 4], "0/5/x": [9, 9, 9, 8], "0/10/x": [1, 2, 4, 3]})
    row = agreement(files(tmp_path)).iloc[0]
    assert (row["kind"], row["samples_per_class"], row["other_samples_per_class"]) == ("samples", "1", "10")
    assert row["spearman"] == pytest.approx(0.8)


def test_constant_scores_have_no_correlation(tmp_path):
    write(tmp_path, "a", {"0/1/x": [1, 1, 1, 1]})
    write(tmp_path, "b", {"0/1/x": [1, 2, 3, 4]})
    row = agreement(files(tmp_path)).iloc[0]
    assert np.isnan([row["spearman"], row["kendall"], row["spearman_in_layer"]]).all()


def test_different_units_and_broken_files_are_errors(tmp_path):
    write(tmp_path, "a", {"0/1/x": [1, 2, 3]})
    path = write(tmp_path, "b", {"0/1/x": [1, 2]})
    with pytest.raises(SecateurError, match="a and b score different units"):
        agreement(files(tmp_path))
    path.write_bytes(b"short")
    with pytest.raises(SecateurError, match="not a readable score file"):
        agreement(files(tmp_path))


def test_no_score_files_give_an_empty_table(tmp_path):
    assert agreement(files(tmp_path)).empty


def test_criteria_are_compared_at_the_sample_counts_that_both_have_and_with_themselves_on_few_and_many(tmp_path):
    write(tmp_path, "a", {"0/1/x": [1.0, 2, 3], "0/10/x": [3.0, 2, 1]})
    write(tmp_path, "b", {"0/1/x": [1.0, 2, 3]})
    found = agreement(files(tmp_path))
    assert {(row.kind, row.criterion, round(row.spearman, 9)) for row in found.itertuples()} == {
        ("criteria", "a", 1.0), ("samples", "a", -1.0),
    }  # fmt: skip


def test_there_is_a_table_on_the_oracle_where_the_run_has_one(tmp_path):
    write(tmp_path, "a", {"0/1/x": [1.0, 2, 3]})
    write(tmp_path, "truth", {"0/1/x": [1.0, 3, 2]})
    entries = [{"name": "a", "criterion": "weight"}, {"name": "truth", "criterion": "oracle"}]
    assert set(statistics._rankings(files(tmp_path), [], entries[:1])) == {"agreement", "agreement_layers", "ties"}
    with_truth = statistics._rankings(files(tmp_path), [], entries)
    assert set(with_truth) == {"agreement", "agreement_layers", "ties", "oracle"} and len(with_truth["oracle"]) == 1
