"""Secateur from its wheel, in an empty folder: the whole workflow, the same tables as from a checkout."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from environment import Environment, build_wheel
from house import TINY, House
from secateur.shipped import ROOT

pytestmark = pytest.mark.slow
TIMED = ("cost", "latency")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with everything that Secateur depends on, and Secateur from its wheel."""
    folder = tmp_path_factory.mktemp("installed")
    environment = Environment(folder / "environment", build_wheel(folder))
    environment.script("snakemake", "snakemake.cli")
    return environment


def test_the_workflow_runs_from_an_installed_package_and_gives_a_checkouts_tables(
    installed: Environment, house: House, tmp_path: Path
) -> None:
    assert installed.run("secateur", "init", "tiny", cwd=tmp_path).returncode == 0
    folder = tmp_path / "tiny"
    planned = installed.run("snakemake", "-n", cwd=folder)
    assert planned.returncode == 0 and "rank_lrp" in planned.stdout, planned.stdout + planned.stderr
    shutil.copy(ROOT / TINY, folder / "config.yaml")
    done = installed.run("snakemake", "--cores", "2", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    results, theirs = folder / "results/tiny", house.folder / "results/tiny"
    page = (results / "report.html").read_text(encoding="utf-8")
    assert "Secateur 0." in page and ", installed" in page
    tables = sorted(path.name for path in (results / "tables").glob("*.parquet"))
    assert tables == sorted(path.name for path in (theirs / "tables").glob("*.parquet"))
    for name in tables:
        if name.removesuffix(".parquet") not in TIMED:
            pd.testing.assert_frame_equal(
                pd.read_parquet(results / "tables" / name), pd.read_parquet(theirs / "tables" / name), check_exact=True
            )
    again = installed.run("snakemake", "--cores", "2", cwd=folder)
    assert "Nothing to be done" in again.stdout + again.stderr


def test_another_workflow_takes_it_in_as_a_module(tmp_path: Path) -> None:
    """Rules under a prefix, one of them the input of a rule of the other workflow."""
    house = House(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "Snakefile").write_text(
        f'configfile: "../{TINY}"\n\n'
        "module secateur:\n"
        '    snakefile: "../workflow/Snakefile"\n'
        "    config: config\n\n"
        "rule mine:\n"
        '    input: "results/tiny/toy/moons.parquet"\n'
        '    output: "size.txt"\n'
        '    shell: "wc -c {input} > {output}"\n\n'
        "use rule * from secateur as secateur_*\n"
    )
    house.folder = tmp_path / "mine"
    environment = {"PYTHONPATH": str(tmp_path / "src")}
    planned = house.run("snakemake", "-n", "--quiet", "rules", **environment)
    assert planned.returncode == 0 and "secateur_toy" in planned.stdout + planned.stderr
    done = house.run("snakemake", "--cores", "2", **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert int((tmp_path / "mine" / "size.txt").read_text().split()[0]) > 1000
    assert (tmp_path / "mine/results/tiny/config.json").exists()
    whole = house.run("snakemake", "secateur_all", "-n", "--quiet", "rules", **environment)
    assert "secateur_rank_lrp" in whole.stdout + whole.stderr
