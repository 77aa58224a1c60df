"""The page in a real browser: nothing leaves it, patches open in their frames, and everybody can read and use it."""

from pathlib import Path

import numpy as np
import pytest

from objdisc.io.run import Run
from objdisc.report.gallery import ReportData, write_report

from ..support.report_page import Opener, card, content, patch_of, saved

pytestmark = pytest.mark.browser


def test_a_patch_opens_in_its_frame_with_its_region_outlined(open_page: Opener, data: ReportData) -> None:
    page = open_page(data)
    button, row = patch_of(page, 1, 2)
    button.focus()
    page.keyboard.press("Enter")
    dialog = page.locator("#dialog")
    assert dialog.is_visible()
    patch = data.patches[row]
    href = page.locator("#stage image").get_attribute("href")
    assert str(href).startswith("data:image/jpeg;base64,")
    assert page.locator("#stage").get_attribute("viewBox") == "0 0 200 120"
    box = page.evaluate(
        "(({x, y, width, height}) => [x, y, width, height])(document.querySelector('#stage .line').getBBox())"
    )
    assert np.abs(np.array(box) - patch.region.box).max() <= 2
    assert page.locator("#patch-image").inner_text() == str(data.paths[patch.sample])
    page.keyboard.press("ArrowRight")
    _, following = patch_of(page, 1, 3)
    assert page.locator("#patch-title").inner_text() == f"Patch {following}"
    page.keyboard.press("x")
    assert page.get_by_label("This patch belongs to").input_value() == "-1"
    page.keyboard.press("Escape")
    assert not dialog.is_visible()
    assert page.evaluate("document.activeElement.dataset.patch") == str(following)
    assert card(page, 1).locator(".patch").nth(3).locator(".tag").inner_text() == "rejected"


def test_a_frame_that_is_not_in_the_page_is_said_and_its_patch_shown_in_place(
    open_page: Opener, run: Run, data: ReportData
) -> None:
    write_report(run, data, [], max_frames=1)
    page = open_page()
    only = next(iter(page.locator("[id^=frame-][alt]").all())).get_attribute("alt")
    for place in range(4):
        button, row = patch_of(page, 0, place)
        if not str(only).startswith(data.patches[row].sample):
            break
    button.click()
    assert "not in the page" in page.locator("#frame-note").inner_text()
    assert str(data.paths[data.patches[row].sample]) in page.locator("#patch-image").inner_text()
    x, y, side = data.patches[row].window
    image = page.locator("#stage image")
    assert [image.get_attribute(name) for name in ("x", "y", "width")] == [str(x), str(y), str(side)]


def test_all_of_it_by_keyboard(open_page: Opener, data: ReportData, tmp_path: Path) -> None:
    page = open_page(data)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the clusters"
    card(page, 0).focus()
    page.keyboard.press("j")
    page.keyboard.press("n")
    page.keyboard.type("jx n")  # letters in a field are letters
    page.keyboard.press("Enter")
    page.keyboard.press("k")
    page.keyboard.press("x")
    page.keyboard.press("Control+Shift+Z")
    card(page, 2).focus()
    page.keyboard.press("m")
    page.keyboard.press("ArrowDown")
    for _ in range(3):
        page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    clusters = content(saved(page, tmp_path))["clusters"]
    assert clusters[1]["name"] == "jx n"
    assert clusters[0]["rejected"]
    assert clusters[2]["merged_into"] in {0, 1}


def test_a_row_of_patches_is_one_stop_and_arrows_walk_in_it(open_page: Opener, data: ReportData) -> None:
    page = open_page(data)
    wall = card(page, 0).locator(".wall").first
    assert wall.locator("[tabindex='0']").count() == 1
    wall.locator(".patch").first.focus()
    for key, place in (("ArrowRight", 1), ("End", 11), ("ArrowRight", 11), ("ArrowLeft", 10), ("Home", 0)):
        page.keyboard.press(key)
        row = wall.locator(".patch").nth(place).get_attribute("data-patch")
        assert page.evaluate("document.activeElement.dataset.patch") == row
        assert wall.locator("[tabindex='0']").count() == 1


def test_everything_that_takes_focus_has_a_name(open_page: Opener, data: ReportData) -> None:
    page = open_page(data)
    nameless = page.evaluate(
        """[...document.querySelectorAll('button, input:not([hidden]), select')].filter((element) =>
            !(element.getAttribute('aria-label') || element.textContent).trim()).map((element) => element.outerHTML)"""
    )
    assert nameless == []


def test_names_of_files_are_text(open_page: Opener, data: ReportData) -> None:
    page = open_page(data)
    shown = {image.get_attribute("alt") for image in page.locator("[id^=frame-][alt]").all()}
    assert shown == {f"{name} with its clusters" for name in data.paths}
    evil = next(name for name in data.paths if "<script>" in name)
    for button in page.locator(".patch").all():
        if data.patches[int(button.get_attribute("data-patch") or 0)].sample == evil:
            assert button.get_attribute("title") == evil
            break
    card(page, 0).locator("[data-field=name]").fill("<img src=x onerror=alert(1)>")
    assert page.locator("#cluster-0 h3 img").count() == 0
    assert "<img src=x onerror=alert(1)>" in page.locator("#cluster-0 h3").inner_text()


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_fits_the_screen_and_can_be_read(open_page: Opener, data: ReportData, width: int, scheme: str) -> None:
    page = open_page(data, viewport={"width": width, "height": 844}, color_scheme=scheme)
    button, _ = patch_of(page, 0)
    button.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    box = page.locator("#dialog").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    for selector in ("p", ".faint", "a", "button", ".kind", "td"):
        assert page.evaluate(CONTRAST, selector) >= 4.5, selector
    page.close()


# WCAG 2's contrast ratio of the first element's text with the page's background
CONTRAST = """(selector) => {
  const light = (text) => {
    const [r, g, b] = text.match(/[\\d.]+/g).slice(0, 3)
      .map((value) => value / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ink = getComputedStyle(document.querySelector(selector)).color;
  const [a, b] = [ink, getComputedStyle(document.body).backgroundColor].map(light);
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}"""


def test_without_javascript_the_page_still_shows_everything_but_naming(open_page: Opener, data: ReportData) -> None:
    page = open_page(data, java_script_enabled=False)
    assert page.get_by_text("need JavaScript").is_visible()
    assert not page.locator(".toolbar").is_visible()
    assert page.locator(".patch img").first.is_visible()
    page.close()
