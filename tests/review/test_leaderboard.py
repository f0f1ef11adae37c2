"""The leaderboard has a row for every setting of every published run, with its numbers, and takes no refused run."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import published_run as drawn
from secateur.config import REPOSITORY
from secateur.errors import SecateurError
from secateur.review import leaderboard

TEMPLATE = REPOSITORY / "report" / "leaderboard.html.j2"


@pytest.fixture(scope="module")
def published(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which one run is published."""
    board = tmp_path_factory.mktemp("runs") / "board"
    return Path(shutil.copytree(made / "published", board / "first")).parent


@pytest.fixture(scope="module")
def board(published: Path) -> leaderboard.Board:
    return leaderboard.read(published)


def test_there_is_one_row_per_setting_with_the_mean_over_seeds_of_the_area_under_its_curve(board, published):
    assert len(board.rows) == len(drawn.CRITERIA) * 2 and not board.rows.duplicated(leaderboard.AXES).any()
    row = board.rows.set_index(["criterion", "branch"]).loc[("lrp", "fewshot")]
    curves = drawn.curves(published / "first")
    own = curves[(curves["criterion"] == "lrp") & (curves["branch"] == "fewshot")]
    areas = [
        np.trapezoid(one["accuracy"], one["rate"]) / one["rate"].max()
        for _, one in own.sort_values("rate").groupby("seed")
    ]
    assert row["mean"] == pytest.approx(np.mean(areas)) and row["n"] == drawn.SEEDS
    intervals = pd.read_csv(published / "first" / "statistics" / "intervals.csv")
    same = intervals.query("criterion == 'lrp' and branch == 'fewshot' and measure == 'mean_accuracy_over_rate'").iloc[
        0
    ]
    assert np.array_equal(row[["low", "high"]].astype(float), same[["low", "high"]].astype(float), equal_nan=True)
    assert (row["dataset"], row["network"], row["remedy"], row["run"]) == (
        "digits_target",
        "vgg_small",
        "none",
        "first",
    )
    samples = next((published / "first" / "samples").rglob("*.csv"))
    assert row["chance"] == 1 / pd.read_csv(samples)["label"].nunique() < row["unpruned"]
    best = board.rows.groupby("branch", sort=False)["mean"].first()
    assert best.equals(board.rows.groupby("branch", sort=False)["mean"].max())


def test_what_made_a_run_stands_beside_it(board):
    about = board.runs["first"]
    assert about["commit"] == "abc" and about["seeds"] == str(drawn.SEEDS) and "digits_target/" in about["data"]


def test_the_page_has_every_row_a_filter_for_each_axis_and_links_and_asks_the_network_for_nothing(board):
    page = leaderboard.page(board, TEMPLATE, {"first": "runs/first.html"})
    assert page.count("<tr data-criterion=") == len(board.rows)
    assert all(f'<select data-axis="{axis}">' in page for axis in leaderboard.AXES)
    assert '<a href="runs/first.html">first</a>' in page and "http" not in page
    shown = f"{100 * board.rows['mean'].iloc[0]:.1f} %"
    assert shown in page


def test_a_name_is_shown_as_text(board):
    rows = board.rows.assign(criterion="<script>alert(1)</script>")
    assert "<script>alert" not in leaderboard.page(leaderboard.Board(rows, board.runs), TEMPLATE, {})


def test_no_run_is_an_empty_board_that_says_so(tmp_path):
    board = leaderboard.read(tmp_path / "published")
    assert board.rows.empty and "No run is published here yet" in leaderboard.page(board, TEMPLATE, {})


@pytest.mark.slow
def test_a_run_that_does_not_hold_together_is_one_clear_error(published, tmp_path):
    shutil.copytree(published, tmp_path / "board")
    forged = tmp_path / "board" / "first"
    path = forged / "statistics" / "measures.csv"
    table = pd.read_csv(path)
    table.loc[0, "value"] += 0.01
    table.to_csv(path, index=False)
    drawn.relist(forged)
    with pytest.raises(SecateurError, match=r"first: refused, statistics: .*measures\.csv.* mend it or take it out"):
        leaderboard.read(tmp_path / "board")
    (tmp_path / "board" / "other").mkdir()
    shutil.rmtree(forged)
    with pytest.raises(SecateurError, match="other: no published run"):
        leaderboard.read(tmp_path / "board")
