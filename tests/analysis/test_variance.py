"""Variance components: those that made simulated data, and those that REML finds."""

import numpy as np
import pandas as pd
import pytest

import synthetic
from secateur.analysis.measures import measure_all
from secateur.analysis.statistics import numbered, variances
from secateur.analysis.variance import INTERACTION, RESIDUAL, SEED, STUDY, components


def simulated(studies: int, seeds: int, criteria: int, sd: dict[str, float], seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return (
        generator.normal(0, 3, criteria)
        + generator.normal(0, sd[STUDY], (studies, 1, 1))
        + generator.normal(0, sd[INTERACTION], (studies, 1, criteria))
        + generator.normal(0, sd[SEED], (studies, seeds, 1))
        + generator.normal(0, sd[RESIDUAL], (studies, seeds, criteria))
    )


def named(values: np.ndarray) -> dict[str, float]:
    return {row["component"]: row["variance"] for row in components(values)}


def test_the_components_that_made_the_data_come_back():
    sd = {STUDY: 2.0, INTERACTION: 1.0, SEED: 0.7, RESIDUAL: 0.3}
    found = named(simulated(300, 12, 6, sd))
    for name, value in sd.items():
        assert found[name] == pytest.approx(value**2, rel=0.2)


def test_a_balanced_design_gives_what_reml_gives():
    import statsmodels.formula.api as smf

    values = simulated(8, 5, 4, {STUDY: 2.0, INTERACTION: 1.0, SEED: 0.8, RESIDUAL: 0.5}, seed=3)
    index = pd.MultiIndex.from_product(map(range, values.shape), names=["study", "seed", "criterion"])
    table = pd.Series(values.ravel(), index, name="value").reset_index()
    model = smf.mixedlm(
        "value ~ C(criterion)", table, groups="study", re_formula="1",
        vc_formula={"seed": "0 + C(seed)", "criterion": "0 + C(criterion)"},
    ).fit(reml=True)  # fmt: skip
    found = named(values)
    assert found[RESIDUAL] == pytest.approx(model.scale, rel=1e-2)
    assert found[STUDY] == pytest.approx(float(model.cov_re.iloc[0, 0]), rel=2e-2)
    reml = dict(zip(model.model.exog_vc.names, model.vcomp, strict=True))
    assert found[SEED] == pytest.approx(reml["seed"], rel=2e-2)
    assert found[INTERACTION] == pytest.approx(reml["criterion"], rel=2e-2)


def test_the_residual_is_half_the_variance_of_paired_differences():
    values = np.random.default_rng(1).normal(size=(1, 9, 2))
    difference = values[0, :, 0] - values[0, :, 1]
    assert named(values)[RESIDUAL] == pytest.approx(difference.var(ddof=1) / 2)


def test_a_component_below_zero_is_zero_and_shares_sum_to_one():
    values = np.array([[[0.0, 1.0], [1.0, 0.0]]])  # seeds have equal means: less than chance would give
    found = components(values)
    assert found[1]["component"] == SEED and found[1]["variance"] == 0.0
    assert sum(row["share"] for row in found) == pytest.approx(1.0)


def test_within_and_between_studies_are_reported_apart():
    curves = synthetic.curves(studies=("a-net", "b-net", "c-net"), seeds=4, samples=("1",), branches=("fewshot",))
    table = variances(numbered(measure_all(curves)))
    main = table[table["measure"] == "mean_accuracy_over_rate"]
    within, over = main[main["scope"] == "study"], main[main["scope"] == "studies"]
    assert len(within) == 3 * 2 and set(over["component"]) == {RESIDUAL, SEED, INTERACTION, STUDY}
    assert set(over["studies"]) == {3} and set(over["seeds"]) == {4} and set(over["criteria"]) == {6}
    mean = within.loc[within["component"] == RESIDUAL, "variance"].mean()
    assert over.loc[over["component"] == RESIDUAL, "variance"].iloc[0] == pytest.approx(mean)
