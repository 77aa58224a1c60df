"""The page in a real browser: nothing leaves it, and what a person says about the clusters is kept and comes out."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from objdisc.imaging.colors import cluster_colors
from objdisc.io.run import Run
from objdisc.naming.categories import Names
from objdisc.naming.names_file import read_names
from objdisc.report.gallery import ReportData, write_report

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

Opener = Callable[..., "Page"]

PATIENCE = 120_000  # milliseconds: machines that run tests do other things too


@pytest.fixture
def open_page(browser: "Browser", run: Run) -> Iterator[Opener]:
    """Give a function that opens the report; at the end nothing may have failed, and no request have left the page."""
    complaints: list[str] = []
    context = browser.new_context()
    context.set_default_timeout(PATIENCE)

    def opened(data: ReportData | None = None, **settings: Any) -> "Page":
        if data is not None:
            write_report(run, data, [])
        page = browser.new_page(**settings) if settings else context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda message: complaints.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.on("request", lambda request: None if _stays(request.url) else complaints.append(request.url))
        page.goto(run.report.as_uri())
        return page

    def _stays(url: str) -> bool:
        return url.startswith(("data:", "blob:")) or url.split("#")[0] == run.report.as_uri()

    yield opened
    context.close()
    assert complaints == []


def card(page: "Page", cluster: int) -> Any:
    return page.locator(f"#cluster-{cluster}")


def merge(page: "Page", cluster: int, into: int) -> None:
    select = card(page, cluster).locator("[data-field=merged_into]")
    select.focus()
    select.select_option(str(into))


def patch_of(page: "Page", cluster: int, place: int = 0) -> tuple[Any, int]:
    """Return a patch's button and its row."""
    button = card(page, cluster).locator(".patch").nth(place)
    return button, int(button.get_attribute("data-patch"))


def saved(page: "Page", folder: Path) -> Path:
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Save names.json").click()
    assert waiting.value.suggested_filename == "names.json"
    path = folder / "names.json"
    waiting.value.save_as(path)
    return path


def categories(page: "Page") -> list[str]:
    page.locator("#outcome summary").click()
    page.wait_for_selector("#categories li")
    return [str(text) for text in page.locator("#categories li").all_text_contents()]


