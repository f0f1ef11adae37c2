"""Figures: complete, the same bytes every time, one colour per criterion, readable captions."""

import collections
import json
import re
import subprocess
import sys

import pytest

import synthetic
from secateur.analysis import statistics
from secateur.errors import SecateurError
from secateur.report import figures, style


def captions(run) -> list[dict]:
    return json.loads((run / "figures/captions.json").read_text())


def test_every_section_is_drawn_and_nothing_else_lies_there(run):
    entries = captions(run)
    assert {entry["file"] for entry in entries} == {path.name for path in (run / "figures").glob("*.svg")}
    count = collections.Counter(entry["section"] for entry in entries)
    three = dict.fromkeys(("curve", "macs", "params", "worst", "effects", "pairs", "ranks"), 3)
    assert count == three | {"profile": 1, "grid": 1, "agreement": 1, "cost": 1, "boundary": 1, "toy": 8,
                             "maps": 1, "wrong": 1, "workflow": 1}  # fmt: skip


def test_captions_say_n_and_what_the_bands_are(run):
    for entry in captions(run):
        words = entry["caption"]
        if entry["section"] == "toy" and entry["title"] not in ("moons", "circles", "spirals"):
            continue  # several sets at once: n stands beside each set's own figure
        assert re.search(r"n = \d|over \d+ seed|over \d+ seeds", words), entry["file"]
        if entry["section"] in ("curve", "macs", "params", "worst"):
            assert "bands: smallest to largest seed" in words and "2,000 test images" in words
        if entry["section"] == "effects":
            assert "exact 95 % interval" in words and ", lrp and lrp_epsilon keep than each other" in words


@pytest.mark.slow
def test_the_same_tables_give_the_same_bytes_in_another_process(run, tmp_path):
    code = "import sys; from secateur.report import figures; figures.run(*sys.argv[1:])"
    arguments = [str(run / "tables"), str(run / "statistics"), str(tmp_path / "again"), str(run / "toy"),
                 str(run / "gallery"), str(run / "results/synthetic/workflow.json")]  # fmt: skip
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, timeout=120)
    for path in (run / "figures").iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes(), path.name


def test_figures_of_an_earlier_run_are_removed(tmp_path):
    tables = synthetic.write(tmp_path, curves=synthetic.curves(samples=("1",), seeds=2, branches=("fewshot",)))
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures/old.svg").write_text("<svg/>")
    statistics.run(tables, tmp_path / "statistics", {})
    figures.run(tables, tmp_path / "statistics", tmp_path / "figures")
    assert not (tmp_path / "figures/old.svg").exists()
    assert {entry["section"] for entry in captions(tmp_path)} == {
        "curve",
        "macs",
        "params",
        "worst",
        "effects",
        "pairs",
    }


def test_a_run_without_any_criterion_of_the_claims_is_drawn(tmp_path):
    criteria = {"weight": 0.0, "random": -0.1}
    curves = synthetic.curves(criteria, samples=("1",), seeds=2, branches=("fewshot",))
    tables = synthetic.write(tmp_path, curves=curves)
    statistics.run(tables, tmp_path / "statistics", {})
    figures.run(tables, tmp_path / "statistics", tmp_path / "figures")
    (effects,) = (entry["caption"] for entry in captions(tmp_path) if entry["section"] == "effects")
    assert ", random keeps than each other" in effects or ", weight keeps than each other" in effects
    assert "LRP" not in effects


def test_a_criterion_has_one_colour_in_every_figure(run):
    colour = style.read("report/style.yaml", ["lrp", "weight"]).colours["lrp"].lower()
    for entry in captions(run):
        if entry["section"] in ("curve", "macs", "worst", "effects", "ranks", "cost"):
            assert colour in (run / "figures" / entry["file"]).read_text(), entry["file"]


def test_missing_statistics_are_an_error(run, tmp_path):
    with pytest.raises(SecateurError, match=r"measures\.csv: not a readable CSV table"):
        figures.run(run / "tables", tmp_path, tmp_path / "figures")


def test_many_criteria_stay_apart():
    look = style.read("report/style.yaml", [f"criterion{index:02}" for index in range(20)] + ["lrp", "random"])
    assert len({(look.colours[name], look.dashes[name]) for name in look.colours}) == 22
    assert list(look.colours)[:2] == ["lrp", "random"]


def test_a_criterion_keeps_its_colour_when_others_are_missing():
    alone = style.read("report/style.yaml", ["taylor"])
    assert alone.colours["taylor"] == style.read("report/style.yaml", ["lrp", "taylor", "zzz"]).colours["taylor"]


def test_studies_whose_names_become_the_same_file_name_both_keep_their_figures(tmp_path):
    curves = synthetic.curves(studies=("digits_vgg", "digits-vgg"), samples=("1",), seeds=2, branches=("fewshot",))
    tables = synthetic.write(tmp_path, curves=curves)
    statistics.run(tables, tmp_path / "statistics", {})
    figures.run(tables, tmp_path / "statistics", tmp_path / "figures")
    drawn = [entry for entry in captions(tmp_path) if entry["section"] == "curve"]
    assert {entry["study"] for entry in drawn} == {"digits_vgg", "digits-vgg"}
    assert {entry["file"] for entry in drawn} == {"curve_digits-vgg_fewshot_1.svg", "curve_digits-vgg_fewshot_1-2.svg"}


@pytest.mark.parametrize(
    ("parts", "expected"),
    [(("curve", "Scene 15/ResNet", "1"), "curve_scene-15-resnet_1"), (("../..", "ä"), "x_x"), (("a.b",), "a.b")],
)
def test_file_names_are_safe(parts, expected):
    assert style.slug(*parts) == expected


def test_a_broken_style_is_an_error(tmp_path):
    (tmp_path / "style.yaml").write_text("criteria: {}")
    with pytest.raises(SecateurError, match="needs the keys criteria, others, ink, line and card"):
        style.read(tmp_path / "style.yaml", ["lrp"])


def test_a_partial_report_may_lack_the_criteria_of_the_claims(tmp_path):
    criteria = {name: gain for name, gain in synthetic.CRITERIA.items() if not name.startswith("lrp")}
    tables = synthetic.write(
        tmp_path, curves=synthetic.curves(samples=("1",), criteria=criteria, branches=("fewshot",))
    )
    statistics.run(tables, tmp_path / "statistics", {})
    figures.run(tables, tmp_path / "statistics", tmp_path / "figures")
    assert "effects" in {entry["section"] for entry in captions(tmp_path)}
