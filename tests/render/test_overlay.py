"""Overlays: the picture stays, regions are coloured, the legend says what they are."""

import numpy as np
import pytest
from numpy.typing import NDArray

from objdisc.imaging.colors import cluster_colors
from objdisc.render.overlay import UNKNOWN_COLOR, SceneLayer, draw, paint
from objdisc.types import UNKNOWN, SegmentationMap


def _map(clusters: NDArray[np.int16]) -> SegmentationMap:
    return SegmentationMap("city/frame", clusters, np.where(clusters >= 0, 0.9, 0).astype(np.float32))


@pytest.fixture
def image() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (240, 480, 3), np.uint8)


@pytest.fixture
def clusters() -> NDArray[np.int16]:
    clusters = np.full((240, 480), -1, np.int16)
    clusters[40:120, 60:200] = 0
    clusters[100:200, 300:400] = 2
    return clusters


def test_pixels_away_from_regions_stay(image: NDArray[np.uint8], clusters: NDArray[np.int16]) -> None:
    painted = paint(image, clusters, cluster_colors(3))
    away = np.ones(clusters.shape, bool)
    away[35:125, 55:205] = away[95:205, 295:405] = False
    assert np.array_equal(painted[away], image[away])


def test_inside_is_a_mixture_and_the_edge_the_pure_colour(
    image: NDArray[np.uint8], clusters: NDArray[np.int16]
) -> None:
    colors = cluster_colors(3)
    painted = paint(image, clusters, colors)
    inside, mixed = image[50:110, 70:190].astype(float), painted[50:110, 70:190].astype(float)
    assert (np.abs(mixed - colors[0]) <= np.abs(inside - colors[0]) + 1).all()  # nearer to the colour
    assert np.corrcoef(inside.ravel(), mixed.ravel())[0, 1] > 0.7  # and the image shines through
    assert np.array_equal(painted[40, 100], colors[0])
    assert painted[39, 100].astype(int).sum() <= image[39, 100].astype(int).sum() * 0.5  # dark line outside
    assert np.array_equal(painted[150, 300], colors[2])


def test_touching_clusters_have_an_edge_between_them(image: NDArray[np.uint8]) -> None:
    clusters = np.zeros((240, 480), np.int16)
    clusters[:, 240:] = 1
    colors = cluster_colors(2)
    painted = paint(image, clusters, colors)
    assert (painted[:, 239] == colors[0]).all()
    assert (painted[:, 240] == colors[1]).all()


@pytest.mark.parametrize("size", [(360, 480), (1024, 2048), (32, 32), (227, 320)])
def test_legend_is_below_and_names_only_what_is_there(size: tuple[int, int]) -> None:
    clusters = np.full(size, -1, np.int16)
    clusters[: size[0] // 2] = 1
    colors = cluster_colors(3)
    image = np.full((*size, 3), 90, np.uint8)
    drawn = draw(image, _map(clusters), colors)
    factor = drawn.shape[1] // size[1]
    assert drawn.shape[1] == size[1] * factor >= 320
    legend = drawn[size[0] * factor :]
    assert 20 <= len(legend) <= 0.5 * drawn.shape[1]
    swatches = [int((legend == color).all(axis=-1).sum()) for color in colors]
    assert swatches[1] >= 100
    assert swatches[0] == swatches[2] == 0


def test_names_change_the_legend_only(image: NDArray[np.uint8], clusters: NDArray[np.int16]) -> None:
    plain = draw(image, _map(clusters), cluster_colors(3))
    named = draw(image, _map(clusters), cluster_colors(3), {2: "Fußgänger"})
    assert np.array_equal(plain[:240], named[:240])
    assert not np.array_equal(plain[240:], named[240 : len(plain)])


def test_long_names_and_many_clusters_fit(image: NDArray[np.uint8]) -> None:
    clusters = np.full((240, 480), -1, np.int16)
    for cluster in range(60):
        clusters[4 * cluster : 4 * cluster + 4, :200] = cluster
    drawn = draw(image, _map(clusters), cluster_colors(60), {0: "a name " * 40})
    assert drawn.shape[1] == 480
    assert len(drawn) - 240 < 30 * 30
    assert (drawn[240:, -3:] == 255).all()  # nothing runs over the border


def test_nothing_found_is_said(image: NDArray[np.uint8]) -> None:
    drawn = draw(image, _map(np.full((240, 480), -1, np.int16)), cluster_colors(3))
    assert np.array_equal(drawn[:240], image)
    assert drawn[240:].min() < 200


def test_inputs_are_left_alone(image: NDArray[np.uint8], clusters: NDArray[np.int16]) -> None:
    before = image.copy(), clusters.copy()
    draw(image, _map(clusters), cluster_colors(3))
    assert np.array_equal(image, before[0])
    assert np.array_equal(clusters, before[1])


def test_map_of_another_size_is_refused(clusters: NDArray[np.int16]) -> None:
    with pytest.raises(ValueError, match=r"city/frame.*\(100, 100\)"):
        draw(np.zeros((100, 100, 3), np.uint8), _map(clusters), cluster_colors(3))


def test_what_is_unknown_is_grey_and_listed(image: NDArray[np.uint8], clusters: NDArray[np.int16]) -> None:
    known = draw(image, _map(clusters), cluster_colors(3))
    unknown = clusters.copy()
    unknown[unknown == 2] = UNKNOWN
    picture = draw(image, _map(unknown), cluster_colors(3))
    grey = (picture == UNKNOWN_COLOR).all(axis=-1)
    assert grey[100:200, 300:400].sum() > 100  # the outline
    assert grey[240:].sum() > 100  # the swatch
    assert not (known == UNKNOWN_COLOR).all(axis=-1)[240:].any()
    middle = picture[110:190, 310:390].astype(float)
    np.testing.assert_allclose(middle, 0.58 * image[110:190, 310:390] + 0.42 * 128, atol=1)


@pytest.mark.parametrize("width", [480, 100])
def test_a_scene_lies_flat_below_outlined_objects_and_has_a_legend_of_its_own(width: int) -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (60, width, 3), np.uint8)
    clusters = np.full((60, width), -1, np.int16)
    clusters[10:30, 20:60] = 1
    colors = cluster_colors(5)
    below = np.repeat([0, 1], 30)[:, None].repeat(width, axis=1).astype(np.int16)
    scene = SceneLayer(below, colors[3:], {0: "sky"})
    alone = draw(image, _map(clusters), colors[:3])
    both = draw(image, _map(clusters), colors[:3], scene=scene)
    factor = alone.shape[1] // width
    assert both.shape[0] > alone.shape[0]
    assert both.shape[1] == alone.shape[1]
    flat = (0.58 * image + 0.42 * colors[3 + below]).round().astype(np.uint8)
    expected = flat.repeat(factor, axis=0).repeat(factor, axis=1)
    np.testing.assert_allclose(both[35 * factor : 60 * factor], expected[35 * factor :], atol=1)
    inside = np.s_[15 * factor : 25 * factor, 30 * factor : 50 * factor]
    np.testing.assert_allclose(both[inside], expected[inside], atol=1)
    np.testing.assert_array_equal(both[20 * factor, 20 * factor], colors[1])
