"""The page in a real browser: what a person says about the clusters is kept, counted and comes out."""

from dataclasses import replace
from pathlib import Path

import pytest

from objdisc.imaging.colors import cluster_colors
from objdisc.io.run import Run
from objdisc.naming.categories import Names
from objdisc.naming.names_file import read_names
from objdisc.report.gallery import ReportData

from ..support.report_page import Opener, card, categories, content, merge, patch_of, saved

pytestmark = pytest.mark.browser


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
