"""Agreement with the oracle and ablations, against what the tables they are made of say."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from secateur import tensorfile
from secateur.analysis.agreement import agreement
from secateur.analysis.choices import compare_choices, variants
from secateur.analysis.oracle_agreement import agreement_with_oracle, oracle_names
from secateur.report.criteria_tables import choices_table, oracle_table, tuning_table

ENTRIES = [
    {"name": "lrp", "criterion": "lrp", "options": {}, "ranking": "every-round"},
    {"name": "truth", "criterion": "oracle", "options": {}, "ranking": "every-round"},
    {"name": "lrp_l2", "criterion": "lrp", "options": {"start": "logit"}, "normalisation": "l2"},
    {"name": "lrp_once", "criterion": "lrp", "options": {}, "ranking": "once"},
    {"name": "lrp_stale", "criterion": "lrp", "options": {}, "batch_norm": "running", "ranking": "once"},
    {"name": "alone", "criterion": "taylor", "options": {"absolute": "sample"}, "ranking": "every-round"},
]


@pytest.fixture
def rankings(tmp_path):
    """Score files in which "a" is the truth with little noise, "z" with much."""
    generator = np.random.default_rng(0)
    paths = []
    truth = {(seed, group): generator.random(20) for seed in range(3) for group in ("one", "two")}
    for name, noise in (("a", 0.1), ("truth", 0.0), ("z", 1.0)):
        tensors = {f"{s}/5/{g}": values + generator.normal(0, noise, 20) for (s, g), values in truth.items()}
        path = tmp_path / "study" / name / "0-2.safetensors"
        path.parent.mkdir(parents=True)
        tensorfile.write(path, {name: torch.from_numpy(np.asarray(values)) for name, values in tensors.items()})
        paths.append((name, tensors, path))
    return paths


def test_the_oracle_is_compared_with_everyone_on_either_side_of_the_alphabet(rankings):
    found = agreement_with_oracle(agreement([path for _, _, path in rankings])[0], oracle_names(ENTRIES))
    assert list(found["criterion"]) == ["a", "z"] and set(found["oracle"]) == {"truth"}
    scores = {name: tensors for name, tensors, _ in rankings}
    for row in found.itertuples():
        each = [
            stats.spearmanr(
                np.concatenate([scores[row.criterion][f"{seed}/5/{group}"] for group in ("one", "two")]),
                np.concatenate([scores["truth"][f"{seed}/5/{group}"] for group in ("one", "two")]),
            ).statistic
            for seed in range(3)
        ]
        assert row.spearman == pytest.approx(np.mean(each))
        assert (row.spearman_smallest, row.spearman_largest) == (pytest.approx(min(each)), pytest.approx(max(each)))
        assert (row.seeds, row.units) == (3, 40)
    table = oracle_table(found)
    assert [row[0].text for row in table.rows] == ["a", "z"] and table.head[1:3] == ["images per class", "Spearman"]
    assert agreement_with_oracle(agreement([rankings[0][2]])[0], ["truth"]).empty


def test_variants_are_told_from_their_criterion_by_what_they_choose():
    assert variants(ENTRIES) == {
        "lrp_l2": ("lrp", "normalisation: l2, start: logit"),
        "lrp_once": ("lrp", "ranking: once"),
        "lrp_stale": ("lrp", "batch_norm: running, ranking: once"),
    }
    assert variants([{"name": "own", "criterion": "lrp", "tune": {}, "options": {}}, ENTRIES[0]]) == {
        "own": ("lrp", "options: tuned on extra images")
    }


def measures(seeds, shift=0.05):
    generator = np.random.default_rng(1)
    rows = []
    for branch in ("fewshot", "retrain"):
        for seed in range(seeds):
            base = generator.random()
            for name, more in (("lrp", 0.0), ("lrp_l2", shift), ("lrp_once", 0.0), ("lrp_stale", 0.0), ("alone", 0.5)):
                value = base + more + generator.normal(0, 0.001)
                rows.append(("study", branch, "5", name, seed, "mean_accuracy_over_rate", value))
    columns = ["study", "branch", "samples_per_class", "criterion", "seed", "measure", "value"]
    return pd.DataFrame(rows, columns=columns)


def test_a_choice_is_its_variant_minus_the_criterion_seed_by_seed():
    table = measures(8)
    found = compare_choices(table, ENTRIES, 0.05, 1)
    assert list(found["variant"]) == ["lrp_l2", "lrp_l2", "lrp_once", "lrp_stale"]
    assert set(found["criterion"]) == {"lrp"}
    assert list(found["branch"]) == ["fewshot", *["retrain"] * 3], "neither is a choice where nothing is trained"
    assert found.iloc[0]["wilcoxon_holm"] == found.iloc[0]["wilcoxon_p"], "nor one to correct for"
    found = found.iloc[1:]
    wide = table[table["branch"] == "retrain"].pivot(index="seed", columns="criterion", values="value")
    first = found.iloc[0]
    assert first["mean_difference"] == pytest.approx((wide["lrp_l2"] - wide["lrp"]).mean())
    assert first["wilcoxon_p"] == pytest.approx(stats.wilcoxon(wide["lrp_l2"], wide["lrp"]).pvalue)
    assert first["wilcoxon_holm"] == pytest.approx(3 * first["wilcoxon_p"]) and first["n"] == 8
    assert found.iloc[1]["p_equal"] > 0.95 > 0.05 > first["p_equal"]
    assert choices_table(found).rows[0][1].text == "normalisation: l2, start: logit"
    few = compare_choices(measures(3), ENTRIES, 0.05, 1)
    assert few["wilcoxon_holm"].isna().all() and few["note"].str.contains("too few").all()


def test_the_table_of_a_search_says_what_it_has_seen():
    row = ("s", "lrp_tuned", 0, '{"rule": "epsilon"}', 0.875, 18, 36, 100)
    columns = ["study", "criterion", "seed", "options", "validation_accuracy", "trials", "evaluations", "images"]
    table = tuning_table(pd.DataFrame([row], columns=columns))
    assert [cell.text for cell in table.rows[0]] == [
        "lrp_tuned",
        "0",
        "100",
        "18",
        "36",
        "87.5 %",
        '{"rule": "epsilon"}',
    ]
