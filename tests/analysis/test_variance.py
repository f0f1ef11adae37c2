"""Variance components: those that made simulated data, and those that REML finds."""

import numpy as np
import pandas as pd
import pytest

import synthetic
from secateur.analysis import tables, trace
from secateur.analysis.comparisons import variances
from secateur.analysis.measures import measure_all
from secateur.analysis.parts import parts
from secateur.analysis.statistics import numbered
from secateur.analysis.variance import INTERACTION, RESIDUAL, SEED, STUDY, components, drawn_anew


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


def drawn(draws: np.ndarray, sd: dict[str, tuple[float, float]], generator: np.random.Generator) -> np.ndarray:
    """Values (networks, criteria) of networks made from `draws` (networks, components): each draw shifts all criteria
    alike and each by itself, with the standard deviations of its component."""
    total = np.zeros((len(draws), 5))
    for column, (alike, own) in enumerate(sd.values()):
        effects = {draw: generator.normal(0, alike) + generator.normal(0, own, 5) for draw in set(draws[:, column])}
        total += np.stack([effects[draw] for draw in draws[:, column]])
    return total


def test_the_parts_of_the_components_that_made_the_data_come_back():
    sd = {"head": (1.0, 0.5), "references": (0.2, 0.8), "split": (0.6, 0.1)}
    whole = {RESIDUAL: sum(one[1] ** 2 for one in sd.values()), SEED: sum(one[0] ** 2 for one in sd.values())}
    seeds = np.repeat(np.arange(400)[:, None], 3, axis=1)
    for column, (name, (alike, own)) in enumerate(sd.items()):
        anew = seeds.copy()
        anew[:, column] += 1  # as `varying.draw_of` draws a component anew: the next seed's
        rows = []
        for seed in range(6):
            both = drawn(np.concatenate([seeds, anew]), sd, np.random.default_rng(seed))
            rows += drawn_anew(both.reshape(2, 400, -1).transpose(1, 0, 2), name, whole)
        found = pd.DataFrame(rows).groupby("component")[["variance", "share"]].mean()
        assert found.loc[RESIDUAL, "variance"] == pytest.approx(own**2, rel=0.1)
        assert found.loc[SEED, "variance"] == pytest.approx(alike**2, rel=0.15, abs=0.02)
        assert found.loc[RESIDUAL, "share"] == pytest.approx(own**2 / whole[RESIDUAL], rel=0.1)
        assert {row["varied"] for row in rows} == {name} and {row["seeds"] for row in rows} == {400}


def test_the_table_has_the_parts_of_a_run_from_its_own_pairs_of_networks(tmp_path):
    own = synthetic.curves(seeds=4, samples=("1",), branches=("fewshot",))
    heads = synthetic.curves(seeds=4, samples=("1",), branches=("fewshot",), seed=1).assign(varied="head")
    same = own[own["seed"] < 2].assign(varied="references")
    folder = synthetic.write(tmp_path, curves=pd.concat([own.assign(varied=""), heads, same]))
    assert set(tables.read(folder, "curves")["varied"]) == {""}
    whole = variances(numbered(measure_all(tables.read(folder, "curves", numbered=True))))
    found = parts(tables.read(folder, "curves", numbered=True, varied=True), whole)
    assert list(found.columns) == list(whole.columns) and set(found["varied"]) == {"head", "references"}
    main = found[found["measure"] == "mean_accuracy_over_rate"].set_index(["varied", "component"])
    assert (main.loc["references", "variance"] == 0).all() and set(main.loc["references", "seeds"]) == {2}
    assert set(main.loc["head", "seeds"]) == {4}
    tall = [measure_all(one).query("measure == 'mean_accuracy_over_rate'") for one in (own, heads)]
    pairs = np.stack([one.pivot(index="seed", columns="criterion", values="value") for one in tall], axis=1)
    expected = {row["component"]: row["variance"] for row in drawn_anew(pairs, "head", {})}
    assert main.loc[("head", RESIDUAL), "variance"] == pytest.approx(expected[RESIDUAL]) and expected[RESIDUAL] > 0
    lines = trace.lines_of(main.loc[("references", RESIDUAL), "source"])[trace.CURVES]
    written = pd.read_parquet(folder / "curves.parquet").iloc[np.array(lines) - trace.FIRST]
    assert set(written["varied"]) == {"", "references"} and set(written["seed"]) == {0, 1}


def test_a_run_from_before_has_no_parts():
    curves = synthetic.curves(seeds=4, samples=("1",), branches=("fewshot",)).assign(varied="")
    assert parts(curves, variances(numbered(measure_all(curves)))).empty


def test_two_criteria_are_enough_for_parts_and_one_is_not(tmp_path):
    both = [synthetic.curves(seeds=4, samples=("1",), branches=("fewshot",), seed=seed) for seed in (0, 1)]
    every = pd.concat([both[0].assign(varied=""), both[1].assign(varied="head")])
    whole = variances(numbered(measure_all(both[0])))
    for names, some in ((["lrp", "weight"], True), (["lrp"], False)):
        folder = synthetic.write(tmp_path / names[-1], curves=every[every["criterion"].isin(names)])
        found = parts(tables.read(folder, "curves", numbered=True, varied=True), whole)
        assert (len(found) > 0) == some
