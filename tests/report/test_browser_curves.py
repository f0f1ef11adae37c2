"""The interactive curves in a real browser: they follow what is chosen, and tell their values."""

import pandas as pd

from browsing import MARKS, explorer

pytestmark = MARKS


def drawn_lines(page) -> int:
    return page.locator("#explorer .chart .mark-line path").count()


def test_the_curves_follow_what_is_chosen(browser, run):
    page = explorer(browser, run)
    assert drawn_lines(page) == 6
    page.locator(".readout li", has_text="random").locator("input").uncheck()
    page.wait_for_function("document.querySelectorAll('#explorer .chart .mark-line path').length === 5")
    before = page.locator("#explorer .chart .mark-line path").first.get_attribute("d")
    page.select_option("#selector [name=branch]", "retrain")
    page.wait_for_function(
        "before => document.querySelector('#explorer .chart .mark-line path').getAttribute('d') !== before", arg=before
    )
    assert "with retraining · 10 reference images" in page.locator(".what").text_content()
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
        (curves["branch"] == "fewshot") & (curves["samples_per_class"] == "10") & (curves["criterion"] == "lrp")
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
