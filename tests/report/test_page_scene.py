"""The scene on the page, in a browser: named, undone, saved and loaded like the objects."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from objdisc.imaging.colors import cluster_colors
from objdisc.naming.categories import Names
from objdisc.naming.names_file import read_names, read_scene_names
from objdisc.naming.scenes import SceneNames
from objdisc.report.gallery import ReportData
from objdisc.report.scene import SceneCluster, shown_in

from ..support.report_page import Opener, content, saved

pytestmark = pytest.mark.browser


@pytest.fixture
def with_scene(data: ReportData) -> ReportData:
    picture = np.full((20, 30, 3), 90, np.uint8)
    clusters = [
        SceneCluster(cluster, (40 * cluster, 90, 200), share, "", [("street 1", picture)])
        for cluster, share in enumerate((0.25, 0.75))
    ]
    return replace(data, scene=clusters)


def test_names_of_the_scene_are_saved_undone_and_loaded(
    open_page: Opener, with_scene: ReportData, tmp_path: Path
) -> None:
    page = open_page(with_scene)
    assert page.locator(".scene").evaluate_all("cards => cards.map((card) => card.id)") == ["scene-1", "scene-0"]
    field = page.locator("#scene-1 [data-field=name]")
    field.press_sequentially(" the  road ")
    assert page.locator("#scene-head-1").inner_text().strip() == "Scene 1 the road"
    file = saved(page, tmp_path)
    assert content(file)["version"] == 2
    default = SceneNames.default(cluster_colors(5)[3:])
    assert list(read_scene_names(file, default).names) == ["scene_0", "the road"]
    read_names(file, [with_scene.identity], [True] * 60, Names.default(cluster_colors(3)))
    page.get_by_role("button", name="Undo").click()
    assert field.input_value() == ""
    page.locator("#file").set_input_files(file)
    page.wait_for_function("document.querySelector('#scene-1 [data-field=name]').value === 'the road'")
    page.reload()
    assert page.locator("#scene-1 [data-field=name]").input_value() == "the road"


def test_without_a_scene_files_are_of_version_1(open_page: Opener, data: ReportData, tmp_path: Path) -> None:
    page = open_page(data)
    assert page.locator(".scene").count() == 0
    kept = content(saved(page, tmp_path))
    assert kept["version"] == 1
    assert "scene" not in kept


def test_a_file_of_version_1_names_nothing_of_the_scene(
    open_page: Opener, data: ReportData, with_scene: ReportData, tmp_path: Path
) -> None:
    file = saved(open_page(data), tmp_path)
    page = open_page(with_scene)
    page.locator("#scene-0 [data-field=name]").fill("sky")
    page.locator("#file").set_input_files(file)
    page.wait_for_function("document.querySelector('#scene-0 [data-field=name]').value === ''")
    default = SceneNames.default(cluster_colors(2))
    assert read_scene_names(file, default) == default


def test_a_cluster_keeps_its_colours_and_the_rest_is_paled() -> None:
    image = np.zeros((40, 520, 3), np.uint8)
    image[..., 0] = 200
    inside = np.zeros((40, 520), np.bool_)
    inside[:, :260] = True
    picture = shown_in(image, inside)
    assert picture.shape == (20, 260, 3)
    assert (picture[:, :129] == (200, 0, 0)).all()
    assert (np.ptp(picture[:, 131:].astype(int), axis=2) == 0).all()
    assert picture[:, 131:].min() > 150
