"""Plans from a pilot run: its own spread, the tests that are really made, and a check by the verdict itself."""

import numpy as np
import pandas as pd
import pytest

import synthetic
from secateur.analysis import claims, sample_size
from secateur.analysis.measures import measure_all
from secateur.errors import SecateurError

CLAIMS = claims.read("config/claims.yaml")


@pytest.fixture(scope="module")
def pilot() -> pd.DataFrame:
    return measure_all(synthetic.curves())


def test_a_plan_has_the_pilots_spread_in_every_row(pilot):
    found = sample_size.plan(pilot, CLAIMS, effect=0.02)
    row = found.query("claim == 'C1' and criterion == 'lrp' and rival == 'weight'").iloc[0]
    blocks = pilot[(pilot["measure"] == "mean_accuracy_over_rate") & (pilot["branch"] == "fewshot")]
    means = blocks.pivot_table(index="seed", columns="criterion", values="value")
    assert row["spread"] == pytest.approx((means["lrp"] - means["weight"]).std())
    # The upper 80 % bound of the deviation of 8 values: chi-square with 7 degrees of freedom is 3.822 at 20 %.
    assert row["spread_upper"] == pytest.approx(row["spread"] * np.sqrt(7 / 3.822), rel=1e-3)
    assert row["seeds"] == 8 and 6 <= row["seeds_needed"] <= row["seeds_needed_upper"]
    assert list(found.columns) == sample_size.COLUMNS and not found["detectable"].isna().any()


def test_all_rivals_together_need_at_least_as_many_seeds_as_the_hardest_one(pilot):
    found = sample_size.plan(pilot, CLAIMS, effect=0.01).set_index(["claim", "criterion", "rival"]).loc["C1", "lrp"]
    together = found.loc[sample_size.ALL]
    assert together["seeds_needed"] >= found["seeds_needed"].max()
    assert together["detectable"] >= 0.99 * found["detectable"].max()


def test_the_verdict_itself_reaches_the_planned_power(pilot):
    found = sample_size.plan(pilot, CLAIMS, effect=0.01)
    rows = found.query("claim == 'C1' and criterion == 'lrp' and rival == @sample_size.ALL")
    (share,) = sample_size.checked(rows, pilot, CLAIMS, 0.01, 200)
    assert share.total == 200 and 0.7 < share.value < 0.92
    (few,) = sample_size.checked(rows.assign(seeds_needed=5), pilot, CLAIMS, 0.01, 50)
    assert few.count == 0


def test_pairs_are_planned_after_holm(pilot):
    found = sample_size.pairs(pilot, "mean_accuracy_over_rate", 0.05, effect=0.02)
    assert set(found["pairs"]) == {15} and set(found["fewest_seeds"]) == {10}
    assert (found["seeds_needed"] >= 10).all()
    table = pilot[(pilot["measure"] == "mean_accuracy_over_rate") & (pilot["branch"] == "retrain")]
    wide = table.pivot(index="seed", columns="criterion", values="value")
    row = found[found["branch"] == "retrain"].iloc[0]
    assert row["spread"] == pytest.approx(max((wide[a] - wide[b]).std() for a in wide for b in wide))


def test_two_seeds_are_no_pilot():
    assert sample_size.plan(measure_all(synthetic.curves(seeds=2)), CLAIMS, effect=0.02).empty


@pytest.mark.slow
def test_the_command_answers_for_a_config_from_its_pilot(tmp_path, capsys):
    from secateur.cli.planning import plan
    from secateur.config import REPOSITORY

    synthetic.write(tmp_path / "pilot", curves=synthetic.curves(studies=("digits_vgg",)))
    usage = tmp_path / "pilot" / "usage" / "retrain" / "digits_vgg-lrp-0-7.json"
    usage.parent.mkdir(parents=True)
    usage.write_text('{"cpu_seconds": 7300, "work_cpu_seconds": 7200, "work_wall_seconds": 7200}')
    plan(effect=0.02, power=0.8, config=REPOSITORY / "config/demo.yaml", run=str(tmp_path / "pilot"),
         claims=REPOSITORY / "config/claims.yaml")  # fmt: skip
    said = capsys.readouterr().out
    assert "Pilot:" in said and "digits_vgg 8" in said and "Not in the pilot, so not planned: digits_resnet" in said
    assert "criterion × seed" in said and "fewest_seeds" in said and "all 8 claims above" in said
    assert " 8        1     2" in said  # two hours of one criterion with the pilot's own eight seeds
    with pytest.raises(SecateurError, match="no pilot run 'none'"):
        plan(effect=0.02, power=0.8, config=REPOSITORY / "config/demo.yaml", run="none",
             claims=REPOSITORY / "config/claims.yaml")  # fmt: skip
