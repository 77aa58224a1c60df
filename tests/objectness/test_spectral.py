"""Regions of plain photos from normalised cuts: what they find, how they are ranked, and pictures of every shape."""

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from objdisc.clustering.normalized_cut import SimilarityGraph, dense_second_eigenvector
from objdisc.commands.benchmark.spectral import generated_features
from objdisc.datasets.imagefolder import ImageFolder
from objdisc.errors import UsageError
from objdisc.objectness.base import decode_mask
from objdisc.objectness.spectral import Spectral, cut_parts
from objdisc.types import Region

SMALL: dict[str, Any] = {"encoder": "segnet:S,16,M,32,M,64,M,64", "weights": "none", "side": 96, "tokens": 600}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> ImageFolder:
    folder = tmp_path_factory.mktemp("photos")
    cv2.imwrite(str(folder / "a.png"), two_things()[..., ::-1])
    return ImageFolder(folder)


def two_things() -> NDArray[np.uint8]:
    """A red disc and a blue square on a slowly changing green, with some noise."""
    image = np.zeros((120, 160, 3), np.float64)
    image[..., 1] = np.linspace(90, 130, 160)
    cv2.circle(image, (45, 50), 22, (200, 40, 30), -1)
    cv2.rectangle(image, (100, 60), (135, 95), (40, 50, 210), -1)
    return (image + np.random.default_rng(0).normal(0, 4, image.shape)).clip(0, 255).astype(np.uint8)


def things() -> list[NDArray[np.bool_]]:
    masks = [np.zeros((120, 160), np.uint8) for _ in range(2)]
    cv2.circle(masks[0], (45, 50), 22, 1, -1)
    cv2.rectangle(masks[1], (100, 60), (135, 95), 1, -1)
    return [mask.astype(np.bool_) for mask in masks]


def found(photos: ImageFolder, image: NDArray[np.uint8], **settings: Any) -> list[Region]:
    return Spectral(**{**SMALL, **settings}).regions(photos, photos.samples[0], image)


def pixels(region: Region) -> NDArray[np.bool_]:
    assert region.mask is not None
    return decode_mask(region.mask)


def iou(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return float((one & other).sum() / (one | other).sum())


def test_things_on_a_plain_ground_are_found_by_a_network_that_knows_nothing(photos: ImageFolder) -> None:
    regions = found(photos, two_things())
    for thing in things():
        assert max(iou(pixels(region), thing) for region in regions) > 0.6


def test_the_best_come_first_and_there_are_no_more_than_asked_for(photos: ImageFolder) -> None:
    regions = found(photos, two_things(), most=20)
    scores = [region.score for region in regions]
    assert 2 <= len(regions) <= 20
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert all(region.area == pixels(region).sum() for region in regions)
    assert regions[:3] == found(photos, two_things(), most=3)


def test_parts_are_connected_and_each_split_parts_one_that_was_there() -> None:
    graph = SimilarityGraph.of_features(generated_features(14), 0.3)
    parts = cut_parts(graph, (14, 14), 6)
    assert len(parts) >= 7
    for part in parts:
        assert cv2.connectedComponents(part.astype(np.uint8), connectivity=4)[0] == 2
    assert sum(part.sum() for part in cut_parts(graph, (14, 14), 1)) == 14 * 14
    assert len({part.tobytes() for part in parts}) == len(parts)


def test_a_dense_solver_gives_the_same_parts() -> None:
    graph = SimilarityGraph.of_features(generated_features(20), 0.3)
    quick = cut_parts(graph, (20, 20), 8)
    exact = cut_parts(graph, (20, 20), 8, dense_second_eigenvector)
    # which side of a split comes first may differ by the sign of an eigenvector
    assert {part.tobytes() for part in quick} == {part.tobytes() for part in exact}
    assert len(quick) > 8


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (7, 5), (1, 300), (900, 12)])
def test_pictures_of_any_shape_pass(photos: ImageFolder, shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    for region in found(photos, image):
        x, y, width, height = region.box
        assert x + width <= shape[1]
        assert y + height <= shape[0]


def test_a_picture_of_one_colour_holds_nothing_and_grey_ones_pass(photos: ImageFolder) -> None:
    assert found(photos, np.full((50, 70, 3), 128, np.uint8)) == []
    grey = np.repeat(two_things()[..., :1], 3, axis=2)
    assert len(found(photos, grey)) > 1
    assert len(found(photos, grey[..., :1])) > 1


def test_the_key_tells_settings_and_weights_apart() -> None:
    plain = Spectral(**SMALL)
    assert plain.in_process
    assert plain.fingerprint() == Spectral(**SMALL).fingerprint()
    others: list[dict[str, Any]] = [{"most": 5}, {"cuts": 9}, {"tokens": 99}, {"side": 32}, {"threshold": 0.5}]
    others += [{"encoder": "segnet:S,8,M,16,M"}]
    keys = {str(Spectral(**{**SMALL, **other}).fingerprint()) for other in others}
    assert len(keys | {str(plain.fingerprint())}) == 1 + len(others)


@pytest.mark.parametrize("bad", [{"most": 0}, {"cuts": 0}, {"tokens": 3}, {"side": 0}, {"threshold": 1.5}])
def test_settings_out_of_range_say_what_to_give(bad: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="start at 1"):
        Spectral(**{**SMALL, **bad})


def test_an_encoder_without_maps_says_what_to_take(photos: ImageFolder) -> None:
    with pytest.raises(UsageError, match="no blocks to look into"):
        found(photos, two_things(), encoder="jule16")
