"""The real DAG: one command makes the report, a second makes nothing, and an edit reruns what depends on it."""

import json
import re
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
import yaml

from house import TINY, House
from secateur.config import REPOSITORY

pytestmark = pytest.mark.slow
RESULTS = "results/tiny"
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


def readme_criterion() -> tuple[str, str]:
    """Name and source of README's example, as printed."""
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    name, source = re.search(r"`src/secateur/criteria/(\w+)\.py`.*?```python\n(.*?)```", readme, re.DOTALL).groups()
    assert len(source.strip().splitlines()) <= 15
    return name, source


def add_readme_criterion(house: House) -> str:
    """Put README's example where it belongs; its name."""
    name, source = readme_criterion()
    (house.folder / f"src/secateur/criteria/{name}.py").write_text(source, encoding="utf-8")
    return name


def changed(house: House, name: str, change: Callable[[dict[str, Any]], object]) -> str:
    """A config of the tiny run with a change; its file's name."""
    config = yaml.safe_load((house.folder / TINY).read_text(encoding="utf-8"))
    change(config)
    (house.folder / f"{name}.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return f"{name}.yaml"


CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "without a control": lambda config: config["retrain"].update(controls={"unpruned": False}),
    "with shapes from scratch": lambda config: config["retrain"].update(controls={"scratch": True}),
    "trained longer": lambda config: config["retrain"].update(finetune={"epochs": 2}),
    "fewer remedies": lambda config: config["fewshot"].update(remedies=["bias"]),
    "no remedy": lambda config: config["fewshot"].update(remedies=["none"]),
    "a study's own remedies": lambda config: (
        config["fewshot"].update(remedies=["none"]), config["studies"]["digits_vgg"].update(remedies=["bias"])
    ),
    "more shuffles": lambda config: config["decompose"].update(shuffles=3),
    "no other choices": lambda config: config.pop("decompose"),
    "another criterion": lambda config: config["criteria"].append(readme_criterion()[0]),
}  # fmt: skip


@pytest.fixture(scope="module")
def planned(house: House) -> dict[str, dict[str, int]]:
    """Change of the config → rule → number of jobs that a run would do; README's example is there."""
    add_readme_criterion(house)
    configs = {name: changed(house, name.replace(" ", "_"), change) for name, change in CHANGES.items()}
    plans = house.planned_each(*configs.values())
    return {name: plans[config] for name, config in configs.items()}


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


def test_a_control_is_a_job_of_its_own(planned):
    """Switching it off drops its jobs and reruns nothing that measures a pruned network."""
    assert planned["without a control"] == AFTER_A_CURVE
    assert planned["with shapes from scratch"] == {"scratch": 3} | AFTER_A_CURVE


def test_remedies_are_jobs_of_their_own(planned):
    """Another choice of remedies measures no network again that has none; their seconds are part of the costs."""
    assert planned["fewer remedies"] == {"repair": 3, "cost": 1} | AFTER_A_CURVE
    assert planned["no remedy"] == {"cost": 1} | AFTER_A_CURVE
    assert planned["a study's own remedies"] == {"repair": 3, "cost": 1} | AFTER_A_CURVE  # they are what counts


def test_other_choices_of_units_are_jobs_of_their_own(planned):
    """Without them, or with other ones, no network is measured again that the criteria chose."""
    assert planned["more shuffles"] == {"decompose": 3} | AFTER_A_CURVE
    assert planned["no other choices"] == AFTER_A_CURVE


def test_another_recipe_of_retraining_leaves_the_other_branch_alone(planned):
    assert planned["trained longer"] == {"retrain": 3, "retrain_unpruned": 1} | AFTER_A_CURVE


def test_one_file_and_one_word_in_the_config_add_a_criterion(planned):
    """README's example: nothing else runs again."""
    assert planned["another criterion"] == {f"rank_{readme_criterion()[0]}": 1} | OF_A_CRITERION | AFTER_A_CURVE


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


def test_what_is_added_or_was_deleted_is_made_and_the_rest_stays(own_house):
    """README's criterion joins both branches, statistics and report; shapes are trained from scratch; a curve that was
    deleted comes back the same."""
    results = own_house.folder / RESULTS
    curve = results / "curves/fewshot/digits_vgg/lrp/0-1.parquet"
    content, before = curve.read_bytes(), pd.read_parquet(results / "tables/curves.parquet")
    curve.unlink()
    assert own_house.planned() == {"fewshot": 1} | AFTER_A_CURVE
    name = add_readme_criterion(own_house)
    both = ("another criterion", "with shapes from scratch")
    config = changed(own_house, "more", lambda config: [CHANGES[each](config) for each in both])
    done = own_house.snakemake(config=config)
    assert done.returncode == 0, done.stdout + done.stderr
    assert curve.read_bytes() == content
    curves = pd.read_parquet(results / "tables/curves.parquet")
    added = (curves["criterion"] == name) | (curves["control"] == "scratch")
    keys = ["branch", "study", "criterion", "control", "remedy", "choice", "shuffle", "seed", "samples_per_class"]
    there, here = (each.sort_values([*keys, "rate"], ignore_index=True) for each in (before, curves[~added]))
    pd.testing.assert_frame_equal(here, there, check_exact=True)
    scratch = curves[curves["control"] == "scratch"].groupby("criterion").size().to_dict()
    assert scratch == dict.fromkeys(["weight", "lrp", "random", name], 6)
    assert set(curves[curves["criterion"] == name]["branch"]) == {"fewshot", "retrain"}
    intervals = pd.read_csv(results / "statistics" / "intervals.csv")
    assert name in set(intervals["criterion"])
    assert name in (results / "report.html").read_text(encoding="utf-8")
