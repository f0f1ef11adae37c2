"""Figures: complete, the same bytes every time, one colour per criterion, readable captions."""

import collections
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import synthetic
from secateur.analysis import statistics
from secateur.errors import SecateurError
from secateur.report import curve_figures, figures, matrices, page_tables, pareto, style, time_tables
from secateur.report.drawing import read_statistics
from secateur.report.numbers import told_apart, written_p


def captions(run) -> list[dict]:
    return json.loads((run / "figures/captions.json").read_text())


def test_every_section_is_drawn_and_nothing_else_lies_there(run):
    entries = captions(run)
    assert {entry["file"] for entry in entries} == {path.name for path in (run / "figures").glob("*.svg")}
    count = collections.Counter(entry["section"] for entry in entries)
    three = dict.fromkeys(("curve", "macs", "params", "worst", "effects", "pairs", "ranks"), 3)
    assert count == three | {"pareto": 2, "profile": 1, "grid": 1, "agreement": 1, "cost": 1, "boundary": 1, "toy": 8,
                             "maps": 1, "wrong": 1, "workflow": 1}  # fmt: skip


def test_captions_say_n_and_what_the_bands_are(run):
    for entry in captions(run):
        words = f"{entry['caption']} {entry['note']}"
        if entry["section"] == "toy" and not entry["title"].startswith(("moons ·", "circles ·", "spirals ·")):
            continue  # several sets at once: n stands beside each set's own figure
        assert re.search(r"n = \d|over \d+ seed|over \d+ seeds", words), entry["file"]
        if entry["section"] in ("curve", "macs", "params", "worst"):
            assert "smallest to largest seed" in words and "2,000 test images" in words
        if entry["section"] == "effects":
            assert "95 % interval" in words and "exact interval" in words and ", lrp and lrp_epsilon keep than" in words


def test_panels_of_one_figure_share_their_caption(run):
    captions_of = collections.defaultdict(set)
    for entry in captions(run):
        captions_of[entry["section"]].add(entry["caption"])
    assert {section for section, found in captions_of.items() if len(found) > 1} <= {"toy"}


@pytest.mark.slow
def test_the_same_tables_give_the_same_bytes_in_another_process(run, tmp_path):
    code = (
        "import sys; from secateur.report import figures as f; f.run(*sys.argv[1:4], f.Others(*sys.argv[4:]), jobs=2)"
    )
    arguments = [str(run / "tables"), str(run / "statistics"), str(tmp_path / "again"), str(run / "toy"),
                 str(run / "gallery"), str(run / "results/synthetic/workflow.json")]  # fmt: skip
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, timeout=120)
    for path in (run / "figures").iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes(), path.name


@pytest.mark.slow
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
        "pareto",
    }


@pytest.mark.slow
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


@pytest.mark.slow
def test_missing_statistics_are_an_error(run, tmp_path):
    with pytest.raises(SecateurError, match=r"recommended\.csv: not a readable CSV table"):
        figures.run(run / "tables", tmp_path, tmp_path / "figures")


def test_many_criteria_stay_apart():
    look = style.read("report/style.yaml", [f"criterion{index:02}" for index in range(20)] + ["lrp", "random"])
    assert len({(look.colours[name], look.dashes[name]) for name in look.colours}) == 22
    assert list(look.colours)[:2] == ["lrp", "random"]


def test_a_criterion_keeps_its_colour_when_others_are_missing():
    alone = style.read("report/style.yaml", ["taylor"])
    assert alone.colours["taylor"] == style.read("report/style.yaml", ["lrp", "taylor", "zzz"]).colours["taylor"]


@pytest.mark.slow
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


@pytest.mark.parametrize("colour", ["red", "#12345", "#12345G", "url(x)", "7", "null"])
def test_a_colour_that_cannot_be_read_is_an_error(tmp_path, colour):
    text = Path("report/style.yaml").read_text(encoding="utf-8")
    (tmp_path / "style.yaml").write_text(
        text.replace('"#0072B2"', colour if colour in ("7", "null") else f'"{colour}"')
    )
    with pytest.raises(SecateurError, match=r"criteria: weight has the colour .*#RRGGBB"):
        style.read(tmp_path / "style.yaml", ["lrp"])


