"""The real DAG: one command makes the report, a second makes nothing, and an edit reruns what depends on it."""

import hashlib
import json
import re

import pandas as pd
import pytest
import yaml

from house import TINY, House
from secateur.config import REPOSITORY

pytestmark = pytest.mark.slow
RESULTS = "results/tiny"
TABLES = ["curves", "profiles", "grid", "toy", "toy_stability"]
"""The tables that are byte-identical between runs: all but the timings in cost and latency."""
OF_A_CRITERION = {
    "redraw": 1,
    "fewshot": 1,
    "repair": 1,
    "decompose": 1,
    "grid": 1,
    "retrain": 1,
    "cost": 1,
    "latency": 1,
    "gallery": 1,
}
AFTER_A_CURVE = {"collect": 1, "statistics": 1, "figures": 1, "report": 1, "all": 1}


def hashes(house: House) -> dict[str, str]:
    return {
        name: hashlib.sha256((house.folder / RESULTS / "tables" / f"{name}.parquet").read_bytes()).hexdigest()
        for name in TABLES
    }


def test_the_tables_hold_every_measurement_once(house):
    curves = pd.read_parquet(house.folder / RESULTS / "tables" / "curves.parquet")
    keys = ["branch", "study", "criterion", "remedy", "choice", "shuffle", "seed", "samples_per_class", "rate"]
    assert not curves.duplicated(keys).any()
    control = curves[curves["control"] == "unpruned"]
    assert len(control) == 2 * 3 and set(control["branch"]) == {"retrain"} and (control["units_removed"] == 0).all()
    curves = curves[curves["control"] == ""]
    decomposed = curves[curves["choice"] != "own"]
    assert decomposed.groupby(["choice", "shuffle"]).size().to_dict() == {
        (choice, shuffle): 3 * 2 * 2 * 3
        for choice, shuffles in {"equal": [0], "shuffled": [1, 2], "equal_shuffled": [1, 2]}.items()
        for shuffle in shuffles
    }
    whole = curves[(curves["choice"] != "equal") & (curves["choice"] != "equal_shuffled") & (curves["rate"] > 0)]
    assert (abs(whole["rate_achieved"] - whole["rate"]) <= 0.5 / whole["units_total"]).all()
    curves = curves[curves["choice"] == "own"]
    assert curves.groupby(["branch", "remedy"]).size().to_dict() == {
        ("fewshot", "none"): 3 * 2 * 2 * 3, ("fewshot", "bias"): 3 * 2 * 2 * 3,
        ("fewshot", "least_squares"): 3 * 2 * 2 * 3, ("retrain", "none"): 3 * 2 * 1 * 3,
    }  # fmt: skip
    assert set(curves["criterion"]) == {"weight", "lrp", "random"}
    pruned = curves[curves["rate"] > 0]
    assert (pruned["params_share"] < 1).all() and (pruned["macs_share"] < 1).all()
    assert curves["accuracy"].between(0, 1).all() and (curves["worst_class_accuracy"] <= curves["accuracy"]).all()


def test_the_design_is_paired(house):
    """Within a seed every criterion starts from the same network; data-free ones see no reference sample."""
    curves = pd.read_parquet(house.folder / RESULTS / "tables" / "curves.parquet")
    start = curves[curves["rate"] == 0].groupby(["study", "seed"])
    assert (start["accuracy"].nunique() == 1).all() and (start["loss"].nunique() == 1).all()
    weight = curves.query("criterion == 'weight' and branch == 'fewshot' and remedy == 'none' and choice == 'own'")
    assert (weight.groupby(["seed", "rate"])["loss"].nunique() == 1).all()


def test_a_second_run_does_nothing(house):
    done = house.snakemake()
    assert "Nothing to be done" in done.stdout + done.stderr


