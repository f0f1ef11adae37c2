"""The rule of reproduction: its level, its stated power and its negative control, by simulation and by hand."""

import numpy as np
import pandas as pd
import pytest

from secateur.analysis.reproduction import half_widths, wrong_cells

STUDIES, POINTS = 3000, 2000


def simulated(
    shift: float, networks: int = 5, draws: int = 50, between: float = 0.02, within: float = 0.05, seed: int = 0
) -> pd.DataFrame:
    """Studies in which a published network and ours have the same distribution but for `shift`, one row each.

    Every side has its own training set (`POINTS` independent points), its networks and its draws; ours share draws.
    """
    random = np.random.default_rng(seed)
    level, theirs = 0.85, 50
    sampling = np.sqrt(level * (1 - level) / POINTS)
    published = level + shift + sampling * random.standard_normal(STUDIES) + between * random.standard_normal(STUDIES)
    of_theirs = within * random.standard_normal((STUDIES, theirs))
    network = between * random.standard_normal((STUDIES, networks, 1))
    draw = within * random.standard_normal((STUDIES, 1, draws))
    ours = level + sampling * random.standard_normal((STUDIES, 1, 1)) + network + draw
    return pd.DataFrame({
        "published_mean": published + of_theirs.mean(1), "published_std": of_theirs.std(1, ddof=1),
        "published_draws": theirs, "ours_mean": ours.mean((1, 2)), "networks": networks, "draws": draws,
        "network_std": ours.mean(2).std(1, ddof=1), "draw_std": ours.mean(1).std(1, ddof=1), "points": POINTS,
    })  # fmt: skip


def passing(cells: pd.DataFrame) -> float:
    return float(((cells["ours_mean"] - cells["published_mean"]).abs() <= half_widths(cells)["half_width"]).mean())


@pytest.mark.parametrize("other", [{}, {"networks": 3}, {"networks": 20}, {"draws": 10}, {"between": 0.0},
                                   {"within": 0.0}, {"between": 0.002, "within": 0.001}])  # fmt: skip
def test_one_more_network_of_the_same_kind_passes_in_19_of_20_studies(other):
    assert 0.93 <= passing(simulated(0.0, **other)) <= 0.985


def test_a_difference_as_large_as_is_called_detectable_is_detected_in_four_of_five_studies():
    cells = simulated(0.0, networks=20, draws=50)
    stated = float(half_widths(cells)["detectable"].median())
    assert 1 - passing(simulated(stated, networks=20, draws=50, seed=1)) == pytest.approx(0.8, abs=0.04)
    assert 1 - passing(simulated(stated / 2, networks=20, draws=50, seed=1)) < 0.5


def test_more_networks_and_more_draws_make_it_sharper():
    widths = [half_widths(simulated(0.0, networks=n, between=0.05))["half_width"].median() for n in (3, 5, 20)]
    assert widths[0] > 1.15 * widths[1] and widths[1] > 1.1 * widths[2]
    draws = [half_widths(simulated(0.0, draws=n, between=0.001))["half_width"].median() for n in (3, 50)]
    assert draws[0] > 1.5 * draws[1]


def test_the_width_is_the_sum_of_its_parts_worked_out_by_hand():
    cell = pd.DataFrame({"published_mean": [1.0], "published_std": [0.0], "published_draws": [50], "ours_mean": [1.0],
                         "networks": [5], "draws": [50], "network_std": [0.0], "draw_std": [0.0],
                         "points": [2000]})  # fmt: skip
    share = 2001 / 2002  # a share of one is not taken for exact
    expected = 1.96 * np.sqrt(2 * share * (1 - share) / 2000)
    assert half_widths(cell)["half_width"].item() == pytest.approx(expected, rel=1e-4)
    cell["network_std"] = 0.01  # four degrees of freedom, and nearly nothing else
    assert half_widths(cell)["half_width"].item() == pytest.approx(2.776 * 0.01 * np.sqrt(1.2), rel=1e-2)
    assert half_widths(cell.assign(networks=2)).isna().all().all()


def cells(means: dict[str, float], published: dict[str, float]) -> pd.DataFrame:
    """One setting with a cell for each criterion; every published one was measured on draws that spread by 0.01."""
    rows = [
        {"dataset": "moons", "variant": "authors", "references": "generated", "steps": "fitted",
         "samples_per_class": 5, "evaluated_on": "train", "noise_sigma": 0.0, "criterion": name,
         "published_mean": published[name], "published_std": 0.01, "published_draws": 50, "ours_mean": mean,
         "networks": 5, "draws": 50, "network_std": 0.01, "draw_std": 0.01, "points": POINTS}
        for name, mean in means.items()
    ]  # fmt: skip
    table = pd.DataFrame(rows)
    return table.join(half_widths(table))


def test_the_negative_control_asks_of_each_cell_whether_the_others_would_pass():
    published = {"lrp": 0.99, "taylor": 0.80, "gradient": 0.801}
    found = wrong_cells(cells(published, published)).set_index(["criterion", "other"])
    assert len(found) == 6 and not any(one == other for one, other in found.index)
    assert found["passes"].to_dict() == {
        ("lrp", "taylor"): False, ("lrp", "gradient"): False, ("taylor", "lrp"): False, ("gradient", "lrp"): False,
        ("taylor", "gradient"): True, ("gradient", "taylor"): True,
    }  # fmt: skip
    # What the published figures themselves do not tell apart is said to be alike.
    assert found["alike"].to_dict() == found["passes"].to_dict()


def test_a_rule_that_lets_everything_pass_is_seen_in_its_negative_control():
    published = {"lrp": 0.99, "taylor": 0.80}
    wide = cells(published, published).assign(network_std=0.2)
    wide = wide.drop(columns=["half_width", "detectable"])
    assert wrong_cells(wide.join(half_widths(wide)))["passes"].all()


def test_cells_of_other_settings_are_never_paired():
    one = cells({"lrp": 0.9, "taylor": 0.8}, {"lrp": 0.9, "taylor": 0.8})
    both = pd.concat([one, one.assign(steps="published"), one.assign(samples_per_class=10)], ignore_index=True)
    assert len(wrong_cells(both)) == 6