def test_numbers_in_cells_stand_out_from_their_colour():
    import matplotlib.pyplot as plt
    import numpy as np
    import seaborn as sns
    from matplotlib.colors import to_rgb

    values = np.linspace(-1, 1, 25).reshape(5, 5)
    values[2, 3] = np.nan
    axes = plt.figure().add_subplot()
    sns.heatmap(values, annot=True, vmin=-1, vmax=1, cmap=matrices._diverging(), ax=axes)
    matrices.readable(axes)
    cells = axes.collections[0].get_facecolors()[~np.isnan(values.ravel())]
    for words, cell in zip(axes.texts, cells, strict=True):
        one, two = sorted((matrices.luminance(to_rgb(words.get_color())), matrices.luminance(to_rgb(cell))))
        assert (two + 0.05) / (one + 0.05) >= 4.5
    plt.close("all")


def test_stars_bars_and_the_table_of_pairs_are_one_test(run):
    """A pair has a star exactly where the critical difference lies between their average ranks."""
    ranks = read_statistics(run / "statistics", "ranks")
    rows = ranks[
        (ranks["measure"] == figures.MAIN) & (ranks["branch"] == "fewshot") & (ranks["samples_per_class"] == "1")
    ]
    apart = told_apart(rows)
    average = rows.set_index("criterion")["average_rank"]
    critical = rows["critical_difference"].iloc[0]
    for one in average.index:
        for other in average.index:
            assert (frozenset((one, other)) in apart) == (abs(average[one] - average[other]) > critical)
    assert 0 < len(apart) < 15
    svg = (run / "figures/pairs_scene15-resnet18_fewshot_1.svg").read_text()
    assert len(re.findall(r">[+−-][\d.]+\*<", svg)) == 2 * len(apart)
    table = page_tables.pairwise(read_statistics(run / "statistics", "tests"), ranks)
    place = table.head.index("Nemenyi")
    shown = [row for row, mark in zip(table.rows, table.marks, strict=True)
             if (mark["data-branch"], mark["data-samples"]) == ("fewshot", "1")]  # fmt: skip
    assert {frozenset((row[0].text, row[1].text)) for row in shown if row[place].text == "apart"} == apart


@pytest.mark.parametrize(("p", "blocks", "words"), [
    (1 / 5001, 8, "≤ 1/5001"), (2 / 5001, 8, "< 0.001"), (0.0312, 8, "= 0.031"), (1e-9, 30, "< 0.001"),
])  # fmt: skip
def test_the_smallest_p_value_of_permutations_is_written_as_a_bound(p, blocks, words):
    assert written_p(p, blocks) == words


def test_the_front_is_what_nothing_beats():
    points = pd.DataFrame(
        {"x": [0.9, 0.5, 0.5, 0.2, 0.7], "accuracy": [0.9, 0.8, 0.7, 0.3, 0.8], "criterion": list("abcde")}
    )
    best = pareto.front(points)
    assert list(best["criterion"]) == ["d", "b", "a"]
    for row in points.itertuples():
        beaten = ((points["x"] <= row.x) & (points["accuracy"] >= row.accuracy)
                  & ((points["x"] < row.x) | (points["accuracy"] > row.accuracy))).any()  # fmt: skip
        assert beaten == (row.criterion not in set(best["criterion"]))


