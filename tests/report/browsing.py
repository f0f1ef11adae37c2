"""A page in a real browser that records what goes wrong, for the tests of the page and of its curves."""

import shutil

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
MARKS = [
    pytest.mark.slow,
    pytest.mark.skipif(
        CHROMIUM is None, reason="no Chromium on this machine: install it to test the page in a browser"
    ),
]
QUIET = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync",
         "--disable-component-update"]  # fmt: skip


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


def shown(page, selector: str) -> list[str]:
    """Ids of the elements of a kind that can be seen."""
    return [element.get_attribute("id") for element in page.locator(selector).all() if element.is_visible()]


def explorer(browser, run, **options):
    page = open_page(browser, run / "report.html", **options)
    page.locator("#explorer").scroll_into_view_if_needed()
    page.locator("#explorer .chart svg").wait_for()
    return page
