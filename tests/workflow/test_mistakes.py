"""What goes wrong says what is wrong, and the rest completes."""

import re

import pytest
import yaml

from house import TINY, House, smaller

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
    config = smaller(criteria=["weight", "broken"])
    (empty_house.folder / "broken.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    done = empty_house.snakemake("--keep-going", config="broken.yaml")
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


def test_commands_that_errors_advise_can_be_run_as_they_stand(empty_house):
    """With the config that they are about, and the target where Snakemake does not take it for another config."""
    config = changed(empty_house, run="mine")
    plan = ("secateur", "plan", "--config", config)
    for command, pattern in [
        ((*plan, "--cost"), r"Make it first \((snakemake .*?)\)"),
        ((*plan, "--effect", "0.1"), r"Run a few seeds first \((snakemake .*?),"),
        (("secateur", "data", "pin", config), r"Make it first: (snakemake .*)"),
        (("secateur", "publish", "results/mine", "published/mine"), r"Finish it first: (snakemake .*)"),
    ]:
        done = empty_house.run(*command)
        advised = re.search(pattern, done.stderr)
        assert done.returncode == 2 and advised, done.stderr
        words = advised[1].split()
        if command[1] == "publish":  # a run that never began has left no config to name
            assert words[-1] == "config/mine.yaml"
            continue
        assert words[words.index("--configfile") + 1] == config and words[-1] == config
        dry = empty_house.run(*words, "--dry-run", "--quiet", "rules")
        assert dry.returncode == 0 and "dataset" in dry.stdout + dry.stderr, dry.stdout + dry.stderr


def test_an_architecture_of_ones_own_is_planned_and_a_broken_one_is_one_line(empty_house):
    source = empty_house.folder / "src/secateur/models/mine.py"
    small = (empty_house.folder / "src/secateur/models/small.py").read_text(encoding="utf-8")
    source.write_text(small.replace("def vgg_small(", "def mine(").replace("def vgg_bn_small(", "def mine_too("))
    backbone = {"architecture": "mine", "size": 16, "weights": {"pretrain": "digits_source"}}
    sizes = {"digits_target": {"sizes": {"train": 100, "test": 50, "classes": 5}}}
    config = changed(empty_house, backbones={"vgg_small": backbone}, datasets=sizes)
    for speed in ([], ["--macs-per-second", "1e9"]):
        done = empty_house.run("secateur", "plan", "--cost", "--config", config, *speed)
        assert done.returncode == 0 and "All studies: 0.00 to" in done.stdout, done.stderr
    source.write_text(
        source.read_text().replace("    return _small", '    raise ValueError("nothing\\nat all")\n    return _small')
    )
    done = empty_house.run("secateur", "plan", "--cost", "--config", config)
    last = done.stderr.strip().splitlines()[-1]
    assert (
        done.returncode == 2 and last.startswith("error: backbones: mine cannot be built") and "nothing at all" in last
    )


@pytest.mark.parametrize("name", ["my run", "", "a'b", 'a"b', "`touch evil`", "x; touch evil", "../up", "Big"])
def test_make_publish_refuses_what_is_no_runs_name(empty_house, name):
    done = empty_house.run("make", "publish", f"NAME={name}")
    assert done.returncode != 0 and f"error: NAME={name}: no run's name" in done.stderr
    assert not (empty_house.folder / "results").exists() and not (empty_house.folder / "evil").exists()