def test_a_timed_network_has_its_own_accuracy_and_noise_is_called_so():
    rows = [("lrp", 0.0, 2.0, 1.8, 2.2, 1.0), ("lrp", 0.5, 1.0, 0.9, 1.1, 2.0), ("lrp", 0.3, 1.9, 1.7, 2.1, 2 / 1.9)]
    latency = pd.DataFrame(rows, columns=["criterion", "rate", "seconds", "seconds_lower", "seconds_upper", "speed_up"])
    latency = latency.assign(study="a-x", seed=0, samples_per_class="10", batch=1, macs_share=0.5)
    curves = pd.DataFrame({"criterion": "lrp", "seed": [0, 1, 0], "samples_per_class": "10", "rate": [0.5, 0.5, 0.3],
                           "accuracy": [0.7, 0.1, 0.9]})  # fmt: skip
    points = pareto.by_time(latency, curves).set_index("rate")
    assert points.loc[0.5, ["x", "low", "high", "accuracy"]].tolist() == [0.5, 0.45, 0.55, 0.7]
    gains = time_tables.gains(latency).set_index("rate")["sure"]
    assert gains[0.5] == "faster" and gains[0.3] == "noise"
    (said,) = time_tables.gain_sentences(latency)
    assert "of 2 pruned networks 1 are faster than the unpruned one, 1 cannot be told from it" in said
    assert "2.00 times (lrp at a rate of 50 %, 1.64 to 2.44)" in said


@pytest.mark.slow
def test_a_partial_report_may_lack_the_criteria_of_the_claims(tmp_path):
    criteria = {name: gain for name, gain in synthetic.CRITERIA.items() if not name.startswith("lrp")}
    tables = synthetic.write(
        tmp_path, curves=synthetic.curves(samples=("1",), criteria=criteria, branches=("fewshot",))
    )
    statistics.run(tables, tmp_path / "statistics", {})
    figures.run(tables, tmp_path / "statistics", tmp_path / "figures")
    assert "effects" in {entry["section"] for entry in captions(tmp_path)}


def test_repaired_curves_are_drawn_beside_those_as_cut(tmp_path):
    cut = synthetic.curves({"lrp": 0.0, "random": -0.1}, samples=("1",), seeds=2, branches=("fewshot",))
    cut = cut.assign(remedy="none")
    better = cut.assign(remedy="bias", accuracy=(cut["accuracy"] + 1) / 2)
    look = style.read("report/style.yaml", {"lrp", "random"})
    drawn = list(curve_figures.drawings(pd.concat([cut, better]), {}, "lrp", look))
    sections = collections.Counter(drawing.section for drawing in drawn)
    studies = cut["study"].nunique()
    assert sections == dict.fromkeys(("curve", "macs", "params", "worst", "repaired"), studies)
    for study in sorted(set(cut["study"])):
        shown = {}
        for drawing in drawn:
            if drawing.study == study:
                lines = [line.get_ydata() for line in drawing.figure.axes[0].lines]
                shown[drawing.section] = np.concatenate([line for line in lines if len(line) > 2])
        assert shown["repaired"] == pytest.approx((shown["curve"] + 1) / 2)
    titles = {drawing.title for drawing in drawn if drawing.section == "repaired"}
    assert all(title.endswith(" · bias") for title in titles)


def test_layers_stand_in_the_order_of_the_network_one_kind_after_the_other():
    names = [f"blocks.{block}.{part}" for block in (0, 2, 10) for part in ("attn.qkv", "mlp.fc1")]
    rows = [
        {"study": "vit", "criterion": "lrp", "seed": 0, "samples_per_class": "10", "rate": 0.5, "group": name,
         "units": 4, "removed": number % 4}
        for number, name in enumerate(sorted(names))
    ]  # fmt: skip
    kinds = {name: "heads" if "attn" in name else "neurons" for name in names}
    look = style.read("report/style.yaml", {"lrp"})
    with style.theme(look, "secateur"):
        (axes,) = matrices.profile(pd.DataFrame(rows), look, title="", kinds=kinds).axes
        (plain,) = matrices.profile(pd.DataFrame(rows), look, title="").axes
    shown = [label.get_text() for label in axes.get_xticklabels()]
    assert shown == [name for name in names if "attn" in name] + [name for name in names if "mlp" in name]
    removed = {row["group"]: f"{25 * row['removed']}" for row in rows}
    texts = [text.get_text() for text in axes.texts]
    assert texts[:6] == [removed[name] for name in shown] and texts[6:] == ["heads", "neurons"]
    assert [text.get_text() for text in plain.texts] == [removed[name] for name in sorted(names)]
