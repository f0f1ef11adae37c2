"""The page in a real browser: no error, no request, sorting and choosing work, and all is there without JavaScript."""

import shutil

import pandas as pd
import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        CHROMIUM is None, reason="no Chromium on this machine: install it to test the page in a browser"
    ),
]
QUIET = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync",
         "--disable-component-update"]  # fmt: skip


@pytest.fixture(scope="module")
def browser():
    sync = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield opened
        opened.close()


def open_page(browser, path, **options):
    """A page that records its console errors and every request but the one for the file itself."""
    context = browser.new_context(**options)
    page = context.new_page()
    page.troubles = []
    page.on("console", lambda message: message.type in ("error", "warning") and page.troubles.append(message.text))
    page.on("pageerror", lambda error: page.troubles.append(str(error)))
    address = path.as_uri()
    outside = ("http:", "https:", "ws:", "ftp:")
    page.on("request", lambda request: request.url.startswith(outside) and page.troubles.append(request.url))
    page.on("request", lambda request: request.url.startswith("file:") and request.url != address
            and page.troubles.append(request.url))  # fmt: skip
    page.goto(address)
    return page


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
    page.locator("#glance summary").click()
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


def test_choosing_a_branch_shows_its_figures_only(browser, run):
    page = open_page(browser, run / "report.html")
    fewshot, retrain = (
        page.locator("#curve_scene15-resnet18_fewshot_1"),
        page.locator("#curve_scene15-resnet18_retrain_10"),
    )
    assert not fewshot.is_visible() and not retrain.is_visible()
    page.locator("#show-stills").click()
    assert fewshot.is_visible() and not retrain.is_visible()
    page.locator("#curves .chooser button", has_text="with retraining").first.click()
    assert retrain.is_visible() and not fewshot.is_visible()
    page.emulate_media(media="print")
    assert retrain.is_visible() and fewshot.is_visible()


def explorer(browser, run, **options):
    page = open_page(browser, run / "report.html", **options)
    page.locator("#explorer").scroll_into_view_if_needed()
    page.locator("#explorer .chart svg").wait_for()
    return page


def drawn_lines(page) -> int:
    return page.locator("#explorer .chart .mark-line path").count()


def test_the_curves_follow_what_is_chosen(browser, run):
    page = explorer(browser, run)
    assert drawn_lines(page) == 6
    page.locator(".readout li", has_text="random").locator("input").uncheck()
    page.wait_for_function("document.querySelectorAll('#explorer .chart .mark-line path').length === 5")
    before = page.locator("#explorer .chart .mark-line path").first.get_attribute("d")
    page.locator("#explorer label", has_text="with retraining").click()
    page.wait_for_function(
        "before => document.querySelector('#explorer .chart .mark-line path').getAttribute('d') !== before", arg=before
    )
    samples = page.locator("#explorer [name=samples]")
    assert page.evaluate("document.querySelector('#explorer [name=samples]:checked').value") == "10"
    assert [box.is_visible() for box in samples.all()] == [False, True]  # with retraining only 10 was measured
    page.locator("#explorer label", has_text="parameters").click()
    assert page.locator(".across").text_content() == "parameters removed"
    page.locator("#explorer label", has_text="the worst class").click()
    assert "the worst class" in page.locator(".up").text_content() and page.troubles == []


def test_pointing_at_a_curve_reads_its_values_and_says_n(browser, run):
    page = explorer(browser, run)
    chart = page.locator("#explorer .chart")
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    for share in (0.5, 0.52):
        page.mouse.move(box["x"] + share * box["width"], box["y"] + 0.3 * box["height"], steps=4)
    page.locator("#vg-tooltip-element.visible").wait_for()
    words = page.locator("#vg-tooltip-element").text_content()
    assert "criterion" in words and "n, seeds" in words and "smallest seed" in words
    at = float(page.locator(".at").text_content().split("\u00a0")[0])
    curves = pd.read_parquet(run / "tables/curves.parquet")
    own = curves[
        (curves["branch"] == "fewshot") & (curves["samples_per_class"] == "1") & (curves["criterion"] == "lrp")
    ]
    mean = 100 * own[own["rate"] == round(at / 100, 2)]["accuracy"].mean()
    shown = page.locator(".readout li[data-criterion=lrp] output").text_content()
    assert shown == f"{mean:.1f}\u00a0%"


def test_the_slider_reads_values_from_the_keyboard(browser, run):
    page = explorer(browser, run)
    slider = page.locator(".slide input")
    slider.focus()
    before = page.locator(".at").text_content()
    page.keyboard.press("ArrowRight")
    assert page.locator(".at").text_content() != before
    assert slider.get_attribute("aria-valuetext") == page.locator(".at").text_content()
    page.keyboard.press("Home")
    assert page.locator(".at").text_content() == "Unpruned"
    page.locator("#explorer [name=axis]").first.focus()
    page.keyboard.press("ArrowRight")
    assert page.locator(".across").text_content() == "multiply–adds (MACs) removed"


@pytest.mark.parametrize("which", ["run", "hostile"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_violation(browser, request, which, scheme):
    from axe_playwright_python.sync_playwright import Axe

    page = explorer(browser, request.getfixturevalue(which), color_scheme=scheme)
    for summary in page.locator("details:not([open]) > summary").all():
        if summary.is_visible():
            summary.click()
    page.locator("#show-stills").click()
    found = Axe().run(page).response
    serious = [rule for rule in found["violations"] if rule["impact"] in ("serious", "critical")]
    assert [(rule["id"], rule["nodes"][0]["html"]) for rule in serious] == [] and len(found["passes"]) > 20


def test_paper_has_every_curve_and_no_controls(browser, run):
    page = explorer(browser, run)
    page.emulate_media(media="print")
    for figure in page.locator("figure").all():
        assert figure.is_visible()
    for selector in ("#explorer", "nav", "#show-stills", ".chooser >> nth=0"):
        assert not page.locator(selector).is_visible()


def test_without_javascript_every_figure_and_table_is_there(browser, run):
    page = open_page(browser, run / "report.html", java_script_enabled=False)
    figures = page.locator("figure").all()
    assert len(figures) == len(list((run / "figures").glob("*.svg")))
    for figure in figures:
        assert figure.is_visible() and figure.locator("svg").bounding_box()["height"] > 50
    assert not page.locator("#explorer").is_visible() and not page.locator("#show-stills").is_visible()
    assert page.locator(".chooser").count() == 0 and page.locator("#glance tbody tr").count() == 18


@pytest.mark.parametrize("width", [390, 1440])
def test_nothing_is_wider_than_the_window(browser, run, width):
    page = open_page(browser, run / "report.html", viewport={"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_keyboard_reaches_links_tabs_and_headings(browser, run):
    page = open_page(browser, run / "report.html")
    reached = set()
    for _ in range(90):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate("document.activeElement.tagName + '.' + document.activeElement.parentElement.className")
        )
    assert {"A.", "INPUT.", "INPUT.slide", "BUTTON.", "BUTTON.chooser", "SUMMARY.table"} <= reached
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