def test_a_control_is_a_job_of_its_own(house):
    """Switching it off drops its jobs and reruns nothing that measures a pruned network."""
    config = yaml.safe_load((house.folder / TINY).read_text(encoding="utf-8"))
    config["retrain"]["controls"] = {"unpruned": False}
    (house.folder / "off.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    assert house.planned("off.yaml") == AFTER_A_CURVE


def test_remedies_are_jobs_of_their_own(house):
    """Another choice of remedies measures no network again that has none; their seconds are part of the costs."""
    config = yaml.safe_load((house.folder / TINY).read_text(encoding="utf-8"))
    config["fewshot"]["remedies"] = ["bias"]
    (house.folder / "fewer.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    assert house.planned("fewer.yaml") == {"repair": 3, "cost": 1} | AFTER_A_CURVE
    config["fewshot"]["remedies"] = ["none"]
    (house.folder / "without.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    assert house.planned("without.yaml") == {"cost": 1} | AFTER_A_CURVE
    study = next(iter(config["studies"].values()))
    config["fewshot"]["remedies"], study["remedies"] = ["none"], ["bias"]  # the study's own choice is what counts
    (house.folder / "own.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    assert house.planned("own.yaml") == {"repair": 3, "cost": 1} | AFTER_A_CURVE


def test_other_choices_of_units_are_jobs_of_their_own(house):
    """Without them, or with other ones, no network is measured again that the criteria chose."""
    config = yaml.safe_load((house.folder / TINY).read_text(encoding="utf-8"))
    config["decompose"]["shuffles"] = 3
    (house.folder / "shuffled.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    assert house.planned("shuffled.yaml") == {"decompose": 3} | AFTER_A_CURVE
    del config["decompose"]
    (house.folder / "whole.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    assert house.planned("whole.yaml") == AFTER_A_CURVE


def test_shapes_from_scratch_are_trained_where_the_config_asks(house):
    config = yaml.safe_load((house.folder / TINY).read_text(encoding="utf-8"))
    config["retrain"]["controls"] = {"scratch": True}
    (house.folder / "scratch.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    assert house.planned("scratch.yaml") == {"scratch": 3} | AFTER_A_CURVE
    done = house.snakemake(config="scratch.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    curves = pd.read_parquet(house.folder / RESULTS / "tables" / "curves.parquet")
    found = curves[curves["control"] == "scratch"]
    assert found.groupby("criterion").size().to_dict() == {"weight": 6, "lrp": 6, "random": 6}
    assert house.snakemake().returncode == 0


def test_another_recipe_of_retraining_leaves_the_other_branch_alone(house):
    config = yaml.safe_load((house.folder / TINY).read_text(encoding="utf-8"))
    config["retrain"]["finetune"] = {"epochs": 2}
    (house.folder / "longer.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    assert house.planned("longer.yaml") == {"retrain": 3, "retrain_unpruned": 1} | AFTER_A_CURVE


def test_deleting_a_curve_reruns_what_depends_on_it(house):
    before = hashes(house)
    (house.folder / RESULTS / "curves/fewshot/digits_vgg/lrp/0-1.parquet").unlink()
    assert house.planned() == {"fewshot": 1} | AFTER_A_CURVE
    assert house.snakemake().returncode == 0
    assert hashes(house) == before


def test_editing_a_criterion_reruns_that_criterion_alone(house):
    path = house.folder / "src/secateur/criteria/random.py"
    original = path.read_text(encoding="utf-8")
    path.write_text(original + "\n# edited\n", encoding="utf-8")
    planned = house.planned()
    path.write_text(original, encoding="utf-8")
    assert planned == {"rank_random": 1} | OF_A_CRITERION | AFTER_A_CURVE


def test_the_plan_says_that_the_run_is_done_and_the_report_draws_it(house):
    plan = json.loads((house.folder / RESULTS / "workflow.json").read_text())
    assert plan["state"] == "done" and ["transfer", "fewshot"] in plan["edges"]
    outputs = [house.folder / name for job in plan["jobs"] for name in job["outputs"]]
    assert outputs and all(path.exists() for path in outputs)
    page = (house.folder / RESULTS / "report.html").read_text(encoding="utf-8")
    assert "The workflow of this run" in page and "wall time" in page
    for section in ("maps", "wrong"):  # the gallery's pictures reach the page
        assert f'id="{section}_digits-vgg"' in page
    assert 'id="repair"' in page and "time of a repair on 4 images: bias" in page and "C1 for lrp:" in page
    assert 'id="choice"' in page and "ahead of random filters in layers that lose the same share" in page


def test_snakemakes_own_report_has_the_captions(house):
    done = house.run("snakemake", "--report", "snakemake.html", "--configfile", TINY)
    assert done.returncode == 0, done.stdout + done.stderr
    page = (house.folder / "snakemake.html").read_text(encoding="utf-8")
    for words in ("The whole report of the run", "Drawn from", "A table of the stage", "ready to"):
        assert words in page


def test_no_local_job_waits_for_snakemakes_limit_on_submissions(empty_house):
    """Two jobs under a limit of one a minute; that the limit is what it is: tests/dag/test_session.py."""
    done = empty_house.snakemake("data/digits_source", "data/digits_target", "--max-jobs-per-timespan", "1/1m")
    said = done.stdout + done.stderr
    assert done.returncode == 0 and "2 of 2 steps" in said, said
    assert "Job rate limit reached" not in said


def test_snakemake_lint_has_nothing_to_say(house):
    done = house.run("snakemake", "--lint")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Congratulations" in done.stdout + done.stderr


def test_readme_criterion_joins_both_branches_statistics_and_report(house):
    """README's example, as printed: one file and one word in the config, and nothing else runs again."""
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    name, source = re.search(r"`src/secateur/criteria/(\w+)\.py`.*?```python\n(.*?)```", readme, re.DOTALL).groups()
    assert len(source.strip().splitlines()) <= 15
    (house.folder / f"src/secateur/criteria/{name}.py").write_text(source, encoding="utf-8")
    config = yaml.safe_load((house.folder / TINY).read_text(encoding="utf-8"))
    config["criteria"].append(name)
    (house.folder / "more.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    planned = house.planned("more.yaml")
    assert planned == {f"rank_{name}": 1} | OF_A_CRITERION | AFTER_A_CURVE
    done = house.snakemake(config="more.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    curves = pd.read_parquet(house.folder / RESULTS / "tables" / "curves.parquet")
    assert set(curves[curves["criterion"] == name]["branch"]) == {"fewshot", "retrain"}
    intervals = pd.read_csv(house.folder / RESULTS / "statistics" / "intervals.csv")
    assert name in set(intervals["criterion"])
    assert name in (house.folder / RESULTS / "report.html").read_text(encoding="utf-8")
