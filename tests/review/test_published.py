"""A published run is accepted as it is; with one number, file or seed forged it is refused, whatever is rewritten."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

import published_run as drawn
from secateur.cli.commands import app
from secateur.errors import SecateurError
from secateur.files import read_json, write_json
from secateur.review import checking, manifest
from secateur.review.comparison import compare
from secateur.review.finding import HOLDS, REFUSED, UNCHECKED


def against(folder: Path) -> dict[str, list[str]]:
    """Subject → what is found against the run there."""
    found: dict[str, list[str]] = {}
    for one in checking.kept(folder, 1e-5):
        if one.state == REFUSED:
            found.setdefault(one.what, []).append(one.said)
    return found


def test_an_honest_run_is_accepted_and_says_by_what_it_was_made(folder):
    found = checking.kept(folder, 1e-5)
    assert {one.state for one in found} == {HOLDS}
    assert {one.what for one in found} == {
        "files", "version", "config", "hashes", "data", "tables", "seeds", "numbers", "statistics"
    }  # fmt: skip


LARGE = ["figures", "report.html", "statistics/tests.csv", "tables/curves.csv"]


def clone(folder: Path, large: list[str]) -> None:
    """Leave the folder as a clone has it whose large files nobody has pulled."""
    manifest.write(folder, large)
    for name in large:
        (folder / f"{name}.dvc").write_text("outs:")
        (folder / name).unlink() if (folder / name).is_file() else shutil.rmtree(folder / name)


@pytest.mark.slow
def test_a_clone_without_what_is_large_is_accepted_and_says_what_it_is_without(folder, made):
    clone(folder, LARGE)
    found = checking.kept(folder, 1e-5)
    assert {one.state for one in found} == {HOLDS, UNCHECKED}
    (away,) = (one.said for one in found if one.state == UNCHECKED)
    assert away.startswith("not here, as they are large: 4 files of figures, report.html, statistics/tests.csv, tab")
    same = compare(folder, made / "published")
    assert same.outcome == "identical" and "statistics/tests.csv" in same.notes[0]
    assert compare(made / "published", folder).outcome == "identical"


@pytest.mark.slow
def test_what_is_large_and_here_is_held_to_the_list_as_everything_is(folder):
    manifest.write(folder, LARGE)
    (folder / "figures" / "curve.svg").write_text("<svg>other</svg>")
    assert against(folder)["files"] == ["figures/curve.svg: not the file that was published (its SHA-256 is another)"]


@pytest.mark.parametrize("name", ["rankings", "samples", "provenance.json", "tables/curves.parquet"])
def test_what_a_check_rests_on_cannot_be_called_large(folder, name):
    clone(folder, [name])
    with pytest.raises(SecateurError, match=r"not a whole run, without|no table of curves"):
        checking.kept(folder, 1e-5)


@pytest.mark.slow
def test_one_changed_number_does_not_fit_the_list_of_files(folder):
    text = (folder / "statistics" / "intervals.csv").read_text()
    (folder / "statistics" / "intervals.csv").write_text(text.replace(",3,", ",4,", 1))
    assert "statistics/intervals.csv: not the file" in against(folder)["files"][0]


@pytest.mark.slow
def test_one_changed_number_with_a_new_list_does_not_fit_the_statistics(folder):
    drawn.forge(folder, drawn.some_row(folder), 0.7, restated=False)
    assert set(against(folder)) == {"statistics"}


@pytest.mark.slow
def test_one_changed_number_with_new_statistics_is_no_whole_number_of_images(folder):
    row = drawn.some_row(folder)
    drawn.forge(folder, row, drawn.curves(folder).loc[row, "accuracy"] + 0.0301234, restated=True)
    (said,) = against(folder)["numbers"]
    assert "no whole number of test images" in said and "criterion lrp, seed 1" in said


@pytest.mark.slow
def test_a_statistic_that_the_tables_do_not_give_is_refused(folder):
    path = folder / "statistics" / "verdicts.csv"
    path.write_text(path.read_text().replace("undecided", "supported", 1))
    drawn.relist(folder)
    assert against(folder)["statistics"][0].startswith("statistics/verdicts.csv: other values")


@pytest.mark.slow
def test_an_exchanged_file_is_refused_whichever_it_is(folder, made):
    (folder / "report.html").write_text("the page of another run")
    drawn.relist(folder)
    assert "the page of another run" in against(folder)["config"][0]
    shutil.copyfile(made / "published" / "report.html", folder / "report.html")
    scores = folder / "rankings" / drawn.STUDY
    shutil.copyfile(scores / "weight" / "0-2.safetensors", scores / "lrp" / "0-2.safetensors")
    drawn.relist(folder)
    assert f"rankings {drawn.STUDY}/lrp" in against(folder)["hashes"][0]


def test_a_changed_score_is_refused_though_its_header_is_as_it_was(folder):
    path = folder / "rankings" / drawn.STUDY / "lrp" / "0-2.safetensors"
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    drawn.relist(folder)
    assert "damaged, tensor" in against(folder)["hashes"][0]


def test_an_omitted_seed_is_refused_whatever_is_rewritten(folder):
    curves = drawn.curves(folder)
    drawn.write_table(folder, curves[curves["seed"] < 2])
    drawn.restate(folder, drawn.config())
    drawn.relist(folder)
    assert "without seed 2; the config has 3" in against(folder)["seeds"][0]
    config = read_json(folder / "config.json") | {"seeds": 2}
    write_json(folder / "config.json", config)
    drawn.relist(folder)
    assert "its hash is" in against(folder)["config"][0]
    known = read_json(folder / "provenance.json")
    hashed = hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:12]
    write_json(folder / "provenance.json", known | {"config_hash": hashed})
    (folder / "report.html").write_text(hashed)
    drawn.relist(folder)
    assert f"its config makes {drawn.STUDY}/0-1" in against(folder)["hashes"][0]


def test_an_omitted_criterion_and_a_rate_are_named(folder):
    curves = drawn.curves(folder)
    drawn.write_table(folder, curves[~((curves["criterion"] == "random") & (curves["rate"] == 0.8))])
    drawn.relist(folder)
    assert any("random, 10, 0.8, which the config asks for" in said for said in against(folder)["seeds"])


@pytest.mark.slow
def test_other_data_are_refused_and_absent_ones_left_open(folder):
    path = Path("data/prepared/digits_target/vgg_small-16px-grey/.checksums.json")
    path.write_text("other images")
    assert "digits_target/vgg_small-16px-grey: made from" in against(folder)["data"][0]
    path.unlink()
    found = checking.kept(folder, 1e-5)
    assert [one.state for one in found if one.what == "data"].count(UNCHECKED) == 1
    assert not any(one.state == REFUSED for one in found)


@pytest.mark.slow
def test_what_statistics_say_of_data_is_held_to_the_data_where_they_are(folder):
    about = Path("data/prepared/digits_target/vgg_small-16px-grey/dataset.json")
    said = folder / "statistics" / "datasets.csv"
    header = said.read_text().splitlines()[0]
    said.write_text(f"{header}\n{drawn.STUDY},digits_target,5,400,448,0.2\n")
    drawn.relist(folder)
    assert not against(folder)  # there are no data here that could say otherwise
    sizes = {"train": [80] * 5, "test": [448, 0, 0, 0, 0]}
    write_json(about, {"classes": list("56789"), "class_sizes": sizes})
    assert not against(folder)
    write_json(about, {"classes": list("5678"), "class_sizes": sizes})
    assert "datasets.csv: other values" in against(folder)["statistics"][0]


def test_what_is_no_published_run_is_one_clear_error(folder, tmp_path):
    with pytest.raises(SecateurError, match=r"no published run: manifest\.json is not there\. Name a folder"):
        checking.kept(tmp_path / "nowhere", 1e-5)
    (folder / "manifest.json").write_text("[]")
    with pytest.raises(SecateurError, match=r"manifest\.json: no list of files"):
        checking.kept(folder, 1e-5)
    config = read_json(folder / "config.json")
    for broken in (config | {"seeds": "many"}, config | {"criteria": ["lrp"]}, []):
        write_json(folder / "config.json", broken)
        drawn.relist(folder)
        with pytest.raises(SecateurError, match=r"config\.json: not the config"):
            checking.kept(folder, 1e-5)
    shutil.rmtree(folder / "rankings")
    drawn.relist(folder)
    with pytest.raises(SecateurError, match="not a whole run, without rankings"):
        checking.kept(folder, 1e-5)


@pytest.mark.slow
def test_the_commands_exit_code_says_it(folder):
    done = CliRunner().invoke(app, ["published", "check", str(folder), "--cells", "0"])
    assert done.exit_code == 0 and "nothing speaks against it" in done.output, done.output
    (folder / "tables.tex").write_text("other")
    done = CliRunner().invoke(app, ["published", "check", str(folder), "--cells", "0"])
    assert done.exit_code == 1 and "REFUSED files:" in done.output, done.output
