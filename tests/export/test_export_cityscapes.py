"""Map files as other programs read them: opened here with Pillow, not with the writer's OpenCV."""

from pathlib import Path

import numpy as np
import pytest
from cityscapesscripts.evaluation import evalPixelLevelSemanticLabeling as evaluator
from cityscapesscripts.helpers.labels import id2label
from PIL import Image

from objdisc.errors import ObjdiscError
from objdisc.export.cityscapes import colorize, write_cluster_ids, write_color, write_label_ids
from objdisc.types import UNKNOWN, SegmentationMap

NAMES = ["frankfurt/frankfurt_000000_000294", "plain", "Ferien 2024/Straße/東京 #1.v2", "a/b/c"]
IDS = np.array([[0, 24, 26, 33], [7, 255, 0, 31]], np.uint8)


@pytest.mark.parametrize("name", NAMES)
def test_label_ids_come_back_unchanged_in_one_channel_of_8_bits(tmp_path: Path, name: str) -> None:
    path = write_label_ids(tmp_path / "labelIds", name, IDS)
    assert path == tmp_path / "labelIds" / f"{name}_labelIds.png"
    with Image.open(path) as image:
        assert image.mode == "L"
        assert np.array_equal(np.array(image), IDS)
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == [path], "no temporary file stays"


def test_the_official_evaluator_finds_each_frame_by_its_name(tmp_path: Path) -> None:
    names = ["ulm/ulm_000000_000019", "ulm/ulm_000000_000020", "bad-aibling/bad-aibling_000001_000019"]
    paths = [write_label_ids(tmp_path, name, IDS) for name in names]
    settings = evaluator.CArgs()
    settings.predictionPath, settings.predictionWalk = str(tmp_path), None
    found = [evaluator.getPrediction(settings, f"/gtFine/val/{name}_gtFine_labelIds.png") for name in names]
    assert found == [str(path) for path in paths]


def test_writing_again_replaces_the_map(tmp_path: Path) -> None:
    write_label_ids(tmp_path, "plain", IDS)
    path = write_label_ids(tmp_path, "plain", IDS[:, ::-1].copy())
    with Image.open(path) as image:
        assert np.array_equal(np.array(image), IDS[:, ::-1])


@pytest.mark.parametrize(("num_clusters", "mode", "nothing"), [(3, "L", 255), (254, "L", 255), (255, "I;16", 65535)])
def test_cluster_ids_mark_nothing_by_the_largest_value(
    tmp_path: Path, num_clusters: int, mode: str, nothing: int
) -> None:
    clusters = np.array([[-1, 0], [num_clusters - 1, 1]], np.int16)
    segmentation = SegmentationMap("a b/c", clusters, np.ones((2, 2), np.float32))
    path = write_cluster_ids(tmp_path, segmentation, num_clusters)
    assert path == tmp_path / "a b/c_clusterIds.png"
    with Image.open(path) as image:
        assert image.mode == mode
        assert np.array(image).tolist() == [[nothing, 0], [num_clusters - 1, 1]]


def test_colors_are_the_published_ones(tmp_path: Path) -> None:
    colors = {label: id2label[label].color for label in (0, 7, 24, 26, 31, 33)}
    path = write_color(tmp_path / "color", NAMES[0], IDS, colors)
    with Image.open(path) as image:
        assert image.mode == "RGB"
        written = np.array(image)
    for y, x in np.ndindex(IDS.shape):
        assert tuple(written[y, x]) == colors.get(int(IDS[y, x]), (0, 0, 0))


def test_cluster_maps_are_black_where_nothing_was_found() -> None:
    colored = colorize(np.array([[-1, 0, 1]], np.int16), {-1: (9, 9, 9), 0: (1, 2, 3)})
    assert colored.tolist() == [[[0, 0, 0], [1, 2, 3], [0, 0, 0]]]


def test_without_any_color_all_is_black() -> None:
    assert not colorize(IDS, {}).any()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "labelIds").write_text("a file")
    with pytest.raises(ObjdiscError, match="labelIds"):
        write_label_ids(tmp_path / "labelIds", "plain", IDS)


@pytest.mark.parametrize(("num_clusters", "unknown"), [(254, 254), (255, 65534)])
def test_what_is_unknown_has_a_value_of_its_own(tmp_path: Path, num_clusters: int, unknown: int) -> None:
    clusters = np.array([[UNKNOWN, -1, num_clusters - 1, 0]], np.int16)
    path = write_cluster_ids(tmp_path, SegmentationMap("street", clusters, np.zeros((1, 4), np.float32)), num_clusters)
    written = np.array(Image.open(path)).astype(int)
    assert written.tolist() == [[unknown, unknown + 1, num_clusters - 1, 0]]


def test_what_is_unknown_may_have_a_colour() -> None:
    ids = np.array([[UNKNOWN, -1, 0, 1]], np.int16)
    grey, red = (128, 128, 128), (255, 0, 0)
    found = colorize(ids, {UNKNOWN: grey, 1: red, -1: (9, 9, 9)})
    assert found.tolist() == [[list(grey), [0, 0, 0], [0, 0, 0], list(red)]]
    assert colorize(ids, {1: red}).tolist() == [[[0, 0, 0], [0, 0, 0], [0, 0, 0], list(red)]]
