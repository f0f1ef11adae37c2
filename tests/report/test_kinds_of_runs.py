"""Runs of every shape: the page's first table and sentences say what the tables say, every link has its target."""

import html as entities
import re
from pathlib import Path

import pandas as pd
import pytest
from tests.tiers import rows

import synthetic
from chain import PROVENANCE
from secateur.analysis import statistics
from secateur.errors import SecateurError
from secateur.files import write_json, write_text
from secateur.report import decision, page, summary
from secateur.report.drawing import read_statistics

ALIKE = dict.fromkeys(("lrp", "taylor", "weight"), 0.0)
MANY = {f"criterion{number:02}": 0.004 * number for number in range(24)} | {"lrp": 0.05}
KINDS = {
    "one criterion": {"criteria": {"lrp": 0.1}, "seeds": 3},
    "one study, one seed": {"criteria": {"lrp": 0.1, "weight": 0.0}, "seeds": 1, "samples": ("10",)},
    "two studies without retraining": {"studies": ("a-x", "b-y"), "branches": ("fewshot",), "seeds": 4,
                                       "criteria": {"lrp": 0.1, "weight": 0.0, "random": -0.1}},
    "undecided everywhere": {"criteria": ALIKE, "noise": 0.08, "seeds": 8, "samples": ("1",)},
    "without the paper's criterion": {"criteria": {"weight": 0.0, "random": -0.1}, "seeds": 3, "samples": ("1",)},
}  # fmt: skip


def made(folder: Path, curves: pd.DataFrame, missing: tuple[str, ...] = (), **others: pd.DataFrame) -> str:
    """The page of a run with these curves and other tables, without its pictures."""
    tables = synthetic.write(folder, curves=curves, **others)
    names = tuple(dict.fromkeys(curves["criterion"]))
    config = {"run": "synthetic", "run_seed": 1, "criteria": synthetic.entries(names)}
    statistics.run(tables, folder / "statistics", config)
    write_json(folder / "figures/captions.json", [])
    write_text(folder / "figures/explorer.json", "null")
    sources = page.Sources(tables, folder / "statistics", folder / "figures")
    page.run(sources, folder / "report.html", config, PROVENANCE, missing)
    return (folder / "report.html").read_text(encoding="utf-8")


def agrees(html: str, folder: Path) -> None:
    """Hold the first table, who leads, and every link against the statistics."""
    recommended = read_statistics(folder / "statistics", "recommended", None)
    intervals = read_statistics(folder / "statistics", "intervals")
    rows = re.findall(r"<tr[^>]*>\s*<th scope=\"row\".*?</tr>", html, flags=re.DOTALL)
    assert len(rows) == len(recommended) > 0
    main = intervals[intervals["measure"] == summary.MAIN]
    order = recommended.sort_values(
        "treatment", kind="stable", key=lambda column: column.map(list(decision.WORDS).index)
    )
    for row, said in zip(rows, order.itertuples(), strict=True):
        assert f'data-c="{said.criterion}"' in row and f">{said.study}" in row
        branch = "retrain" if said.treatment == "retrained" else "fewshot"
        here = main[
            (main["study"] == said.study) & (main["branch"] == branch)
            & (main["samples_per_class"] == str(said.samples_per_class))
        ].set_index("criterion")["mean"]  # fmt: skip
        if said.treatment == "repaired":
            table = read_statistics(folder / "statistics", "remedies", said.remedy)
            table = table[(table["study"] == said.study) & (table["samples_per_class"] == str(said.samples_per_class))]
            here = table.set_index("criterion")["mean"]
            assert f"by {said.remedy}<" in row
        assert here[said.criterion] == pytest.approx(here.max(), abs=1e-9)
        assert ('class="won"' in row) == (said.candidates == 1)
        assert f"{100 * said.rate:.1f}" in row and f"{100 * said.macs:.1f}" in row
        if said.candidates > 1 and not said.few:
            assert "level with" in row
    leaders = re.findall(r'<li class="leader" (.*?)>(.*?)</li>', html, flags=re.DOTALL)
    assert len(leaders) == main.groupby(summary.KEYS).ngroups
    for keys, words in leaders:
        study, branch, samples = re.findall(r'data-\w+="([^"]*)"', keys)
        for measure, part in zip((summary.MAIN, summary.KEPT), words.split("; the largest share"), strict=True):
            here = intervals[
                (intervals["measure"] == measure) & (intervals["study"] == study) & (intervals["branch"] == branch)
                & (intervals["samples_per_class"] == samples)
            ].set_index("criterion")["mean"]  # fmt: skip
            best = set(here[here.map(lambda value: round(100 * value, 1)) == round(100 * here.max(), 1)].index)
            assert set(re.findall(r'data-c="([^"]+)"', part)) == best
            assert f"{100 * here.max():.1f}\u00a0%" in part
    ids = set(re.findall(r'\sid="([^"]+)"', html))
    assert {
        target for target in map(entities.unescape, re.findall(r'href="#([^"]+)"', html)) if target not in ids
    } == set()


