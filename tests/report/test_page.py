"""The page as a text: everything in it, nothing from outside, names as text, holes said in words."""

import base64
import csv
import gzip
import hashlib
import io
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser

import pandas as pd
import pytest

import synthetic
from chain import CONFIG, HOSTILE, PROVENANCE, build
from secateur.errors import SecateurError
from secateur.report import inline, page, table


class Reader(HTMLParser):
    """Collects tags with their attributes, the text, and ids."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def html(run) -> str:
    return (run / "report.html").read_text()


@pytest.mark.slow
def test_the_page_is_small_and_the_same_every_time(run, html, tmp_path):
    assert len(html) < 6e6
    sources = page.Sources(run / "tables", run / "statistics", run / "figures")
    page.run(sources, tmp_path / "again.html", CONFIG, PROVENANCE)
    assert (tmp_path / "again.html").read_text() == html


def test_the_answer_comes_first_with_every_claim(html):
    text = Reader(html).text
    order = ("The answer", "All criteria compared", "The criteria", "How much accuracy is left?", "Protocol.")
    places = [text.index(words) for words in order]
    assert places == sorted(places)
    for claim in ("C1", "C1s", "C2", "C2s", "C3", "C4", "C5"):
        assert re.search(rf"{claim}\s", text)
    assert (
        "For lrp, the paper's own criterion, of its 5 claims: 4 supported in the one study and 1 undecided, corrected"
        in text
    )
    assert "lrp_epsilon: a variant of LRP with verdicts of its own below, not counted here." in text
    assert "C1, lrp_epsilon: undecided" in text


def test_whether_the_curves_can_be_trusted_is_said_with_them(html):
    """These tables are as an earlier version wrote them: it is said that nothing was measured."""
    text = Reader(html).text
    checks = text[text.index("Can the curves be trusted?") : text.index("Who is better than whom")]
    assert "Accuracy on training images was not measured" in checks and "No curve falls by more than 20" in checks
    assert "Retraining costs the best criterion of no study more than 1 point" in checks


def test_every_figure_is_in_the_page_once_with_its_caption(run, html):
    files = [path.stem for path in (run / "figures").glob("*.svg")]
    tags = Reader(html).tags
    panels = [attributes.get("id") for _, attributes in tags if attributes.get("class") == "panel"]
    assert sorted(panels) == sorted(files)
    figures = sum(tag == "figure" for tag, _ in tags)
    assert figures <= 22 and html.count("<figcaption>") == figures
    assert html.count("Make it again") == figures + 1  # and the interactive curves


def test_every_picture_says_what_it_is(html):
    drawn = [attributes for tag, attributes in Reader(html).tags if tag == "svg"]
    for attributes in drawn:
        for name in ("aria-labelledby", "aria-describedby"):
            words = re.search(rf'id="{attributes[name]}">([^<]+)<', html)
            assert words and len(words[1]) > 5
    assert len(drawn) > 20


def test_nothing_refers_to_the_outside(html):
    for tag, attributes in Reader(html).tags:
        for name in ("src", "href", "action", "data", "poster"):
            assert re.match(r"#|data:", attributes.get(name, "#")), (tag, attributes)
    assert "@import" not in html and "url(http" not in html


def test_ids_are_unique_and_every_link_has_its_target(html):
    tags = Reader(html).tags
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for target in re.findall(r'href="#([^"]+)"', html) + re.findall(r"url\(#([^)]+)\)", html):
        assert target in ids


def test_the_policy_allows_the_pages_own_script_only(html):
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html)[1].replace("&#39;", "'")
    scripts = re.findall(r"<script>(.*?)</script>", html, flags=re.DOTALL)
    packed = re.search(r'<script type="text/plain" id="vega">(.*?)</script>', html, flags=re.DOTALL)[1]
    library = gzip.decompress(base64.b64decode(packed)).decode()
    assert len(scripts) == 2 and "default-src 'none'" in policy and "unsafe-eval" not in policy
    allowed = re.search(r"script-src ([^;]+);", policy)[1].split()
    hashed = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (*scripts, library)]
    assert allowed == [f"'sha256-{found}'" for found in hashed]


def test_every_table_is_a_csv_download_with_the_same_rows(html):
    tags = Reader(html).tags
    links = {attributes["download"]: attributes["href"] for tag, attributes in tags if "download" in attributes}
    assert set(links) == {f"synthetic_{name}.csv.gz" for name in
                          ("glance", "by-rate", "pairs-table", "variance-table", "verdicts-table", "cost-table",
                           "toy-published", "toy-cells", "toy-ordering", "agreement-table", "times-table",
                           "studies-table")}  # fmt: skip
    for name, uri in links.items():
        rows = list(csv.reader(io.StringIO(gzip.decompress(base64.b64decode(uri.partition(",")[2])).decode())))
        shown = re.search(rf'id="{name[10:-7]}".*?<tbody>(.*?)</tbody>', html, flags=re.DOTALL)[1]
        assert min(len(rows) - 1, table.MOST_ROWS) == shown.count("<tr") > 0
        assert all(len(row) == len(rows[0]) for row in rows)


@pytest.mark.slow
def test_hostile_names_come_out_as_text(hostile):
    html = (hostile / "report.html").read_text()
    tags = Reader(html).tags
    assert sum(tag == "script" for tag, _ in tags) == 4
    assert not any(name.startswith("on") for _, attributes in tags for name in attributes)
    assert "<script>alert" not in html.replace('<script>"use strict"', "")
    assert Reader(html).text.count(HOSTILE) > 10
    text = "".join(Reader(html).text.split())  # figures break long lines
    counts = {part: text.count(part) for part in ("alert(1)", "{{7*7}}", "{%raw%}", "{#no#}")}
    assert len(set(counts.values())) == 1, counts


@pytest.mark.slow
def test_what_is_missing_is_said_at_the_top(tmp_path):
    curves = synthetic.curves(samples=("1",), branches=("fewshot",))
    curves = curves[curves["criterion"] != "lrp"]
    missing = page.missing_criteria(curves, list(synthetic.CRITERIA))
    text = Reader(build(tmp_path, curves=curves, missing=missing).read_text()).text
    assert missing == ["scene15-resnet18, no retraining: no curve of lrp"]
    assert text.index("This run is incomplete.") < text.index(missing[0]) < text.index("The answer")
    assert "Cannot be decided: this run has no fewshot curves of lrp" in text
    assert "This run measured no cost." in text and "This run has no pruning profiles." in text


def test_the_methods_say_what_the_run_could_have_found(html):
    found = re.search(r"if it is at least ([\d.]+) to ([\d.]+)\spercentage points", Reader(html).text)
    assert 0 < float(found[1]) < float(found[2]) < 10


def test_a_complete_run_says_nothing_of_holes(html):
    assert "This run is incomplete" not in html


def test_the_two_dimensional_study_stands_beside_the_published_figures(html):
    text = Reader(html).text
    found = re.search(
        r"(\d+) of the (\d+) published accuracies .* lie within .* would pass in (\d+) of (\d+) pairs", text
    )
    assert int(found[1]) <= int(found[2]) == 3 * 4 * 4 and int(found[3]) <= int(found[4]) == 3 * int(found[2])
    assert (
        "Published beside reproduced" in text and "the network as the authors ran it, references evenly spaced" in text
    )
    assert "data:image/png;base64," in re.search(r'id="boundary_moons.*?</figure>', html, flags=re.DOTALL)[0]


@pytest.mark.slow
def test_pictures_in_the_toy_folder_are_embedded(run, tmp_path):
    picture = b"\x89PNG, and whatever follows"
    (tmp_path / "filters_moons.png").write_bytes(picture)
    sources = page.Sources(run / "tables", run / "statistics", run / "figures", toy=tmp_path)
    page.run(sources, tmp_path / "page.html", {}, {})
    html = (tmp_path / "page.html").read_text()
    assert base64.b64encode(picture).decode() in html and 'alt="filters moons"' in html


def test_svg_with_a_script_or_an_outside_reference_is_refused(tmp_path):
    script, link = "<svg><script>1</script></svg>", '<svg><a href="https://example.org"/></svg>'
    for content in (script, link, '<svg onload="1"/>', "x"):
        (tmp_path / "figure.svg").write_text(content)
        with pytest.raises(SecateurError, match="not a plain SVG figure"):
            inline.svg(tmp_path / "figure.svg", "title", "words", "p-", {})


def test_svg_gets_its_own_ids_and_the_pages_colours(tmp_path):
    (tmp_path / "figure.svg").write_text(
        '<?xml version="1.0"?><svg width="10pt" viewBox="0 0 10 10"><metadata>date</metadata>'
        '<path id="a" d="M 1.23456 -0.001 L 2.0 3.5"/>'
        '<path id="b" style="fill: #1F2328; clip-path: url(#b)"/><path id="c"/><use href="#a"/></svg>'
    )
    found = inline.svg(tmp_path / "figure.svg", "a <title>", "words", "p-", {"#1f2328": "var(--ink)"})
    assert 'd="M 1.23 -0 L 2 3.5"' in found and 'id="p-c"' not in found
    assert 'id="p-a"' in found and "url(#p-b)" in found and 'href="#p-a"' in found and "var(--ink)" in found
    assert (
        "metadata" not in found
        and '<title id="p-t">a &lt;title&gt;</title><desc id="p-d">words</desc>' in found
        and "width=" not in found.replace("max-width", "")
    )


@pytest.mark.slow
def test_missing_assets_and_templates_that_fail_are_errors(run, tmp_path):
    sources = page.Sources(run / "tables", run / "statistics", run / "figures", assets=tmp_path)
    with pytest.raises(SecateurError, match=r"style\.yaml"):
        page.run(sources, tmp_path / "page.html", {}, {})
    shutil.copytree("report", tmp_path / "assets")
    (tmp_path / "assets/page.html.j2").write_text("{{ nobody }}")
    with pytest.raises(SecateurError, match="the template cannot be rendered"):
        page.run(replace(sources, assets=tmp_path / "assets"), tmp_path / "page.html", {}, {})
    assert not (tmp_path / "page.html").exists()


def test_analysis_and_report_import_neither_torch_nor_seaborn_before_they_draw():
    code = (
        "import sys; from secateur.analysis import agreement, calibration, statistics; "
        "from secateur.report import figures, page; "
        "print(sorted({'torch', 'timm', 'seaborn', 'scipy.stats'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "[]"


def test_a_table_of_thousands_is_a_file_with_its_first_rows_on_the_page(monkeypatch):
    frame = pd.DataFrame({"criterion": [f"name{number}" for number in range(9)]})
    monkeypatch.setattr(table, "MOST_ROWS", 4)
    made = table.build("id", "Title", "", frame, {"criterion": ("criterion", str)}, "file.csv")
    assert len(made.rows) == 4 and made.count == 9
    assert gzip.decompress(base64.b64decode(made.uri.partition(",")[2])).count(b"\n") == 10


def test_only_a_clear_winner_looks_like_one(run):
    text = (run / "report.html").read_text(encoding="utf-8")
    rows = re.findall(r'<small class="(won|tied)">([^<]+)</small>', text)
    assert len(rows) >= 2
    assert all((look == "won") == (words in ("clear winner", "the only one")) for look, words in rows)
