"""The ways in for a criterion, in the real DAG: a rule in another language, and an installed package."""

import importlib.util
import shutil
import subprocess
import sys

import pandas as pd
import pytest
import yaml

from house import TINY, House

pytestmark = pytest.mark.slow
RESULTS = "results/ways_in"
PACKAGE = {
    "pyproject.toml": (
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n\n'
        '[project]\nname = "sharper-shears"\nversion = "1.0"\n\n'
        '[project.entry-points."secateur.criteria"]\nbias_size = "sharper_shears.bias_size"\n\n'
        '[tool.setuptools]\npackages = ["sharper_shears"]\n'
    ),
    "sharper_shears/__init__.py": "",
    "sharper_shears/bias_size.py": (
        '"""Bias: the absolute bias of a filter, batch-norm included."""\n\nfrom . import shared\n\nNEEDS = ()\n\n\n'
        "def score(network):\n    return {layer: shared.size(network.bias(layer)) for layer in network.layers}\n"
    ),
    "sharper_shears/shared.py": "def size(values):\n    return values.abs().double()\n",
}


def install(folder, target) -> None:
    """Build a package of somebody else's and install it to a folder, by whichever installer there is."""
    for name, text in PACKAGE.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    if importlib.util.find_spec("pip"):
        command = [sys.executable, "-m", "pip", "install"]
    elif shutil.which("uv"):
        command = ["uv", "pip", "install", "--python", sys.executable, "--offline"]
    else:
        pytest.skip("neither pip nor uv is here to install a package with")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--target", str(target), str(folder)]
    done = subprocess.run([*command, *options], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> House:
    """A house in which a run with a Perl rule, a package's criterion, the oracle and a tuned one is complete."""
    if shutil.which("perl") is None:
        pytest.skip("no Perl on this machine")
    made = House(tmp_path_factory.mktemp("house"))
    installed = tmp_path_factory.mktemp("installed")
    install(tmp_path_factory.mktemp("package"), installed)
    made.packages = (installed,)
    mine = made.folder / "workflow/rules/criteria"
    mine.mkdir()
    shutil.move(made.folder / "examples/taylor_perl.smk", mine)
    config = yaml.safe_load((made.folder / TINY).read_text(encoding="utf-8"))
    for key in ("toy", "latency"):
        config.pop(key, None)
    del config["fewshot"]["grid"]
    tune = {"trials": 2, "images_per_class": 2, "rates": [0.5], "options": {"of": ["loss", "logit"]}}
    tuned = {"name": "taylor_tuned", "criterion": "taylor", "tune": tune}
    config |= {"run": "ways_in", "criteria": ["taylor", "taylor_perl", "bias_size", "oracle", tuned]}
    (made.folder / "ways_in.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    done = made.snakemake(config="ways_in.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    return made


def table(house: House, name: str) -> pd.DataFrame:
    return pd.read_parquet(house.folder / RESULTS / "tables" / f"{name}.parquet")


def test_a_rule_in_another_language_ranks_in_both_branches(house):
    """Perl works out what the built-in criterion does: every curve is the same."""
    curves = table(house, "curves").set_index(["branch", "seed", "samples_per_class", "rate"])
    perl, built_in = (curves[curves["criterion"] == name] for name in ("taylor_perl", "taylor"))
    assert {branch for branch, *_ in perl.index} == {"fewshot", "retrain"}
    assert perl["loss"].equals(built_in["loss"]) and perl["units_removed"].equals(built_in["units_removed"])
    assert "taylor_perl" not in set(table(house, "cost")["criterion"])
    cases = house.folder / RESULTS / "cases/digits_vgg"
    assert sorted(path.name for path in cases.iterdir()) == ["0-1", "0-2", "1-1", "1-2"]
    checked = house.run("secateur", "scores", "check", str(cases / "0-1" / "taylor_perl.csv"))
    assert checked.returncode == 0 and "304 scores in 6 layers" in checked.stdout


def test_editing_the_program_reruns_the_rule_and_both_branches(house):
    assert "Nothing to be done" in (done := house.snakemake(config="ways_in.yaml")).stdout + done.stderr
    script = house.folder / "examples/taylor.pl"
    script.write_text(script.read_text(encoding="utf-8") + "\n# edited\n", encoding="utf-8")
    planned = house.planned("ways_in.yaml")
    assert planned["taylor_perl"] == planned["case_signals"] == 4
    assert planned["rank_taylor_perl"] == planned["fewshot"] == planned["retrain"] == 1


def test_an_installed_package_is_found_by_its_entry_point(house):
    curves = table(house, "curves")
    assert set(curves[curves["criterion"] == "bias_size"]["branch"]) == {"fewshot", "retrain"}
    listed = house.run("secateur", "criteria").stdout
    assert "source: package sharper_shears.bias_size" in listed
    assert "taylor_perl\n  Taylor in Perl" in listed and "source: rule" in listed
    house.packages = ()
    done = house.snakemake("--dry-run", config="ways_in.yaml")
    assert done.returncode != 0 and "unknown criterion 'bias_size'" in done.stdout + done.stderr


def test_the_report_shows_the_oracle_the_choices_and_what_a_search_has_seen(house):
    oracle = pd.read_csv(house.folder / RESULTS / "statistics/oracle.csv")
    assert set(oracle["criterion"]) == {"taylor", "taylor_perl", "bias_size", "taylor_tuned"}
    assert oracle["spearman"].between(-1, 1).all() and set(oracle["seeds"]) == {2}
    taylors = oracle[oracle["criterion"].isin(["taylor", "taylor_perl"])].groupby("samples_per_class")["spearman"]
    assert (taylors.max() - taylors.min() < 1e-9).all()
    choices = pd.read_csv(house.folder / RESULTS / "statistics/choices.csv")
    assert set(choices["variant"]) == {"taylor_tuned"} and set(choices["branch"]) == {"fewshot", "retrain"}
    assert table(house, "tuning")["images"].tolist() == [10, 10]
    page = (house.folder / RESULTS / "report.html").read_text(encoding="utf-8")
    for id in ("oracle-table", "choices-table", "tuning-table"):
        assert f'<details class="table" id="{id}" open>' in page
