"""The page in a real browser: no error, no request, sorting and choosing work, and all is there without JavaScript."""

import pandas as pd
import pytest

from browsing import MARKS, explorer, open_page, shown

pytestmark = MARKS


@pytest.mark.parametrize("which", ["run", "hostile"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_error_and_no_request(browser, request, which, scheme):
    folder = request.getfixturevalue(which)
    page = open_page(browser, folder / "report.html", color_scheme=scheme)
    page.wait_for_timeout(200)
    assert page.troubles == []
    page.locator("#explorer").scroll_into_view_if_needed()
    page.locator("#explorer .chart svg").wait_for()
    assert page.troubles == []


def test_clicking_a_heading_sorts_and_clicking_again_turns_the_order(browser, run):
    page = open_page(browser, run / "report.html")
    page.locator("#every").check()
    table = page.locator("#glance table")
    heading = table.locator("th button", has_text="mean accuracy over rates")
    column = [cell.text_content() for cell in table.locator("th").all()].index(heading.text_content())

    def values() -> list[float]:
        cells = table.locator(f"tbody td:nth-child({column + 1})").all()
        return [float(cell.get_attribute("data-sort")) for cell in cells]

    before = sorted(values())
    heading.click()
    assert values() == before[::-1] and table.locator("th[aria-sort=descending]").count() == 1
    heading.press("Enter")
    assert values() == before and table.locator("th[aria-sort=ascending]").count() == 1
    table.locator("th button", has_text="images per class").click()
    assert table.locator("tbody td:nth-child(3)").first.text_content() == "1"


def test_one_selector_chooses_what_the_whole_page_shows_and_the_address_keeps_it(browser, run):
    page = open_page(browser, run / "report.html")
    assert shown(page, "#figure-effects .panel") == ["effects_scene15-resnet18_fewshot_10"]
    rows = page.locator("#glance tbody tr")
    assert sum(row.is_visible() for row in rows.all()) == 6 and rows.count() == 18
    page.select_option("#selector [name=branch]", "retrain")
    for section in ("effects", "pairs", "ranks"):
        assert shown(page, f"#figure-{section} .panel") == [f"{section}_scene15-resnet18_retrain_10"]
    assert sum(row.is_visible() for row in rows.all()) == 6
    (leader,) = (item for item in page.locator("li.leader").all() if item.is_visible())
    assert "with retraining, 10 reference images" in leader.text_content()
    allowed = page.locator("#selector [name=samples] option:not([disabled])").all()
    assert [option.get_attribute("value") for option in allowed] == ["10"], "with retraining only 10 was measured"
    assert "branch=retrain" in page.evaluate("location.hash")
    again = page.context.new_page()
    again.goto(page.url)
    assert shown(again, "#figure-ranks .panel") == ["ranks_scene15-resnet18_retrain_10"]
    page.locator("#every").check()
    assert sum(row.is_visible() for row in rows.all()) == 18
    page.locator("#filter").fill("lrp_")
    assert sum(row.is_visible() for row in rows.all()) == 3 and page.troubles == []


def test_a_link_opens_what_it_points_to(browser, run):
    page = open_page(browser, run / "report.html")
    page.goto(page.url.split("#")[0] + "#verdict-C2-lrp-overall-all?branch=retrain")
    row = page.locator("#verdict-C2-lrp-overall-all")
    assert row.is_visible() and page.evaluate("scrollY") > 100
    page.locator("#claims ~ .cards a.rows").first.click()
    assert page.locator("#verdict-C1-lrp-overall-all").is_visible()
    for link in page.locator("a.rows, a.permalink").all():
        target = link.get_attribute("href")[1:]
        assert page.evaluate("id => document.getElementById(id) !== null", target), target
    page.locator("li.leader a.rows >> visible=true").first.click()
    assert page.evaluate("document.querySelector('tr:target') || location.hash.includes('at-scene15')")


def test_a_criterion_is_explained_where_its_name_stands(browser, run):
    page = open_page(browser, run / "report.html")
    tip = page.locator("#tip")
    page.locator(".decision a.name").first.hover()
    assert tip.is_visible() and "Relevance of a filter" in tip.text_content()
    page.keyboard.press("Escape")
    assert not tip.is_visible()
    page.locator(".decision a.name").first.focus()
    assert tip.is_visible()
    phone = open_page(browser, run / "report.html", viewport={"width": 390, "height": 844}, has_touch=True)
    before = phone.evaluate("location.hash")
    phone.locator(".decision a.name").first.tap()
    assert phone.locator("#tip").is_visible() and phone.evaluate("location.hash") == before


def test_a_table_comes_out_as_csv(browser, run):
    page = open_page(browser, run / "report.html", accept_downloads=True)
    with page.expect_download() as waited:
        page.locator("#glance a.csv").click()
    assert waited.value.suggested_filename == "synthetic_glance.csv"
    table = pd.read_csv(waited.value.path())
    assert len(table) == 18 and "mean_accuracy_over_rate" in table and page.troubles == []


@pytest.mark.parametrize("which", ["run", "hostile"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation(browser, request, which, scheme):
    from axe_playwright_python.sync_playwright import Axe

    page = explorer(browser, request.getfixturevalue(which), color_scheme=scheme)
    for summary in page.locator("details:not([open]) > summary").all():
        if summary.is_visible():
            summary.click()
    page.locator("#show-stills").click()
    found = Axe().run(page).response
    assert [(rule["id"], rule["nodes"][0]["html"]) for rule in found["violations"]] == []
    assert len(found["passes"]) > 20


def test_paper_has_every_curve_both_tables_and_no_controls(browser, run):
    page = explorer(browser, run)
    page.emulate_media(media="print")
    for panel in page.locator(".panel").all():
        assert panel.is_visible()
    for selector in ("#explorer", "nav", "#selector", "#show-stills", "#filter"):
        assert not page.locator(selector).is_visible()
    assert page.locator("#glance tbody tr").last.is_visible()
    assert page.locator("#verdicts-table tbody tr").last.is_visible()
    assert page.pdf(format="A4").count(b"/Type /Page\n") <= 15


def test_without_javascript_every_figure_and_table_is_there(browser, run):
    page = open_page(browser, run / "report.html", java_script_enabled=False)
    panels = page.locator(".panel").all()
    assert len(panels) == len(list((run / "figures").glob("*.svg")))
    for panel in panels:
        assert panel.is_visible() and panel.locator("svg").bounding_box()["height"] > 50
    for selector in ("#explorer", "#show-stills", "#selector", ".tools"):
        assert not page.locator(selector).is_visible()
    assert all(row.is_visible() for row in page.locator("#glance tbody tr").all())
    assert page.locator("li.leader").count() == 3


SMALLEST = """() => Math.min(...[...document.querySelectorAll(".plot svg text")]
  .filter(text => text.getClientRects().length)
  .map(text => parseFloat(getComputedStyle(text).fontSize) *
    text.ownerSVGElement.getBoundingClientRect().width / text.ownerSVGElement.viewBox.baseVal.width))"""


@pytest.mark.parametrize("width", [390, 768, 1440])
def test_text_in_figures_can_be_read(browser, run, width):
    page = open_page(browser, run / "report.html", viewport={"width": width, "height": 900})
    page.locator("#show-stills").click()
    assert page.evaluate(SMALLEST) >= 11


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_nothing_is_wider_than_the_window(browser, run, width):
    page = open_page(browser, run / "report.html", viewport={"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    if width >= 1280:  # below, the navigation can be scrolled by itself
        navigation = "document.querySelector('nav').{}"
        assert page.evaluate(navigation.format("scrollWidth")) <= page.evaluate(navigation.format("clientWidth"))


def test_the_keyboard_reaches_links_tabs_and_headings(browser, run):
    page = open_page(browser, run / "report.html")
    reached = set()
    for _ in range(140):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate("document.activeElement.tagName + '.' + document.activeElement.parentElement.className")
        )
    assert {"A.", "SELECT.", "BUTTON.", "SUMMARY.table"} <= reached
    assert page.evaluate("[...document.querySelectorAll('button, a, summary')].every(e => e.textContent.trim())")


def test_text_stands_out_from_its_background(browser, run):
    for scheme in ("light", "dark"):
        page = open_page(browser, run / "report.html", color_scheme=scheme)
        for selector in (
            "body",
            ".words",
            ".badge",
            ".mini",
            "figcaption",
            "nav a",
            ".at",
            ".readout small",
            ".leader",
            ".formula",
            ".needs",
            ".panel .title",
            ".panel .n",
            "#selector label",
        ):
            assert page.evaluate(CONTRAST, selector) >= 4.5, (scheme, selector)


CONTRAST = """selector => {
  const element = document.querySelector(selector);
  const channels = text => text.match(/[\\d.]+/g).map(Number);
  const linear = v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = rgb => rgb.slice(0, 3).map(v => linear(v / 255))
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  let behind = element;
  const clear = element => /, 0\\)|transparent|color/.test(getComputedStyle(element).backgroundColor);
  while (behind && clear(behind)) behind = behind.parentElement;
  const one = light(channels(getComputedStyle(element).color));
  const two = light(channels(getComputedStyle(behind || document.body).backgroundColor));
  return (Math.max(one, two) + .05) / (Math.min(one, two) + .05);
}"""
