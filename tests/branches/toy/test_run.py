"""A whole small study: its three files, their columns and their repeatability; and settings that are wrong."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from secateur.analysis import toy_reproduction
from secateur.branches.toy import read_settings, run_toy
from secateur.branches.toy.settings import read_criteria
from secateur.errors import SecateurError


@pytest.fixture(scope="module")
def table(finished: Path) -> pd.DataFrame:
    return pd.read_parquet(finished / "toy.parquet")


def test_every_cell_is_measured_once(table: pd.DataFrame) -> None:
    keys = [
        *("dataset", "variant", "references", "model_seed", "criterion", "samples_per_class", "repetition", "rate"),
        *("evaluated_on", "noise_sigma"),
    ]
    assert not table.duplicated(keys).any()
    main = table[table["removed"] == 40]
    cells = 2 * 2 * 5 * 2  # variants, seeds, criteria, numbers of samples
    generated = main[main["references"] == "generated"]
    assert len(generated) == cells * 3 * 3  # 3 draws on the training set and on unseen samples without and with noise
    assert len(main[main["references"] == "training"]) == cells * 2 * 3
    curves = table[table["removed"] != 40]
    assert len(curves) == 2 * 2 * 5 * 2 * 2 * 2  # 2 rates, 2 repetitions, 2 evaluation sets
    assert set(curves["removed"]) == {30, 90}


def test_values_are_shares_and_unpruned_networks_reach_the_target(table: pd.DataFrame) -> None:
    assert table["accuracy"].between(0, 1).all() and table["accuracy_unpruned"].between(0, 1).all()
    assert (table.loc[table["evaluated_on"] == "train", "accuracy_unpruned"] >= 0.8).all()
    assert not table.isna().any().any()


def test_weight_does_not_depend_on_the_samples(table: pd.DataFrame) -> None:
    weight = table[(table["criterion"] == "weight") & (table["removed"] == 40)]
    groups = weight.groupby(["variant", "model_seed", "evaluated_on", "noise_sigma"])["accuracy"]
    assert (groups.nunique() == 1).all()
    others = table[(table["criterion"] == "random") & (table["removed"] == 40)]
    assert others.groupby(["variant", "model_seed", "evaluated_on"])["accuracy"].nunique().max() > 1


def test_the_same_settings_give_the_same_bytes(
    moons: Path, small: dict[str, Any], finished: Path, tmp_path: Path
) -> None:
    names = ["weight", "gradient", "taylor", "lrp", "random"]
    paths = [tmp_path / name for name in ("toy.parquet", "toy.npz", "toy_stability.parquet")]
    run_toy(moons, small, names, 1, *paths)
    for path in paths:
        assert path.read_bytes() == (finished / path.name).read_bytes(), path.name


def test_leaving_criteria_out_changes_nothing_else(
    moons: Path, small: dict[str, Any], table: pd.DataFrame, tmp_path: Path
) -> None:
    paths = [tmp_path / name for name in ("toy.parquet", "toy.npz", "toy_stability.parquet")]
    run_toy(moons, small | {"variants": ["text"], "references": ["generated"]}, ["lrp", "random"], 1, *paths)
    expected = table[
        (table["variant"] == "text") & (table["references"] == "generated") & table["criterion"].isin(["lrp", "random"])
    ]
    pd.testing.assert_frame_equal(pd.read_parquet(paths[0]), expected.reset_index(drop=True))


@pytest.mark.slow
def test_published_steps_are_taken_for_the_published_cells_alone(
    moons: Path, small: dict[str, Any], table: pd.DataFrame, tmp_path: Path
) -> None:
    paths = [tmp_path / name for name in ("toy.parquet", "toy.npz", "toy_stability.parquet")]
    run_toy(moons, small | {"steps": ["fitted", "published"]}, ["weight", "lrp", "random"], 1, *paths)
    found = pd.read_parquet(paths[0])
    own = found[found["steps"] == "published"]
    assert set(own["variant"]) == {"authors"} and set(own["references"]) == {"generated"}
    assert set(own["model_seed"]) == {0, 1}
    # Sixty steps of 0.001 reach nothing, and nobody asks: no target, no further cycle.
    assert own["accuracy_unpruned"].max() < 0.8 <= found.loc[found["steps"] == "fitted", "accuracy_unpruned"].max()
    fitted = table[table["criterion"].isin(["weight", "lrp", "random"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(found[found["steps"] == "fitted"].reset_index(drop=True), fitted)


def test_boundaries_hold_every_picture(finished: Path) -> None:
    archive = np.load(finished / "toy.npz")
    shape = (len(archive["grid_y"]), len(archive["grid_x"]))
    assert max(shape) == 12
    for variant in ("authors", "text"):
        assert archive[f"{variant}/unpruned"].shape == shape
        assert archive[f"{variant}/unpruned/accuracy"] >= 0.8
        for references in ("generated", "training"):
            assert archive[f"{variant}/{references}/reference_inputs"].shape == (4, 2)
            for criterion in ("weight", "gradient", "taylor", "lrp", "random"):
                assert archive[f"{variant}/{references}/{criterion}"].shape == shape


def test_boundary_accuracy_is_that_of_the_table(moons: Path, small: dict[str, Any], tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("toy.parquet", "toy.npz", "toy_stability.parquet")]
    chosen = small | {"boundary_samples_per_class": 4, "variants": ["authors"], "references": ["generated"]}
    run_toy(moons, chosen, ["taylor"], 1, *paths)
    rows = pd.read_parquet(paths[0]).query(
        "model_seed == 0 and samples_per_class == 4 and repetition == 0 and removed == 40 and evaluated_on == 'train'"
    )
    assert rows["accuracy"].item() == np.load(paths[1])["authors/generated/taylor/accuracy"]


def test_stability_covers_repetitions_and_pairs_of_criteria(finished: Path) -> None:
    rows = pd.read_parquet(finished / "toy_stability.parquet")
    own = rows[rows["criterion"] == rows["other"]]
    assert set(own["criterion"]) == {"weight", "gradient", "taylor", "lrp", "random"}
    assert set(own["pairs"]) == {1, 2, 3}  # Kendall's tau over neighbouring pairs, the others over all
    pairs = rows[rows["criterion"] != rows["other"]][["criterion", "other"]].drop_duplicates()
    assert len(pairs) == 10
    weight = own[(own["criterion"] == "weight") & own["measure"].isin(["spearman", "kendall", "overlap_first"])]
    np.testing.assert_allclose(weight["mean"], 1)


@pytest.mark.parametrize(
    ("setting", "part"),
    [
        ({"sigma": 1}, "unknown setting 'sigma'"),
        ({"variants": ["paper"]}, "any of authors, text"),
        ({"references": []}, "any of generated, training"),
        ({"steps": ["small"]}, "any of fitted, published"),
        ({"repetitions": 0}, "at least 1"),
        ({"samples_per_class": []}, "'samples_per_class' is empty"),
        ({"removed": 2998}, "1 to 2997"),
        ({"noise_sigmas": [-0.1]}, "'noise_sigmas' has -0.1"),
        ({"noise_sigmas": 0.1}, "a list is needed"),
        ({"rates": [1.0]}, "'rates' has 1.0"),
        ({"overlap_sizes": [5000]}, "1 to 3000"),
        ({"training_steps": 0}, "'training_steps' has 0"),
        ({"target_accuracy": 1.5}, "0 to 1"),
        ({"repetitions": "many"}, "'repetitions' has 'many'"),
        ({"repetitions": [5]}, "one value is needed"),
    ],
)
def test_wrong_settings_are_one_clear_error(setting: dict[str, Any], part: str) -> None:
    with pytest.raises(SecateurError, match=part):
        read_settings(setting)


def test_defaults_are_the_papers_grid() -> None:
    settings = read_settings({})
    assert settings.samples_per_class == (1, 2, 5, 10, 20, 50, 100, 200)
    assert (settings.repetitions, settings.removed, settings.units) == (50, 1000, 3000)
    assert settings.noise_sigmas == (0.0, 0.01, 0.1, 0.3)


def test_criteria_follow_the_authors_unless_the_config_says_otherwise() -> None:
    weight, lrp, mine = read_criteria(
        ["weight", "lrp", {"name": "mine", "criterion": "lrp", "normalisation": "l2", "options": {"start": "one-hot"}}]
    )
    assert (weight.normalisation, lrp.normalisation, lrp.options) == ("sum", "sum", {"start": "logit"})
    assert (mine.normalisation, mine.options) == ("l2", {"start": "one-hot"})


@pytest.mark.parametrize(
    ("criteria", "part"),
    [
        (["nothing"], "unknown criterion 'nothing'"),
        ([], "at least one"),
        (["lrp", "lrp"], "named twice"),
        ([{"name": "lrp", "options": {"alpha": 2}}], "unknown option 'alpha'"),
        ([{"name": "lrp", "normalisation": "max"}], "none, sum, l2"),
    ],
)
def test_wrong_criteria_are_one_clear_error(criteria: list[Any], part: str) -> None:
    with pytest.raises(SecateurError, match=part):
        read_criteria(criteria)


def test_a_folder_that_is_no_dataset_is_an_error(tmp_path: Path, moons: Path) -> None:
    with pytest.raises(SecateurError, match=r"dataset\.json"):
        run_toy(tmp_path, {}, ["lrp"], 1, tmp_path / "a", tmp_path / "b", tmp_path / "c")
    (tmp_path / "dataset.json").write_text('{"name": "stars"}')
    with pytest.raises(SecateurError, match="moons, circles, spirals"):
        run_toy(tmp_path, {}, ["lrp"], 1, tmp_path / "a", tmp_path / "b", tmp_path / "c")
    (tmp_path / "dataset.json").write_text('{"name": "moons"}')
    (tmp_path / "train_inputs.npy").write_bytes((moons / "train_inputs.npy").read_bytes()[:100])
    with pytest.raises(SecateurError, match="not a readable dataset"):
        run_toy(tmp_path, {}, ["lrp"], 1, tmp_path / "a", tmp_path / "b", tmp_path / "c")


@pytest.mark.slow
def test_the_statistics_of_a_run_are_written(finished: Path, tmp_path: Path) -> None:
    toy_reproduction.run(finished, tmp_path, "report/published/toy_published.csv")
    comparison = pd.read_csv(tmp_path / "toy_published.csv")
    # The small study removes 40 neurons, not 1,000: nothing of it may pass for a published cell.
    assert comparison.empty or set(comparison["verdict"]) == {"not measured"}
    stability = pd.read_csv(tmp_path / "toy_stability.csv")
    assert set(stability["networks"]) == {2}
    for name in ("toy_cells", "toy_ordering"):
        assert (tmp_path / f"{name}.csv").exists()
