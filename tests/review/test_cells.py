"""Cells that are measured again: an honest run holds here and on another machine, a forged one is refused."""

from contextlib import nullcontext
from pathlib import Path

import pandas as pd
import pytest

import published_run as drawn
from secateur.errors import SecateurError
from secateur.files import read_json, write_json
from secateur.review import cells, checking
from secateur.review.cells import Curve
from secateur.review.finding import HOLDS, REFUSED, UNCHECKED, Finding


def again(folder: Path, measure, cells: int = 50) -> list[Finding]:
    return checking.measured_again(folder, cells, 0, 1e-5, measure)


def true_rows(made: Path):
    """What measuring again gives: the rows as they were before anybody forged them."""
    honest = drawn.curves(made / "published")

    def measure(config: dict, curve: Curve) -> pd.DataFrame:
        mine = (honest["criterion"] == curve.criterion) & (honest["seed"] == curve.seed)
        return honest[mine & (honest["branch"] == curve.kind)]

    return measure


@pytest.mark.slow
def test_a_forged_cell_is_found_by_measuring_it_again_though_all_else_fits(folder, made):
    assert {one.state for one in again(folder, true_rows(made))} == {HOLDS}
    row = drawn.some_row(folder)
    drawn.forge(folder, row, drawn.curves(folder).loc[row, "accuracy"] + 2 / 2000, restated=True)
    kept = checking.kept(folder, 1e-5)  # two images more, and everything written anew: nothing kept speaks against it
    assert {one.state for one in kept} == {HOLDS}
    found = [one for one in again(folder, true_rows(made)) if one.state == REFUSED]
    assert len(found) == 1 and "fewshot of lrp, digits_vgg, seed 1: 1 of 8 cells" in found[0].said
    assert "rate 0.4: accuracy" in found[0].said and "must be the same" in found[0].said


@pytest.mark.slow
@pytest.mark.parametrize(("points", "state"), [(0.005, HOLDS), (0.2, REFUSED)])
def test_on_another_machine_the_seeds_spread_is_allowed_and_no_more(folder, made, points, state):
    known = read_json(folder / "provenance.json")
    write_json(folder / "provenance.json", known | {"hardware": "another processor"})
    measure = true_rows(made)

    def elsewhere(config: dict, curve: Curve) -> pd.DataFrame:
        rows = measure(config, curve)
        there = rows["rate"] == 0.5
        return rows.assign(
            accuracy=rows["accuracy"] - there * points,
            loss=rows["loss"] * (1 + 1e-3 * there),  # another network, as after training elsewhere
        )

    found = again(folder, elsewhere)
    assert state in {one.state for one in found if one.what == "cells"}
    assert (state == REFUSED) == any(one.state == REFUSED for one in found)
    assert found[-1].state == UNCHECKED and "another processor, here" in found[-1].said


@pytest.mark.slow
def test_cells_are_drawn_evenly_and_the_same_seed_draws_the_same(folder):
    rows = cells.measurable(drawn.curves(folder), drawn.config())
    one, two, other = (cells.curves_of(cells.drawn(rows, 3, seed)) for seed in (1, 1, 2))
    assert one == two != other
    counts = pd.Series([cells.drawn(rows, 1, seed)["criterion"].iloc[0] for seed in range(300)]).value_counts()
    assert set(counts.index) == set(drawn.CRITERIA) and counts.min() > 60


@pytest.fixture
def given(folder: Path) -> Path:
    """The run as if its networks were given, their head kept and nothing trained, and made on another machine."""
    known, config = read_json(folder / "provenance.json"), read_json(folder / "config.json")
    write_json(folder / "provenance.json", known | {"hardware": "another processor"})
    Path("whole.safetensors").touch()
    config["backbones"]["vgg_small"]["weights"] = {"file": "whole.safetensors"}
    config["studies"][drawn.STUDY]["head"] = "keep"
    config["retrain"] = {**config["retrain"], "run": False}
    write_json(folder / "config.json", config)
    curves = drawn.curves(folder)
    drawn.write_table(folder, curves[curves["branch"] == "fewshot"])
    return folder


@pytest.mark.parametrize(
    ("images", "loss", "state"),
    [
        (0, 1e-7, HOLDS),  # other arithmetic
        (1, 1e-4, HOLDS),  # and an image that can hardly be decided
        (1, 1e-7, REFUSED),  # one step, of the same network
        (1, 1e-2, REFUSED),  # another network
        (3, 1e-4, REFUSED),
        (0, 1e-2, REFUSED),
    ],
)
def test_where_nothing_was_trained_another_machine_may_differ_by_rounding_alone(given, made, images, loss, state):
    measure = true_rows(made)

    def elsewhere(config: dict, curve: Curve) -> pd.DataFrame:
        rows = measure(config, curve)
        return rows.assign(accuracy=rows["accuracy"] - images / rows["test_samples"], loss=rows["loss"] * (1 + loss))

    found = [one for one in again(given, elsewhere) if one.what == "cells"]
    assert {one.state for one in found} == {state}, found[0].said


def test_a_spot_check_names_its_cells_and_says_in_a_sentence_what_came_out(folder, made):
    honest = true_rows(made)

    def measuring(_: Path):
        return nullcontext(honest)

    told = checking.spot_checked(folder, 2, 1, measuring)
    assert not told.refused and told.said.startswith("2 random cells (--seed 1) measured again in ")
    assert "hold to the digit: " in told.said and told.said.count("images per class, rate 0.") == 2
    forged = drawn.curves(folder)
    pruned = forged["rate"] > 0
    forged.loc[pruned, "accuracy"] -= 1 / forged.loc[pruned, "test_samples"]
    drawn.write_table(folder, forged)
    refused = checking.spot_checked(folder, 2, 1, measuring)
    assert refused.refused and "REFUSED (--seed 1): tables/curves.csv: not the file" in refused.said
    drawn.relist(folder)
    refused = checking.spot_checked(folder, 2, 1, measuring)
    assert refused.refused and "accuracy is" in refused.said and "must be the same" in refused.said

    def nowhere(config: dict, curve: Curve) -> pd.DataFrame:
        raise SecateurError("the images of digits_target are not here.")

    with pytest.raises(SecateurError, match=r"nothing can be said, as it cannot be measured here: .* are not here"):
        checking.spot_checked(made / "published", 2, 1, lambda _: nullcontext(nowhere))


def test_weights_that_are_not_where_the_config_says_come_from_the_mirror_folder(given, tmp_path, monkeypatch):
    Path("whole.safetensors").rename(tmp_path / "elsewhere.safetensors")
    with pytest.raises(SecateurError, match=r"there is no file 'whole\.safetensors'"):
        checking.runnable(given)
    (tmp_path / "mirror").mkdir()
    (tmp_path / "elsewhere.safetensors").rename(tmp_path / "mirror" / "whole.safetensors")
    monkeypatch.setenv("SECATEUR_MIRROR", str(tmp_path / "mirror"))
    weights = checking.runnable(given)["backbones"]["vgg_small"]["weights"]
    assert weights == {"file": str(tmp_path / "mirror" / "whole.safetensors")}