def content(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def test_naming_survives_undo_reload_and_goes_out_as_names_json(
    open_page: Opener, data: ReportData, tmp_path: Path
) -> None:
    page = open_page(data)
    card(page, 0).locator("[data-field=name]").fill("Fußgänger 人  and co")
    card(page, 0).locator("[data-field=color]").fill("#3366cc")
    merge(page, 2, 0)
    card(page, 1).locator("[data-field=rejected]").check()
    button, moved = patch_of(page, 0)
    button.click()
    page.get_by_label("This patch belongs to").select_option("1")
    page.keyboard.press("Escape")
    button, rejected = patch_of(page, 1)
    button.focus()
    page.keyboard.press("Delete")
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+y")
    page.get_by_role("button", name="Redo").click()
    page.reload()
    assert card(page, 0).locator("[data-field=name]").input_value() == "Fußgänger 人 and co"
    assert page.locator("#status").inner_text() == "Gone on from what this browser kept."
    path = saved(page, tmp_path)
    colors = ["#{:02x}{:02x}{:02x}".format(*color) for color in cluster_colors(3).tolist()]
    assert content(path) == {
        "format": "objdisc-names",
        "version": 1,
        "run": data.identity,
        "num_clusters": 3,
        "clusters": [
            {"cluster": 0, "name": "Fußgänger 人 and co", "color": "#3366cc", "merged_into": None, "rejected": False},
            {"cluster": 1, "name": "", "color": colors[1], "merged_into": None, "rejected": True},
            {"cluster": 2, "name": "", "color": colors[2], "merged_into": 0, "rejected": False},
        ],
        "moved": sorted(
            [{"patch": moved, "cluster": 1}, {"patch": rejected, "cluster": -1}],
            key=lambda entry: int(entry["patch"]),
        ),
    }
    names = read_names(path, [data.identity], [True] * 60, Names.default(cluster_colors(3)))
    (category,) = names.categories
    assert (category.name, category.clusters, category.color) == ("Fußgänger 人 and co", (0, 2), (0x33, 0x66, 0xCC))
    assert names.moved == {moved: 1, rejected: -1}


def test_undo_after_reload_goes_back_to_the_start(open_page: Opener, data: ReportData, tmp_path: Path) -> None:
    page = open_page(data)
    start = content(saved(page, tmp_path))
    card(page, 1).locator("[data-field=name]").press_sequentially("wagon")
    merge(page, 0, 1)
    button, _ = patch_of(page, 2)
    button.focus()
    page.keyboard.press("Delete")
    page.reload()
    undo = page.get_by_role("button", name="Undo")
    for _ in range(3):  # a word is one step, however many letters were typed
        undo.click()
    assert undo.is_disabled()
    assert content(saved(page, tmp_path)) == start


def test_a_saved_file_comes_back_in_another_browser(
    open_page: Opener, browser: "Browser", run: Run, data: ReportData, tmp_path: Path
) -> None:
    page = open_page(data)
    card(page, 0).locator("[data-field=name]").fill("car")
    merge(page, 1, 0)
    button, _ = patch_of(page, 2)
    button.focus()
    page.keyboard.press("Delete")
    path = saved(page, tmp_path)
    other = open_page(viewport={"width": 390, "height": 844})  # a context of its own: it remembers nothing
    assert card(other, 0).locator("[data-field=name]").input_value() == ""
    other.locator("#file").set_input_files(path)
    other.wait_for_function("document.getElementById('status').textContent.includes('loaded')")
    assert card(other, 1).locator(".note").text_content() == "part of 0 car"
    (tmp_path / "again").mkdir()
    assert content(saved(other, tmp_path / "again")) == content(path)
    other.get_by_role("button", name="Undo").click()
    assert card(other, 0).locator("[data-field=name]").input_value() == ""
    other.close()


@pytest.mark.parametrize(
    ("edit", "complaint"),
    [
        (lambda file: file | {"run": "f" * 32}, "it belongs to another run"),
        (lambda file: file | {"num_clusters": 4}, "it belongs to another run"),
        (lambda file: file | {"version": 2}, "it is of version 2"),
        (lambda file: [file], "it is not a names file"),
        (lambda file: None, "it is not a names file"),
        (lambda file: file | {"clusters": [{"cluster": 3}]}, "there is no cluster 3"),
        (lambda file: file | {"clusters": [{"cluster": 0, "name": 5}]}, "its name is no text"),
        (lambda file: file | {"clusters": [{"cluster": 0, "color": "red"}]}, "its color is not like #3366cc"),
        (lambda file: file | {"clusters": [{"cluster": 0, "merged_into": 9}]}, "it is merged into no cluster"),
        (
            lambda file: file | {"clusters": [{"cluster": n, "merged_into": 1 - n} for n in (0, 1)]},
            "its clusters are merged in a circle",
        ),
        (lambda file: file | {"moved": [{"patch": 60, "cluster": 0}]}, "there is no patch 60"),
        (lambda file: file | {"moved": [{"patch": 0, "cluster": -2}]}, "there is no cluster -2"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line_and_changes_nothing(
    open_page: Opener, data: ReportData, tmp_path: Path, edit: Callable[[Any], Any], complaint: str
) -> None:
    page = open_page(data)
    card(page, 0).locator("[data-field=name]").fill("car")
    before = content(saved(page, tmp_path))
    wrong = tmp_path / "wrong.json"
    wrong.write_text(json.dumps(edit(before)), encoding="utf-8")
    page.locator("#file").set_input_files(wrong)
    page.wait_for_function("document.getElementById('status').textContent.includes('not loaded')")
    assert complaint in page.locator("#status").inner_text()
    assert content(saved(page, tmp_path)) == before


def test_clusters_are_never_merged_in_a_circle(open_page: Opener, data: ReportData) -> None:
    page = open_page(data)
    merge(page, 0, 1)
    merge(page, 1, 2)
    select = card(page, 2).locator("[data-field=merged_into]")
    select.focus()
    assert select.locator("option").all_inner_texts() == ["– keep apart –"]
    assert card(page, 0).locator("[data-field=name]").is_disabled()
    card(page, 2).locator("[data-field=name]").fill("all of it")
    assert card(page, 0).locator(".note").inner_text() == "part of 2 all of it"
    assert page.locator("#result").inner_text() == "1 category, 0 patches rejected"
    assert categories(page) == [" all of it: 60 patches (clusters 0, 1, 2)"]


def test_result_counts_patches_as_the_export_will(open_page: Opener, data: ReportData, tmp_path: Path) -> None:
    page = open_page(data)
    for cluster, name in ((0, "car"), (2, " car ")):
        card(page, cluster).locator("[data-field=name]").fill(name)
    for cluster in (0, 1):
        button, _ = patch_of(page, cluster)
        button.focus()
        page.keyboard.press("Delete")
    button, _ = patch_of(page, 1, 1)
    button.click()
    page.get_by_label("This patch belongs to").select_option("0")
    page.keyboard.press("Escape")
    names = read_names(saved(page, tmp_path), [data.identity], [True] * 60, Names.default(cluster_colors(3)))
    found = names.categories_of(data.assignments)
    sizes = [int((found == category.id).sum()) for category in names.categories]
    assert categories(page) == [
        f" car: {sizes[0]} patches (clusters 0, 2)",
        f" cluster 1: {sizes[1]} patches",
    ]
    assert page.locator("#result").inner_text() == "2 categories, 2 patches rejected"


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
    open_page: Opener, data: ReportData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("objdisc.report.cards._MAX_FRAMES", 1)
    page = open_page(data)
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


def test_two_tabs_of_one_run_agree(open_page: Opener, data: ReportData) -> None:
    first, second = open_page(data), open_page()
    card(first, 0).locator("[data-field=name]").fill("car")
    second.wait_for_function("document.querySelector('#cluster-0 [data-field=name]').value === 'car'")
    card(second, 1).locator("[data-field=name]").fill("bus")
    first.wait_for_function("document.querySelector('#cluster-1 [data-field=name]').value === 'bus'")
    for page in (first, second):
        assert [card(page, number).locator("[data-field=name]").input_value() for number in (0, 1)] == ["car", "bus"]


def test_runs_do_not_share_names(open_page: Opener, data: ReportData) -> None:
    page = open_page(data)
    card(page, 0).locator("[data-field=name]").fill("car")
    other = open_page(replace(data, identity="e" * 32))
    assert card(other, 0).locator("[data-field=name]").input_value() == ""


def test_a_browser_that_keeps_nothing_is_said(open_page: Opener, run: Run, data: ReportData) -> None:
    page = open_page(data)
    page.add_init_script(
        "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError'); } })"
    )
    page.reload()
    assert page.locator("#forgetful").is_visible()
    card(page, 0).locator("[data-field=name]").fill("car")
    assert page.locator("#cluster-0 h3").inner_text().strip() == "Cluster 0 car"


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


def test_a_file_that_rejects_what_it_merges_can_be_mended(open_page: Opener, data: ReportData, tmp_path: Path) -> None:
    page = open_page(data)
    file = content(saved(page, tmp_path))
    file["clusters"][1] |= {"merged_into": 0, "rejected": True}
    file["clusters"][2] |= {"merged_into": 1}
    (tmp_path / "odd.json").write_text(json.dumps(file), encoding="utf-8")
    page.locator("#file").set_input_files(tmp_path / "odd.json")
    page.wait_for_function("document.getElementById('status').textContent.includes('loaded')")
    names = read_names(tmp_path / "odd.json", [data.identity], [True] * 60, Names.default(cluster_colors(3)))
    assert names.rejected == (1, 2)
    sizes = [shown.size for shown in data.clusters]
    assert page.locator("#result").inner_text() == f"1 category, {sizes[1] + sizes[2]} patches rejected"
    card(page, 1).locator("[data-field=rejected]").uncheck()
    assert page.locator("#result").inner_text() == "1 category, 0 patches rejected"
