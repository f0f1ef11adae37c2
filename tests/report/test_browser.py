"""The page in a real browser: no error, no request, sorting and choosing work, and all is there without JavaScript."""

import shutil

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
    assert page.locator("script").count() == 1


def test_clicking_a_heading_sorts_and_clicking_again_turns_the_order(browser, run):
    page = open_page(browser, run / "report.html")
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
    assert fewshot.is_visible() and not retrain.is_visible()
    page.locator("#curves .chooser button", has_text="with retraining").first.click()
    assert retrain.is_visible() and not fewshot.is_visible()
    page.emulate_media(media="print")
    assert retrain.is_visible() and fewshot.is_visible()


def test_without_javascript_every_figure_and_table_is_there(browser, run):
    page = open_page(browser, run / "report.html", java_script_enabled=False)
    figures = page.locator("figure").all()
    assert len(figures) == len(list((run / "figures").glob("*.svg")))
    for figure in figures:
        assert figure.is_visible() and figure.locator("svg").bounding_box()["height"] > 50
    assert page.locator(".chooser").count() == 0 and page.locator("#glance tbody tr").count() == 18


@pytest.mark.parametrize("width", [390, 1440])
def test_nothing_is_wider_than_the_window(browser, run, width):
    page = open_page(browser, run / "report.html", viewport={"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_keyboard_reaches_links_tabs_and_headings(browser, run):
    page = open_page(browser, run / "report.html")
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate("document.activeElement.tagName + '.' + document.activeElement.parentElement.className")
        )
    assert {"A.", "BUTTON.chooser", "SUMMARY.table"} <= reached
    assert page.evaluate("[...document.querySelectorAll('button, a, summary')].every(e => e.textContent.trim())")


def test_text_stands_out_from_its_background(browser, run):
    for scheme in ("light", "dark"):
        page = open_page(browser, run / "report.html", color_scheme=scheme)
        for selector in ("body", ".words", ".badge", ".mini", "figcaption", "nav a", "#answer th", ".leader"):
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
