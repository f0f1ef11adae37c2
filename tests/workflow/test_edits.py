"""Edits of sources, in the real DAG: what is planned, and what becomes of a run during which they happen."""

import shutil
import sys

import pytest

import faults
import faults_sources
from house import House

pytestmark = pytest.mark.slow


MEASURED = f"{faults.RESULTS}/unpruned/digits_vgg/0-1.parquet"
"""Made of data, images, a backbone and the models of a study."""


def planned_after(house: House, *names: str) -> set[str]:
    """Rules that run again after an edit of sources, which is undone."""
    texts = {house.folder / "src/secateur" / name: "" for name in names}
    for path in texts:
        texts[path] = path.read_text(encoding="utf-8")
        path.write_text(f"{texts[path]}\n# edited\n", encoding="utf-8")
    planned = house.planned()
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
    return {"rank" if rule.startswith("rank_") else rule for rule in planned}


PAGE = {"collect", "statistics", "figures", "report", "all"}
AFTER_RANKING = {"fewshot", "grid", "gallery", "latency", *PAGE}


@pytest.mark.parametrize(
    ("name", "first", "then"),
    [
        ("branches/ranking.py", {"rank", "redraw", "retrain"}, AFTER_RANKING),
        ("pruning/scores.py", {"rank", "redraw", "retrain", "toy"}, AFTER_RANKING),
        ("models/profiling.py", {"cost", "latency"}, PAGE),
        ("analysis/sentences.py", {"statistics"}, {"figures", "report", "all"}),
        ("report/page.py", {"report"}, {"all"}),
    ],
)
def test_an_edit_plans_what_depends_on_it_and_nothing_else(house, name, first, then):
    planned = planned_after(house, name)
    assert first <= planned <= first | then | {"repair", "decompose", "retrain_unpruned"}


UNUSED = ("report/serve.py", "data/fetching.py", "criteria/taylor.py", "models/alexnet.py", "cli/planning.py")


def test_edits_of_what_no_stage_uses_and_unused_sources_of_ones_own_rerun_nothing(house):
    """All at once: the hash of a stage's sources is of each of them, so none of these is in any."""
    own = house.folder / "src/secateur/models/mine.py"
    own.write_text(
        "from timm.models import register_model\n\n\n@register_model\ndef mine(pretrained=False, **arguments):\n"
        "    raise RuntimeError\n",
        encoding="utf-8",
    )
    criterion = house.folder / "src/secateur/criteria/mine.py"
    shutil.copy(house.folder / "src/secateur/criteria/weight.py", criterion)
    assert planned_after(house, *UNUSED) == set()
    own.unlink()
    criterion.unlink()


def test_an_edit_during_a_run_that_is_put_back_leaves_no_wrong_result(own_house, tmp_path_factory):
    """Of a stage that the warm process has not loaded, of one that it has, and without it."""
    log, undisturbed = tmp_path_factory.mktemp("log") / "log", faults.undisturbed(own_house)
    faults_sources.edited_during_runs(own_house, undisturbed, ["report"], False, log)
    faults_sources.edited_during_runs(own_house, undisturbed, ["report", "unpruned"], True, log)


def test_on_one_core_in_another_folder_without_the_warm_process_every_stage_gives_the_same_bytes(house, empty_house):
    faults_sources.without_the_warm_process(house, empty_house, whole=False)


def test_clones_that_share_data_wait_for_each_other(empty_house, house, tmp_path_factory):
    other = House(tmp_path_factory.mktemp("other"))
    folder = tmp_path_factory.mktemp("logs")
    logs = folder / "first", folder / "second"
    faults_sources.clones_share_data(empty_house, other, faults.undisturbed(house), logs)


def test_the_environment_of_another_clone_is_refused(house, empty_house):
    faults_sources.another_clones_environment(empty_house, house)


@pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")
def test_a_warm_process_that_dies_is_replaced(empty_house, house, tmp_path):
    faults_sources.server_killed(empty_house, faults.undisturbed(house, MEASURED), tmp_path / "log")
