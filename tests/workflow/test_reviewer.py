"""The reviewer's way: publish a run, clone, hold one's own run against it, pull what is large; without the internet."""

import functools
import http.server
import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from house import TINY, House
from secateur import layout, tablefile
from secateur.analysis import statistics
from secateur.files import read_json
from secateur.review import manifest

pytestmark = pytest.mark.slow
PUBLISHED = "published/tiny"
BLOCKED = """
import os, socket

def refuse(self, address, connect=socket.socket.connect):
    if self.family != socket.AF_UNIX:
        with open(os.environ["SEEN"], "a") as log:
            log.write(f"{address}\\n")
        raise OSError("no network here")
    return connect(self, address)

socket.socket.connect = refuse
"""
"""A sitecustomize.py: every process of Python that starts with it has no network, and says so when it wants some."""


def done(house: House, *command: str, **variables: str) -> str:
    """What a command, which must succeed, printed."""
    result = house.run(*command, **variables)
    assert result.returncode == 0, f"{' '.join(command)}\n{result.stdout}{result.stderr}"
    return result.stdout


def commit(house: House, message: str) -> None:
    done(house, "git", "add", "--all")
    done(house, "git", "-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "--quiet", "-m", message)


@pytest.fixture(scope="module")
def published(house: House, tmp_path_factory: pytest.TempPathFactory) -> House:
    """The house with its tiny run published by `make publish` to a folder, and committed."""
    shutil.copy(house.folder / TINY, house.folder / "config" / "tiny.yaml")
    page = house.folder / "dvc.yaml"
    page.write_text(
        page.read_text(encoding="utf-8").replace("published/published-networks", PUBLISHED), encoding="utf-8"
    )
    done(house, "git", "init", "--quiet", "--initial-branch=main")
    commit(house, "The code")
    remote = tmp_path_factory.mktemp("remote")
    (house.folder / "Makefile").touch()  # newer than what the environment, for which it stands here, is made from
    said = done(house, "make", "publish", "NAME=tiny", f"REMOTE={remote}", "ENVIRONMENT=Makefile", "RUN=")
    assert "git add published/tiny" in said and any(remote.rglob("*"))
    commit(house, "The run")
    return house


@pytest.fixture
def clone(published: House, tmp_path: Path) -> House:
    """A fresh clone, with nothing in DVC's cache."""
    done(published, "git", "clone", "--quiet", str(published.folder), str(tmp_path / "clone"))
    return House.at(tmp_path / "clone")


@pytest.fixture
def server(published: House) -> Iterator[str]:
    """Address of a static HTTP server of the remote's folder."""
    remote = done(published, "dvc", "config", "remote.published.url").strip()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=remote)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as found:
        threading.Thread(target=found.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{found.server_port}"
        found.shutdown()


def test_a_fresh_clone_finds_its_own_run_reproduced_without_dvc_and_without_remote(published, clone):
    done(clone, "dvc", "remote", "remove", "published")
    assert not (clone.folder / PUBLISHED / "figures").exists()
    said = done(clone, "secateur", "compare", PUBLISHED, str(published.folder / "results/tiny"))
    assert "identical: of" in said
    said = done(clone, "secateur", "published", "check", PUBLISHED, "--cells", "0")
    assert "not here, as they are large:" in said and "nothing speaks against it" in said
    shown = json.loads(done(clone, "dvc", "metrics", "show", "--json"))
    metrics = json.loads((published.folder / "results/tiny/statistics/metrics.json").read_text(encoding="utf-8"))
    assert next(iter(shown[""]["data"].values()))["data"] == metrics


def test_a_fresh_clone_pulls_what_is_large(published, clone):
    done(clone, "dvc", "pull", "--recursive", PUBLISHED)
    for name in ("report.html", "tables.tex", "provenance.json", "figures/captions.json", "tables/curves.parquet"):
        whole = (published.folder / "results/tiny" / name).read_bytes()
        assert (clone.folder / PUBLISHED / name).read_bytes() == whole, name


def test_what_was_pulled_is_not_taken_for_results_of_ones_own(clone):
    before = clone.planned()
    done(clone, "dvc", "pull", "--recursive", PUBLISHED)
    assert clone.planned() == before and before["backbone"] == before["report"] == 1


def test_a_static_web_server_will_do_as_remote(clone, server):
    done(clone, "dvc", "remote", "modify", "--local", "published", "url", server)
    done(clone, "dvc", "pull", "--recursive", PUBLISHED)
    assert (clone.folder / PUBLISHED / "figures" / "captions.json").exists()


def test_a_clone_without_remote_and_network_can_verify_its_data(clone, published, tmp_path):
    """And DVC asks nobody anything: no analytics, no look for updates."""
    done(clone, "dvc", "remote", "remove", "published")
    (tmp_path / "blocked").mkdir()
    (tmp_path / "blocked" / "sitecustomize.py").write_text(BLOCKED, encoding="utf-8")
    offline = {"PYTHONPATH": f"{tmp_path / 'blocked'}:{clone.folder / 'src'}", "SEEN": str(tmp_path / "seen")}
    wanted = clone.run("python", "-c", "import socket; socket.create_connection(('192.0.2.1', 80))", **offline)
    assert "no network here" in wanted.stderr and (tmp_path / "seen").exists()
    (tmp_path / "seen").unlink()
    shutil.copytree(published.folder / "data", clone.folder / "data")
    assert "moons: as pinned" in done(clone, "secateur", "data", "verify", "config/tiny.yaml", **offline)
    done(clone, "dvc", "status", **offline)
    done(clone, "dvc", "metrics", "show", **offline)
    done(clone, "dvc", "plots", "diff", "HEAD", "--json", **offline)
    assert not (tmp_path / "seen").exists(), (tmp_path / "seen").read_text(encoding="utf-8")


def test_a_published_run_is_measured_again_from_the_data_and_a_forged_one_refused(published, tmp_path, monkeypatch):
    """The forger has written list, CSV and statistics anew around one more image right in every pruned network."""
    said = done(published, "secateur", "published", "check", PUBLISHED, "--cells", "6", "--seed", "1")
    assert "nothing speaks against it" in said and said.count("as published to the digit") >= 4
    forged = Path(shutil.copytree(published.folder / PUBLISHED, tmp_path / "forged"))
    config = read_json(forged / "config.json")
    curves = tablefile.read(forged / "tables" / "curves.parquet")
    room = (curves["rate"] > 0) & (curves["accuracy"] < 1)
    curves.loc[room, "accuracy"] += 1 / curves.loc[room, "test_samples"]
    tablefile.write(forged / "tables" / "curves.parquet", curves)
    curves.to_csv(forged / "tables" / "curves.csv", index=False)
    shutil.rmtree(forged / "statistics")
    scores, drawn = ([forged / path for path in paths(config)] for paths in (layout.rankings, layout.redraws))
    monkeypatch.chdir(published.folder)  # where the data are, which one of the statistics is about
    statistics.run(forged / "tables", forged / "statistics", config, rankings=scores, redraws=drawn)
    manifest.write(forged)
    kept = published.run("secateur", "published", "check", str(forged), "--cells", "0")
    assert kept.returncode == 0, kept.stdout
    refused = published.run("secateur", "published", "check", str(forged), "--cells", "6", "--seed", "1")
    assert refused.returncode == 1 and "on this machine it must be the same" in refused.stdout, refused.stdout


def test_a_criterion_joins_a_published_run_and_is_measured_as_its_own_were(published):
    """The criterion is a copy of one that the run has, so every number of it must be that one's."""
    mine = published.folder / "criteria" / "mine.py"
    mine.parent.mkdir(exist_ok=True)
    shutil.copyfile(published.folder / "src/secateur/criteria/lrp.py", mine)
    done(published, "secateur", "publish", "results/tiny", "published/networks", "--networks")
    with_networks = done(published, "secateur", "join", "mine", "--with", "published/networks")
    folder = published.folder / "results/tiny_with_mine"
    curves = tablefile.read(folder / "tables/curves.parquet")
    keys = ["study", "branch", "remedy", "choice", "shuffle", "seed", "samples_per_class", "rate"]
    own, theirs = (
        curves[(curves["criterion"] == name) & (curves["control"] == "")].set_index(keys).sort_index()
        for name in ("mine", "lrp")
    )
    pd.testing.assert_frame_equal(own.drop(columns="criterion"), theirs.drop(columns="criterion"), check_exact=True)
    tests = pd.read_csv(folder / "statistics/tests.csv")
    pair = tests[(tests["criterion"] == "lrp") & (tests["other"] == "mine")]
    assert len(pair) and (pair["mean_difference"] == 0).all()
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "mine" in page and "it joined the published run published/networks" in page
    assert "models" in str(list((folder / "models").rglob("*"))) and with_networks == ""
    shutil.rmtree(folder)
    done(published, "secateur", "join", "mine", "--with", PUBLISHED)  # without networks they are made again, the same
    assert tablefile.read(folder / "tables/curves.parquet").equals(curves)


def test_joining_what_does_not_fit_is_one_clear_error(published):
    for criterion, folder, words in [
        ("lrp", PUBLISHED, "criterion 'lrp' is in published/tiny already"),
        ("nothing", PUBLISHED, "unknown criterion 'nothing'"),
        ("mine", "published/nowhere", "no published run: manifest.json is not there"),
    ]:
        refused = published.run("secateur", "join", criterion, "--with", folder)
        assert refused.returncode == 2 and words in refused.stderr, refused.stderr
        assert refused.stderr.count("error:") == 1 and "Traceback" not in refused.stderr


def test_a_crate_unpacks_and_runs_again_to_the_same(published, tmp_path):
    done(published, "secateur", "crate", "results/tiny", "--output", str(tmp_path / "tiny.crate.zip"))
    shutil.unpack_archive(tmp_path / "tiny.crate.zip", tmp_path / "again")
    again = House.at(tmp_path / "again")
    packed = {"PYTHONPATH": str(published.folder / "src")}
    ran = again.run("snakemake", "--cores", "2", **packed)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    said = again.run("secateur", "compare", PUBLISHED, "results/tiny", **packed)
    assert said.returncode == 0 and "identical: of" in said.stdout, said.stdout
    path = again.folder / "Snakefile"
    path.write_text(
        path.read_text(encoding="utf-8").replace('__version__ != "', '__version__ != "9.'), encoding="utf-8"
    )
    refused = again.run("snakemake", "-n", **packed)
    assert refused.returncode != 0 and "this crate was made by Secateur" in refused.stdout + refused.stderr


def test_two_commits_are_compared_and_a_worse_run_is_not_reproduced(published):
    """Run last: it publishes another run."""
    results = published.folder / "results/tiny"
    worse = published.folder / "results/worse"
    shutil.copytree(results, worse)
    curves = pd.read_parquet(worse / "tables/curves.parquet")
    curves.loc[curves["criterion"] == "lrp", "test_samples"] += 1
    curves.to_parquet(worse / "tables/curves.parquet")
    metrics = json.loads((worse / "statistics/metrics.json").read_text(encoding="utf-8"))
    metrics["mean_accuracy_over_rate"]["digits_vgg"]["retrain"] = {"4": {"lrp": 0.123}}
    (worse / "statistics/metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    found = published.run("secateur", "compare", "results/tiny", "results/worse")
    assert found.returncode == 1 and "test_samples" in found.stdout, found.stdout + found.stderr
    done(published, "secateur", "publish", "results/worse", PUBLISHED)
    done(published, "dvc", "add", "--quiet", *done(published, "secateur", "published", "large", PUBLISHED).split())
    commit(published, "A worse run")
    changed = json.loads(done(published, "dvc", "metrics", "diff", "HEAD~1", "HEAD", "--json"))
    (numbers,) = changed.values()
    assert numbers["mean_accuracy_over_rate.digits_vgg.retrain.4.lrp"]["new"] == 0.123
    drawn = json.loads(done(published, "dvc", "plots", "diff", "HEAD~1", "HEAD", "--json"))
    (plot,) = drawn["data"].values()
    assert set(plot[0]["revisions"]) == {"HEAD~1", "HEAD"} and plot[0]["content"]["facet"]["column"]["field"] == (
        "criterion"
    )
    shutil.rmtree(worse)
