"""The page in a real browser takes names files back, and refuses wrong ones."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from objdisc.imaging.colors import cluster_colors
from objdisc.io.run import Run
from objdisc.naming.categories import Names
from objdisc.naming.names_file import read_names
from objdisc.report.gallery import ReportData

if TYPE_CHECKING:
    from playwright.sync_api import Browser

from ..support.report_page import Opener, card, content, merge, patch_of, saved

pytestmark = pytest.mark.browser


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
        (lambda file: file | {"version": 3}, "it is of version 3"),
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
