"""Publishing copies a complete run whole, and refuses an incomplete one."""

from pathlib import Path

import pytest

from secateur.errors import SecateurError
from secateur.review.publishing import NETWORKS, PUBLISHED, publish


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A complete run, with what is not published beside it."""
    folder = tmp_path / "results" / "mine"
    for name in (*PUBLISHED, *NETWORKS, "logs"):
        if Path(name).suffix:
            (folder / name).write_text(name, encoding="utf-8")
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
