"""What goes wrong says what is wrong, and the rest completes."""

import pytest
import yaml

from house import TINY, House

pytestmark = pytest.mark.slow


def changed(house: House, **values: object) -> str:
    config = yaml.safe_load((house.folder / TINY).read_text(encoding="utf-8")) | values
    (house.folder / "changed.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return "changed.yaml"


def test_a_wrong_config_is_one_error_before_any_job(empty_house):
    done = empty_house.snakemake(config=changed(empty_house, criteria=["weight", "lpr"]))
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "unknown criterion 'lpr'" in said and "Did you mean 'lrp'" in said
    assert "Traceback" not in said
    assert not (empty_house.folder / "results").exists()


def test_the_demo_does_not_leak_into_a_config_of_ones_own(empty_house):
    planned = empty_house.planned()
    assert planned["retrain"] == 3 and planned["backbone"] == 1
    demo = yaml.safe_load((empty_house.folder / "config/demo.yaml").read_text(encoding="utf-8"))
    assert empty_house.planned("config/demo.yaml")["retrain"] == len(demo["studies"]) * len(demo["criteria"])


def test_plain_snakemake_plans_the_demo(empty_house):
    done = empty_house.run("snakemake", "-n")
    assert done.returncode == 0 and "retrain" in done.stdout + done.stderr


def test_a_failing_criterion_fails_its_own_jobs_and_the_report_says_what_is_missing(empty_house):
    (empty_house.folder / "src/secateur/criteria/broken.py").write_text(
        '"""Broken: scores that are not numbers in one layer."""\n\n\n'
        "def score(network):\n"
        "    scores = network.zeros()\n"
        '    scores[network.layers[1]] += float("nan")\n'
        "    return scores\n",
        encoding="utf-8",
    )
    config = changed(empty_house, criteria=["weight", "broken"], toy={"datasets": []})
    done = empty_house.snakemake("--keep-going", config=config)
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "study 'digits_vgg', criterion 'broken', layer 'features.3'" in said and "NaN" in said
    results = empty_house.folder / "results" / "tiny"
    assert (results / "curves/fewshot/digits_vgg/weight/0-1.parquet").exists()
    assert (results / "curves/retrain/digits_vgg/weight/0-1.parquet").exists()
    assert not (results / "curves/retrain/digits_vgg/broken").exists() or not any(
        (results / "curves/retrain/digits_vgg/broken").iterdir()
    )
    assert not (results / "report.html").exists() and not (results / "tables").exists()
    page = (results / "report.partial.html").read_text(encoding="utf-8")
    assert "curves/retrain/digits_vgg/broken/0-1.parquet" in page
