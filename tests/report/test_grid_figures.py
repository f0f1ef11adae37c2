"""Heat maps of filter rate × neuron rate: means over seeds, a panel a criterion, nothing without a table."""

import pytest

import synthetic
from chain import build
from secateur.analysis import statistics, tables
from secateur.report import figures, grid_figures, style


def test_every_panel_shows_the_means_over_seeds_with_nothing_removed_at_the_bottom_left():
    table = synthetic.grid({"lrp": 0.06, "mine": 0.0})
    look = style.read("report/style.yaml", {"lrp", "mine"})
    with style.theme(look, "secateur"):
        figure = grid_figures.heat_map(table, look, title="10 reference images per class")
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["lrp", "mine"]
    for axes in figure.axes:
        own = table[table["criterion"] == axes.get_title(loc="left")]
        expected = own.groupby(["neuron_rate", "filter_rate"])["accuracy"].mean()
        assert [text.get_text() for text in axes.texts] == [f"{100 * value:.0f}" for value in expected]
        assert axes.get_ylim() == (0, 4) and axes.collections[0].get_clim() == (0, 100)
        assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "20", "40", "60"]


def test_there_is_one_figure_a_study_and_its_caption_says_n():
    table = synthetic.grid()
    look = style.read("report/style.yaml", set(table["criterion"]))
    with style.theme(look, "secateur"):
        (drawn,) = grid_figures.drawings(table, look)
    assert (drawn.section, drawn.study, drawn.samples) == ("grid", "scene15-vgg16", "")
    for words in (
        "n = 3 seeds",
        "2,000 test images",
        "4,224 filters",
        "8,192 neurons",
        "10 reference images per class",
    ):
        assert words in f"{drawn.title} {drawn.note}"


def test_a_transformer_s_grid_is_of_heads_and_neurons_and_an_earlier_table_reads(tmp_path):
    table = synthetic.grid()
    heads = table.assign(
        head_rate=table["filter_rate"], heads_removed=table["filters_removed"], heads_total=96,
        filter_rate=0.0, filters_removed=0, filters_total=0,
    )  # fmt: skip
    look = style.read("report/style.yaml", set(table["criterion"]))
    with style.theme(look, "secateur"):
        (drawn,) = grid_figures.drawings(heads, look)
    assert "96 heads and 8,192 neurons" in drawn.note and "when heads (further to the right)" in drawn.caption
    assert (drawn.figure.get_supxlabel(), drawn.figure.get_supylabel()) == ("heads removed, %", "neurons removed, %")
    synthetic.write(tmp_path, grid=table.drop(columns=["head_rate", "heads_removed", "heads_total"]))
    read = tables.read(tmp_path / "tables", "grid")
    assert grid_figures.dimensions(read) == ("filters", "neurons") and read["head_rate"].eq(0).all()


def test_the_page_has_the_section_where_there_is_a_table(run):
    html = (run / "report.html").read_text()
    assert '<section id="grid">' in html and 'href="#grid"' in html and 'id="grid_scene15-vgg16_10"' in html


@pytest.mark.slow
def test_without_a_table_or_with_an_empty_one_there_is_no_section(tmp_path):
    curves = synthetic.curves(samples=("1",), seeds=2, branches=("fewshot",))
    html = build(tmp_path, curves=curves, grid=synthetic.grid().head(0)).read_text()
    assert "#grid" not in html and 'id="grid' not in html
    made = tmp_path / "tables"
    (made / "grid.parquet").unlink()
    assert tables.optional(made, "grid").empty
    statistics.run(made, tmp_path / "again", {})
    figures.run(made, tmp_path / "again", tmp_path / "figures")
    assert not list((tmp_path / "figures").glob("grid*"))
