"""Published beside ours: what counts as reproduced, and the ordering of the criteria, tested."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from secateur import tablefile
from secateur.analysis import toy_reproduction
from secateur.analysis.reproduction import wrong_cells
from secateur.errors import SecateurError

PUBLISHED = Path("report/published")
COUNTS = [1, 2, 5, 10, 20, 50, 100, 200]


def measured(levels: dict[str, float], networks: int = 5, noise: float = 0.0, **other: Any) -> pd.DataFrame:
    """A main table: accuracy = level of the criterion + noise of the network and of the draw."""
    generator = np.random.default_rng(0)
    rows = [
        {
            "dataset": dataset,
            "variant": "authors",
            "references": "generated",
            "steps": "fitted",
            "model_seed": seed,
            "criterion": criterion,
            "samples_per_class": count,
            "repetition": repetition,
            "rate": 1 / 3,
            "removed": 1000,
            "evaluated_on": "train",
            "noise_sigma": 0.0,
            "accuracy": level + noise * generator.standard_normal(),
            "accuracy_unpruned": 0.99,
        }
        | other
        for dataset in ("moons", "circles", "spirals")
        for seed in range(networks)
        for criterion, level in levels.items()
        for count in COUNTS
        for repetition in range(3)
    ]
    return pd.DataFrame(rows)


ORDERED = {"lrp": 0.95, "weight": 0.93, "taylor": 0.85, "gradient": 0.80}


def test_the_published_file_has_96_training_cells_and_is_in_shares() -> None:
    published = toy_reproduction.read_published(PUBLISHED / "toy_published.csv")
    train = published[published["evaluated_on"] == "train"]
    assert len(train) == 3 * 4 * 8 == 96
    assert not train.duplicated(toy_reproduction.CELL).any()
    assert published["published_mean"].between(0.2, 1).all()
    cell = train.query("dataset == 'spirals' and criterion == 'lrp' and samples_per_class == 5")
    assert cell["published_mean"].item() == pytest.approx(0.91852)
    assert set(published["noise_sigma"]) == {0.0, 0.01, 0.1, 0.3}


def ours_as_published(shift: float, networks: int = 3) -> pd.DataFrame:
    published = toy_reproduction.read_published(PUBLISHED / "toy_published.csv")
    train = published[published["evaluated_on"] == "train"]
    keep = ["accuracy", *toy_reproduction.CELL]
    rows = train.assign(accuracy=(train["published_mean"] + shift).clip(0, 1))[keep]
    fixed = {"variant": "authors", "references": "generated", "steps": "fitted", "rate": 1 / 3, "removed": 1000}
    return pd.concat(
        [
            rows.assign(**fixed, accuracy_unpruned=1.0, model_seed=seed, repetition=repetition)
            for seed in range(networks)
            for repetition in (0, 1)
        ],
        ignore_index=True,
    )


def test_equal_figures_are_reproduced_and_distant_ones_are_not() -> None:
    published = toy_reproduction.read_published(PUBLISHED / "toy_published.csv")
    same = toy_reproduction.compare(published, ours_as_published(0.0))
    train = same[same["evaluated_on"] == "train"]
    assert (train["verdict"] == "reproduced").all() and (train["half_width"] > 0).all()
    assert set(same.loc[same["evaluated_on"] == "unseen", "verdict"]) == {"not measured"}
    far = toy_reproduction.compare(published, ours_as_published(-0.3))
    assert (far.loc[far["evaluated_on"] == "train", "verdict"] == "not reproduced").all()


def test_two_networks_say_nothing_about_another() -> None:
    published = toy_reproduction.read_published(PUBLISHED / "toy_published.csv")
    found = toy_reproduction.compare(published, ours_as_published(0.0, networks=2)).query("evaluated_on == 'train'")
    assert set(found["verdict"]) == {"too few networks"} and found["half_width"].isna().all()
    counts = toy_reproduction.count_cells(found).set_index("dataset").loc["all"]
    assert counts[["cells", "tested", "reproduced", "wrong_pairs"]].tolist() == [96, 0, 0, 0]


def test_our_spread_is_that_over_networks_and_draws() -> None:
    table = measured({"lrp": 0.9}, networks=2)
    table["accuracy"] += 0.02 * table["model_seed"] + 0.01 * (table["repetition"] == 0)
    found = toy_reproduction.summarise(table)
    values = [0.91, 0.9, 0.9, 0.93, 0.92, 0.92]
    np.testing.assert_allclose(found["ours_std"], np.std(values, ddof=1))
    np.testing.assert_allclose(found["network_std"], np.std([0, 0.02], ddof=1))
    np.testing.assert_allclose(found["draw_std"], np.std([0.01, 0, 0], ddof=1))
    np.testing.assert_allclose(found["ours_mean"], np.mean(values))
    assert set(found["networks"]) == {2} and set(found["draws"]) == {3}


def test_draws_that_vary_do_not_hide_that_every_network_differs() -> None:
    published = toy_reproduction.read_published(PUBLISHED / "toy_published.csv")
    query = "dataset == 'moons' and criterion == 'gradient' and samples_per_class == 5 and evaluated_on == 'train'"
    for shift, expected in ((0.0, "reproduced"), (0.08, "not reproduced")):
        table = measured({"gradient": 0.86171 + shift})
        table["accuracy"] += 0.02 * (table["repetition"] - 1) + 0.005 * (table["model_seed"] - 2)
        row = toy_reproduction.compare(published, table).query(query).iloc[0]
        assert row["network_std"] == pytest.approx(np.std(0.005 * np.arange(5), ddof=1))
        assert row["verdict"] == expected


def test_cells_are_counted_by_variant_and_set() -> None:
    comparison = toy_reproduction.compare(
        toy_reproduction.read_published(PUBLISHED / "toy_published.csv"), ours_as_published(0.0)
    )
    counts = toy_reproduction.count_cells(comparison).set_index("dataset")
    assert counts.loc["all", ["cells", "tested", "reproduced"]].tolist() == [96, 96, 96]
    assert counts.loc["moons", "cells"] == 32 and counts.loc["all", "wrong_pairs"] == 96 * 3
    wrong = wrong_cells(comparison.query("evaluated_on == 'train'"))
    assert counts.loc["all", "wrong_passed"] == wrong["passes"].sum()
    # The figures are exact here, so that another criterion's cell passes where the two are equal, and nowhere else.
    assert counts.loc["all", "distinct_passed"] <= 0.1 * counts.loc["all", "distinct_pairs"]


def test_runs_that_knew_no_kinds_of_steps_are_read_as_fitted(tmp_path: Path) -> None:
    tablefile.write(tmp_path / "toy.parquet", measured(ORDERED).drop(columns="steps"))
    assert set(toy_reproduction.read_measured(tmp_path / "toy.parquet")["steps"]) == {"fitted"}


def test_every_note_is_explained() -> None:
    known = toy_reproduction.read_differences(PUBLISHED / "toy_differences.yaml")
    tables = [
        measured(ORDERED, variant=variant, references=references)
        for variant in ("authors", "text")
        for references in ("generated", "training")
    ]
    comparison = toy_reproduction.compare(
        toy_reproduction.read_published(PUBLISHED / "toy_published.csv"), pd.concat(tables)
    )
    named = {name for note in comparison["note"] for name in note.split("; ") if name}
    assert named <= set(known)
    assert {"third ReLU", "degenerate single samples", "test is reference"} <= set(known)


def test_a_clear_ordering_holds_and_its_reverse_is_contradicted() -> None:
    holds = toy_reproduction.ordering(measured(ORDERED, noise=0.01))
    assert set(holds["ordering"]) == {"holds"}
    assert set(holds["samples_per_class"]) == {"all", *map(str, COUNTS)}
    assert (holds["p"] <= 0.05).all()
    reverse = dict(zip(ORDERED, reversed(ORDERED.values()), strict=True))
    assert set(toy_reproduction.ordering(measured(reverse, noise=0.01))["ordering"]) == {"contradicted"}


def test_at_least_as_good_allows_half_a_point_and_better_does_not() -> None:
    nearly = ORDERED | {"lrp": 0.928}
    found = toy_reproduction.ordering(measured(nearly)).query("samples_per_class == 'all' and better == 'lrp'")
    assert set(found["pair"]) == {"holds"}
    ties = ORDERED | {"taylor": 0.80}
    found = toy_reproduction.ordering(measured(ties)).query("samples_per_class == 'all' and better == 'taylor'")
    assert set(found["pair"]) == {"undecided"}


def test_too_few_networks_leave_the_ordering_undecided() -> None:
    assert toy_reproduction.networks_needed() == 5
    assert set(toy_reproduction.ordering(measured(ORDERED, networks=4))["ordering"]) == {"undecided"}
    assert toy_reproduction.ordering(measured({"lrp": 0.9})).empty


def test_equal_criteria_are_seldom_called_ordered() -> None:
    """The level of the test: with four equal criteria the whole ordering holds in at most 5 % of the cases."""
    table = measured(dict.fromkeys(ORDERED, 0.9))
    table = table.query("dataset == 'moons' and samples_per_class == 1 and repetition == 0")
    # Every simulated study is a "dataset" of its own, so that all are tested in one call.
    studies = pd.concat([table.assign(dataset=f"study {number}") for number in range(60)], ignore_index=True)
    studies["accuracy"] += 0.05 * np.random.default_rng(7).standard_normal(len(studies))
    found = toy_reproduction.ordering(studies).query("samples_per_class == 'all'")
    assert found["dataset"].nunique() == 60
    assert found.loc[found["ordering"] == "holds", "dataset"].nunique() <= 3


def test_unreadable_files_are_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(SecateurError, match="not the published figures"):
        toy_reproduction.read_published(tmp_path / "none.csv")
    with pytest.raises(SecateurError, match="not a (readable )?table"):
        toy_reproduction.read_measured(tmp_path / "none.parquet")
    with pytest.raises(SecateurError, match="not a list of differences"):
        toy_reproduction.read_differences(tmp_path / "none.yaml")


def test_the_spread_of_one_network_is_that_of_its_draws_and_of_one_value_there_is_none() -> None:
    table = measured({"lrp": 0.9}, networks=1)
    table["accuracy"] += 0.01 * (table["repetition"] == 0)
    found = toy_reproduction.summarise(table[table["repetition"] < 2])
    np.testing.assert_allclose(found["ours_std"], np.std([0.91, 0.9], ddof=1))
    assert set(found["networks"]) == {1} and set(found["draws"]) == {2} and found["network_std"].isna().all()
    assert (toy_reproduction.summarise(table[table["repetition"] == 1])["ours_std"] == 0).all()