@pytest.mark.parametrize("kind", rows(KINDS, ["one criterion"]))
def test_the_first_table_and_who_leads_are_those_of_the_statistics(tmp_path, kind):
    agrees(made(tmp_path, synthetic.curves(**KINDS[kind])), tmp_path)


@pytest.mark.slow
def test_an_attention_network_says_what_its_filters_are(tmp_path):
    curves = synthetic.curves(
        {"lrp": 0.1, "weight": 0.0}, seeds=4, samples=("1",), studies=("scenes-vit", "scenes-vgg")
    )
    html = made(tmp_path, curves, units=synthetic.attention_units("scenes-vit", "scenes-vgg"))
    agrees(html, tmp_path)
    said = "every unit that can go on this page: scenes-vgg 64 filters; scenes-vit 6 heads and 384 neurons."
    assert f"“Filters” stands for {said}" in html
    table = re.search(r'<details class="table" id="units-table".*?</details>', html, flags=re.DOTALL)[0]
    assert "blocks.1.attn" in table and "its code mixes heads" in table


def test_a_tie_is_not_won(tmp_path):
    curves = synthetic.curves({"lrp": 0.1, "taylor": 0.1}, seeds=8, samples=("1",), branches=("fewshot",))
    same = curves[curves["criterion"] == "lrp"]
    html = made(tmp_path, pd.concat([same, same.assign(criterion="taylor")], ignore_index=True))
    agrees(html, tmp_path)
    assert 'class="won"' not in html and html.count("no clear winner: level with") == 1
    (leader,) = re.findall(r'<li class="leader".*?</li>', html, flags=re.DOTALL)
    assert leader.count('data-c="lrp"') == leader.count('data-c="taylor"') == 2


@pytest.mark.slow
def test_twenty_five_criteria_fit_on_the_page(tmp_path):
    html = made(tmp_path, synthetic.curves(MANY, seeds=6, samples=("10",), studies=("a-x", "b-y")))
    agrees(html, tmp_path)
    assert len(html) < 6e6


@pytest.mark.slow
def test_missing_parts_are_said_and_the_rest_agrees(tmp_path):
    curves = synthetic.curves({"lrp": 0.1, "weight": 0.0, "random": -0.1}, seeds=4, samples=("1",))
    curves = curves[~((curves["criterion"] == "lrp") & (curves["branch"] == "retrain"))]
    html = made(tmp_path, curves, ("curves/x/lrp/retrain.parquet",))
    agrees(html, tmp_path)
    assert html.index("This run is incomplete.") < html.index("curves/x/lrp/retrain.parquet") < html.index("The answer")


@pytest.mark.slow
def test_an_undecidable_setting_has_a_sentence_in_place_of_a_column_of_dashes(tmp_path):
    html = made(tmp_path, synthetic.curves({"lrp": 0.1, "weight": 0.0, "random": -0.1}, seeds=3, samples=("1",)))
    table = re.search(r'<details class="table" id="pairs-table".*?</details>', html, flags=re.DOTALL)[0]
    assert "… Holm" not in table and "Where a p-value is missing: " in table and "cannot tell" in table


@pytest.mark.slow
def test_figures_and_statistics_of_an_older_version_are_one_clear_error(tmp_path):
    curves = synthetic.curves({"lrp": 0.1, "weight": 0.0}, seeds=2, samples=("1",), branches=("fewshot",))
    made(tmp_path, curves)
    sources = page.Sources(tmp_path / "tables", tmp_path / "statistics", tmp_path / "figures")
    arguments = (sources, tmp_path / "again.html", {}, {})
    old = {"file": "x.svg", "section": "curve", "panel": "", "title": "", "caption": "", "study": ""}
    write_json(tmp_path / "figures/captions.json", [old])
    with pytest.raises(SecateurError, match=r"captions\.json: figures of an older version"):
        page.run(*arguments)
    (tmp_path / "figures/captions.json").unlink()
    with pytest.raises(SecateurError, match=r"captions\.json: not a readable JSON file"):
        page.run(*arguments)
    (tmp_path / "statistics/recommended.csv").unlink()
    with pytest.raises(SecateurError, match=r"recommended\.csv.*older version.*secateur statistics"):
        page.run(*arguments)
    assert not (tmp_path / "again.html").exists()


@pytest.mark.slow
def test_a_network_that_was_repaired_has_a_row_of_its_own(tmp_path):
    """Of two networks one was, at one of two sample counts, by a remedy that turns the order of criteria round."""
    cut = synthetic.curves({"lrp": 0.1, "weight": -0.1}, studies=("a-x", "b-y"), seeds=8, samples=("1", "20"))
    cut = cut.assign(control="", remedy="none")
    few = cut[(cut["branch"] == "fewshot") & (cut["study"] == "a-x") & (cut["samples_per_class"] == "20")]
    turned = few.assign(remedy="bias", accuracy=few["accuracy"].where(few["rate"] == 0, 0.9 - few["accuracy"] / 10))
    html = made(tmp_path, pd.concat([cut, turned], ignore_index=True))
    agrees(html, tmp_path)
    assert html.count('<th scope="row">repaired without labels or training<small>20 images') == 1
    assert 'data-c="weight"' in html.partition("repaired without labels or training")[2].partition("</tr>")[0]
