"""Layer or filter: planted criteria are told apart exactly, and what is drawn at random knows no filter."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import synthetic
from secateur import choosing
from secateur.analysis import decomposition
from secateur.analysis.decomposition import CHOICES, EFFECTS
from secateur.report import decomposition as report
from secateur.report import style

SEEDS, RATES = 8, (0.0, 0.2, 0.4, 0.6)
LOSS = {0.0: 0.0, 0.2: 0.1, 0.4: 0.3, 0.6: 0.5}
"""Rate → accuracy that a network loses whose layers and filters are chosen at random."""
PLANTED = {"layers": (0.2, 0.0, 0.0), "filters": (0.0, 0.15, 0.0), "both": (0.1, 0.05, 0.06), "random": (0.0, 0.0, 0.0)}
"""Criterion → the share of that loss that it saves by its numbers, by its order, and by both together beyond that."""


def planted(
    folder: Path, noise: float = 0.0, seeds: int = SEEDS, seed: int = 0, names: tuple[str, ...] = tuple(PLANTED)
) -> Path:
    """Tables of a run with criteria that know exactly what `PLANTED` says; `noise` is the shuffles' and the seeds'."""
    generator = np.random.default_rng(seed)
    rows = []
    for criterion in names:
        layers, filters, together = PLANTED[criterion]
        for one in range(seeds):
            start = 0.9 + 0.02 * np.sin(one)
            for choice in CHOICES:
                drawn = (1, 2, 3) if "shuffled" in choice else [0]
                where, which = choice in (choosing.OWN, choosing.SHUFFLED), choice in (choosing.OWN, choosing.EQUAL)
                saved = layers * where + filters * which + together * (where and which)
                for shuffle in drawn:
                    for rate in RATES:
                        lost = LOSS[rate] * (1 - saved) + (generator.normal(0, noise) if rate and noise else 0)
                        rows.append({
                            "run": "planted", "study": "scene15-resnet18", "dataset": "scene15", "backbone": "resnet18",
                            "branch": "fewshot", "criterion": criterion, "control": "", "remedy": "none",
                            "choice": choice, "shuffle": shuffle, "seed": one, "varied": "", "samples_per_class": "10",
                            "round": int(rate > 0), "rate": rate, "units_total": 100, "units_removed": int(100 * rate),
                            "rate_achieved": rate, "params": 100, "params_share": 1 - rate, "macs": 100,
                            "macs_share": 1 - rate, "accuracy": float(np.clip(start - lost, 0, 1)), "loss": 1.0,
                            "worst_class": "3", "worst_class_accuracy": 0.1, "test_samples": 100,
                        })  # fmt: skip
    synthetic.write(folder, curves=pd.DataFrame(rows))
    return folder / "tables"


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> pd.DataFrame:
    accuracies = decomposition.measured(planted(tmp_path_factory.mktemp("planted")))
    return decomposition.decomposition(accuracies, 0.05, 0)


def effects(found: pd.DataFrame, criterion: str) -> dict[str, float]:
    chosen = found[(found["criterion"] == criterion) & found["at"].isna()]
    return chosen.set_index("effect")["mean"].to_dict()


AVERAGE = (0.05 * 0.2 + 0.2 * 0.2 + 0.4 * 0.2) / 0.6
"""`LOSS` averaged over the rate from 0 to 0.6, by the trapezoid rule."""


def test_who_knows_layers_alone_and_who_knows_filters_alone_are_told_apart_exactly(found):
    layers, filters, random = (effects(found, name) for name in ("layers", "filters", "random"))
    assert layers["where"] == pytest.approx(layers["lead"]) == pytest.approx(0.2 * AVERAGE)
    assert filters["which"] == pytest.approx(filters["lead"]) == pytest.approx(0.15 * AVERAGE)
    assert layers["which"] == layers["interaction"] == filters["where"] == filters["interaction"] == 0
    assert set(random.values()) == {0}


def test_the_parts_add_up_to_the_lead_whatever_the_interaction(found):
    both = effects(found, "both")
    assert both["interaction"] == pytest.approx(0.06 * AVERAGE)
    assert both["where"] == pytest.approx((0.1 + 0.03) * AVERAGE)
    assert both["which"] == pytest.approx((0.05 + 0.03) * AVERAGE)
    for _, group in found.groupby(["criterion", "at"], dropna=False):
        mean = group.set_index("effect")["mean"]
        assert mean["where"] + mean["which"] == pytest.approx(mean["lead"], abs=1e-12)


def test_a_row_holds_the_accuracies_that_its_effect_is_made_of(found):
    assert set(found["effect"]) == set(EFFECTS) and found["n"].eq(SEEDS).all()
    for row in found.to_dict("records"):
        assert decomposition.effects_of(pd.DataFrame([row]))[row["effect"]][0] == pytest.approx(row["mean"], abs=1e-12)
    at = found[(found["criterion"] == "layers") & (found["effect"] == "where")].set_index("at")["mean"]
    for rate in RATES[1:]:
        assert at[rate] == pytest.approx(0.2 * LOSS[rate])


@pytest.mark.slow
def test_an_interval_covers_nothing_where_nothing_is_known_and_not_where_something_is(tmp_path):
    """Over many studies the interval of what `random` knows covers 0 in about 95 %, that of planted knowledge never."""
    covered = {"random": 0, "filters": 0}
    studies = 40
    for number in range(studies):
        accuracies = decomposition.measured(planted(tmp_path / str(number), 0.01, seed=number, names=tuple(covered)))
        rows = decomposition.decomposition(accuracies[accuracies["at"].isna()], 0.05, 0)
        which = rows[rows["effect"] == "which"].set_index("criterion")
        for name in covered:
            covered[name] += bool(which.loc[name, "low"] <= 0 <= which.loc[name, "high"])
    assert 0.88 * studies <= covered["random"] <= studies and covered["filters"] == 0


def test_few_seeds_are_said_and_not_tested(tmp_path):
    rows = decomposition.decomposition(decomposition.measured(planted(tmp_path, noise=0.01, seeds=3)), 0.05, 0)
    assert rows["low"].isna().all() and rows["wilcoxon_holm"].isna().all() and rows["note"].ne("").all()


def test_a_run_without_other_choices_has_no_rows(tmp_path):
    synthetic.write(tmp_path, curves=synthetic.curves(seeds=2).assign(control=""))
    accuracies = decomposition.measured(tmp_path / "tables")
    assert accuracies.empty and decomposition.decomposition(accuracies, 0.05, 0).empty


ENTRIES = [{"name": name, "criterion": name} for name in PLANTED]


def test_a_sentence_names_the_winners_of_the_table_with_their_numbers(found, tmp_path):
    accuracies = decomposition.measured(planted(tmp_path, noise=0.01))
    for rows in (found, decomposition.decomposition(accuracies, 0.05, 0)):
        (said,) = report.sentences(rows, ENTRIES)
        here = rows[rows["at"].isna()].set_index(["effect", "criterion"])
        best = here.loc["lead", "mean"].idxmax()
        assert said.startswith(f"scene15-resnet18, 10 images per class: {best} is {number(here.loc['lead', best])}")
        for effect in ("where", "which"):
            assert f"{number(here.loc[effect, best])}] {'are where' if effect == 'where' else 'which'} (" in said
            most, least = here.loc[effect, "mean"].idxmax(), here.loc[effect, "mean"].idxmin()
            assert f"most with {most} ({number(here.loc[effect, most])}" in said
            assert f"least with {least} ({number(here.loc[effect, least])}" in said


def number(row) -> str:
    mean, low, high = (f"{100 * row[name]:+.1f}".replace("-0.0", "+0.0") for name in ("mean", "low", "high"))
    return f"{mean} points [{low}, {high}"


def test_a_random_criterion_that_seems_to_know_filters_is_said(found):
    assert "random knows no filter, and the interval of its “which” covers 0" in report.sentences(found, ENTRIES)[0]
    wrong = [{"name": "filters", "criterion": "random"}]
    assert "the interval of its “which” should cover 0 and does not" in report.sentences(found, wrong)[0]


def test_the_figure_has_two_bars_per_criterion_as_long_as_the_table_says(found):
    look = style.read("report/style.yaml", set(PLANTED))
    with style.theme(look, "secateur"):
        (drawing,) = report.drawings(found, look)
    axes = drawing.figure.axes[0]
    order = [label.get_text() for label in axes.get_yticklabels()]
    assert order == sorted(PLANTED, key=lambda name: -effects(found, name)["lead"])
    for effect, bars in zip(("where", "which"), axes.containers, strict=True):
        lengths = dict(zip(order, (bar.get_width() for bar in bars), strict=True))
        for name in PLANTED:
            assert lengths[name] == pytest.approx(100 * effects(found, name)[effect])
    assert f"n = {SEEDS} seeds" in drawing.note


def test_the_table_has_every_effect_and_the_largest_lead_first(found):
    shown = report.table(found)
    assert shown.count == len(PLANTED) * len(EFFECTS)
    first = [row[0].text for row in shown.rows[:: len(EFFECTS)]]
    assert first == sorted(PLANTED, key=lambda name: -effects(found, name)["lead"])
