"""How large a report is and how fast it opens: python benchmarks/opening.py results/demo/report.html

Opens the file several times in headless Chromium, each time in a fresh context, and prints the medians of what the
browser itself measured: the first paint, the page read to its end, and the page loaded.
"""

import argparse
import platform
import shutil
import statistics
from pathlib import Path

from playwright.sync_api import sync_playwright

MEASURE = """() => {
  const page = performance.getEntriesByType("navigation")[0];
  const paint = performance.getEntriesByName("first-contentful-paint")[0];
  const read = page.domContentLoadedEventEnd;
  return {"first paint": paint.startTime, "read to the end": read, "loaded": page.loadEventEnd};
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report", type=Path)
    parser.add_argument("--repeats", type=int, default=7)
    chosen = parser.parse_args()
    found = []
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for _ in range(chosen.repeats):
            page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
            page.goto(chosen.report.resolve().as_uri())
            page.wait_for_timeout(300)
            found.append(page.evaluate(MEASURE))
            page.context.close()
        version = browser.version
        browser.close()
    print(f"{platform.machine()}, Chromium {version}, {chosen.report}, {chosen.report.stat().st_size / 1e6:.2f} MB")
    for name in found[0]:
        values = [times[name] for times in found]
        print(f"{name}: median {statistics.median(values):.0f} ms, slowest {max(values):.0f} ms")


if __name__ == "__main__":
    main()
