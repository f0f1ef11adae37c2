"""A test of the tests on real networks: random removal under two names is judged undecided, by every comparison."""

import pandas as pd
import pytest
import yaml
from tests.prepared import study_of

from secateur import config as configuration
from secateur.analysis import claims as claim_files
from secateur.analysis.comparisons import pairwise_tests
from secateur.analysis.measures import measure_all
from secateur.analysis.statistics import numbered
from secateur.analysis.verdicts import verdicts
from secateur.branches.fewshot import fewshot
from secateur.branches.ranking import rank_study

SEEDS = 8
TWINS = ("random", "random_again")


@pytest.fixture(scope="module")
def curves(tmp_path_factory) -> pd.DataFrame:
    """Few-shot curves of random removal, drawn twice, on the task models of eight seeds."""
    folder = tmp_path_factory.mktemp("twins")
    given = yaml.safe_load((configuration.REPOSITORY / "tests/workflow/tiny.yaml").read_text(encoding="utf-8"))
    given |= {
        "seeds": SEEDS,
        "seeds_per_job": SEEDS,
        "criteria": [{"name": name, "criterion": "random"} for name in TWINS],
    }
    given["fewshot"] = {"samples_per_class": [1], "rates": [0.1, 0.2, 0.3, 0.5]}
    given.pop("toy")
    config = configuration.resolve(given)
    study, samples = study_of(config, SEEDS, folder)
    tables = []
    for name in TWINS:
        rank_study(study, name, range(SEEDS), samples, folder / "scores.safetensors")
        fewshot(study, name, range(SEEDS), folder / "scores.safetensors", folder / "c.parquet", folder / "p.parquet")
        tables.append(pd.read_parquet(folder / "c.parquet"))
    return pd.concat(tables, ignore_index=True)


@pytest.mark.slow
def test_random_under_two_names_is_undecided(curves, tmp_path):
    wide = curves[curves["rate"] > 0].pivot(index=["seed", "rate"], columns="criterion", values="accuracy")
    assert (wide[TWINS[0]] != wide[TWINS[1]]).mean() > 0.5  # two draws, not one draw copied
    claim = {"title": "t", "words": "w", "measure": "mean_accuracy_over_rate", "branch": "fewshot", "margin": 0.0}
    held = {
        "criteria": list(TWINS),
        "claims": [
            claim | {"id": kind, "comparison": kind, "rivals": list(TWINS), "test": test}
            for kind, test in (("better_than", "sign"), ("not_worse_than", "permutation"))
        ],
    }
    (tmp_path / "claims.yaml").write_text(yaml.safe_dump(held), encoding="utf-8")
    measures = numbered(measure_all(curves))
    cost = pd.DataFrame(columns=["study", "criterion"])
    found = verdicts(measures, cost, claim_files.read(tmp_path / "claims.yaml"))
    assert set(found["verdict"]) == {"undecided"} and set(found["alike"]) == {""} and set(found["n"]) == {SEEDS}
    assert set(found.loc[found["scope"] == "study", "reason"]) == {"unclear"}
    tests = pairwise_tests(measures, 0.05, 0)
    tests = tests[tests["measure"].str.startswith("mean_accuracy")]
    assert len(tests) == 3 and (tests["note"] == "").all()  # tests were made, and found nothing
    assert (tests["wilcoxon_holm"] > 0.05).all() and (tests["permutation_holm"] > 0.05).all()
