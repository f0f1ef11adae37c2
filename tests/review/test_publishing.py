"""Publishing copies a complete run whole, and refuses an incomplete one."""

from pathlib import Path

import pytest

from secateur.errors import SecateurError
from secateur.files import read_json, write_json
from secateur.provenance import config_hash
from secateur.review import manifest, publishing
from secateur.review.publishing import NETWORKS, PUBLISHED, publish


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A complete run, with what is not published beside it."""
    folder = tmp_path / "results" / "mine"
    for name in (*PUBLISHED, *NETWORKS, "logs"):
        if Path(name).suffix:
            (folder / name).write_text("{}" if name.endswith(".json") else name, encoding="utf-8")
        else:
            (folder / name).mkdir(parents=True)
            (folder / name / "part.csv").write_text(name, encoding="utf-8")
            (folder / name / ".snakemake_timestamp").touch()
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_run_is_copied_without_its_models_and_the_workflows_marks(results, tmp_path):
    found = publish(results, tmp_path / "published" / "mine")
    copied = [name if Path(name).suffix else f"{name}/part.csv" for name in PUBLISHED]
    expected = sorted([*copied, "claims.yaml", "manifest.json"])
    assert names(tmp_path / "published" / "mine") == expected and found == len(expected)


def test_the_networks_go_with_it_where_they_are_asked_for(results, tmp_path):
    publish(results, tmp_path / "published", networks=True)
    assert {f"{name}/part.csv" for name in NETWORKS} < set(names(tmp_path / "published"))


def test_publishing_again_replaces_all_of_it(results, tmp_path):
    target = tmp_path / "published" / "mine"
    publish(results, target)
    (target / "figures" / "old.svg").touch()
    publish(results, target)
    assert "figures/old.svg" not in names(target) and [path.name for path in target.parent.iterdir()] == ["mine"]


def test_an_incomplete_run_is_refused_and_the_earlier_copy_stays(results, tmp_path):
    target = tmp_path / "published" / "mine"
    publish(results, target)
    before = names(target)
    (results / "report.html").unlink()
    with pytest.raises(SecateurError, match=r"without report\.html.*--configfile .*mine/config\.json"):
        publish(results, target)
    assert names(target) == before


def test_figures_and_networks_are_large_and_a_page_and_numbers_beyond_their_limits(results, tmp_path, monkeypatch):
    """What goes first are copies of tables as CSV, then the largest statistics, until the rest is within the limit."""
    sizes = {"tables/curves.csv": 500, "tables/curves.parquet": 100, "statistics/agreement.csv": 400,
             "statistics/tests.csv": 300, "statistics/measures.csv": 900}  # fmt: skip
    for name, size in sizes.items():
        (results / name).write_bytes(b"x" * size)
    for part in ("tables", "statistics"):
        (results / part / "part.csv").unlink()
    publish(results, tmp_path / "all", networks=True)
    assert manifest.large(tmp_path / "all") == sorted(["figures", *NETWORKS])
    monkeypatch.setattr(publishing, "MOST_NUMBERS", 1500)
    monkeypatch.setattr(publishing, "MOST_PAGE", 5)
    publish(results, tmp_path / "part")
    assert manifest.large(tmp_path / "part") == [
        "figures",
        "report.html",
        "statistics/agreement.csv",
        "tables/curves.csv",
    ]
    monkeypatch.setattr(publishing, "MOST_NUMBERS", 0)
    publish(results, tmp_path / "least")
    kept = {name for name in sizes if name not in manifest.large(tmp_path / "least")}
    assert kept == {"tables/curves.parquet", "statistics/measures.csv"}


def test_where_archives_lay_is_not_published_and_the_hashes_follow(results, tmp_path):
    config = {"run": "mine", "mirror": "/home/me/archives"}
    write_json(results / "config.json", config)
    write_json(results / "provenance.json", {"config_hash": config_hash(config), "commit": "abc"})
    (results / "report.html").write_text(f"run: mine\nmirror: /home/me/archives\nhash {config_hash(config)}")
    publish(results, tmp_path / "published")
    assert read_json(tmp_path / "published" / "config.json") == {"run": "mine"}
    after = config_hash({"run": "mine"})
    assert read_json(tmp_path / "published" / "provenance.json") == {"config_hash": after, "commit": "abc"}
    assert (tmp_path / "published" / "report.html").read_text() == f"run: mine\nhash {after}"
    assert read_json(results / "config.json") == config
