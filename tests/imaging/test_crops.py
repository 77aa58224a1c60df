"""Cutting patches, against plain numpy."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from objdisc.imaging.crops import Window, cut
from objdisc.imaging.masks import region_from_mask
from objdisc.types import Region


@pytest.fixture
def image() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(1, 256, size=(40, 60, 3), dtype=np.uint8)


@pytest.fixture
def region() -> Region:
    mask = np.zeros((40, 60), np.bool_)
    mask[5:30, 10:22] = True
    mask[10:12, 12:14] = False
    return region_from_mask(mask)


def naive(image: NDArray[np.uint8], window: Window, mask: NDArray[np.bool_] | None) -> NDArray[np.uint8]:
    """Pixel by pixel, at the window's own size."""
    x, y, side = window
    patch = np.zeros((side, side, 4), np.uint8)
    for row in range(side):
        for column in range(side):
            if 0 <= y + row < image.shape[0] and 0 <= x + column < image.shape[1]:
                patch[row, column, :3] = image[y + row, x + column]
                patch[row, column, 3] = 255 if mask is None or mask[y + row, x + column] else 0
    return patch


WINDOWS = [(10, 5, 25), (-7, -4, 30), (50, 30, 20), (-10, -10, 90), (12, 8, 4), (30, 2, 9)]


@pytest.mark.parametrize("window", WINDOWS)
def test_at_its_own_size_a_patch_is_the_pixels_themselves(
    image: NDArray[np.uint8], region: Region, window: Window
) -> None:
    mask = np.zeros((40, 60), np.bool_)
    mask[5:30, 10:22] = True
    mask[10:12, 12:14] = False
    np.testing.assert_array_equal(cut(image, window, region, window[2]), naive(image, window, mask))
    np.testing.assert_array_equal(cut(image, window, None, window[2]), naive(image, window, None))


def test_beyond_the_frame_all_four_channels_are_zero(image: NDArray[np.uint8]) -> None:
    patch = cut(image, (-20, 0, 20 + 40), None, 60)
    assert not patch[:, :20].any()
    assert (patch[:40, 20:, 3] == 255).all()
    assert not cut(image, (100, 100, 10), None, 8).any()


def test_shrinking_takes_the_mean_of_the_area(image: NDArray[np.uint8], region: Region) -> None:
    window = (10, 4, 32)
    whole = cut(image, window, region, 32).astype(np.float64)
    means = whole.reshape(8, 4, 8, 4, 4).mean(axis=(1, 3))
    np.testing.assert_allclose(cut(image, window, region, 8), means, atol=0.51)


@pytest.mark.parametrize("side", [97, 110, 121, 150, 191, 193, 230, 241, 300, 481, 611])
def test_shrinking_is_close_to_the_mean_of_the_area_at_any_factor(toy_city: Path, side: int) -> None:
    path = min((toy_city / "leftImg8bit" / "val").rglob("*.png"))
    frame = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    assert frame is not None
    large = cv2.resize(frame, None, fx=6, fy=6, interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    mask = np.zeros(large.shape[:2], np.bool_)
    mask[40:200, 70:260] = True
    patch = cut(large, (60, 30, side), region_from_mask(mask), 96)
    exact = np.dstack([large, np.where(mask, 255, 0)])[30 : 30 + side, 60 : 60 + side].astype(np.float64)
    weights = np.zeros((96, side))  # how much of each pixel lies in each of 96 equal parts of the side
    for part in range(96):
        start, stop = part * side / 96, (part + 1) * side / 96
        weights[part] = np.clip(np.minimum(np.arange(side) + 1, stop) - np.maximum(np.arange(side), start), 0, 1)
    weights /= weights.sum(axis=1, keepdims=True)
    means = np.einsum("ij,jkc,lk->ilc", weights, exact, weights, optimize=True)
    difference = np.abs(patch - means)
    assert difference.mean() < 1
    assert np.abs(patch.mean(axis=(0, 1)) - means.mean(axis=(0, 1))).max() < 0.5, "no brighter, no darker"


def test_enlarging_is_linear(image: NDArray[np.uint8], region: Region) -> None:
    window = (8, 3, 30)
    expected = cv2.resize(cut(image, window, region, 30), (96, 96), interpolation=cv2.INTER_LINEAR)
    patch = cut(image, window, region, 96)
    np.testing.assert_array_equal(patch, expected)
    assert set(np.unique(patch[..., 3])) - {0, 255}, "edges of an enlarged mask are soft"


def test_further_channels_are_cut_as_the_first_three_are() -> None:
    """Infrared as a copy of red must come out as red does: shrunk, enlarged, over the border, and with a mask."""
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    infrared = np.concatenate([image, image[..., :1]], axis=2)
    mask = np.zeros((40, 50), np.bool_)
    mask[5:30, 10:40] = True
    region = region_from_mask(mask)
    for window, size in (((5, 3, 30), 30), ((5, 3, 30), 12), ((5, 3, 20), 33), ((-5, -8, 60), 24), ((200, 0, 9), 9)):
        for part in (region, None):
            expected = cut(image, window, part, size)
            found = cut(infrared, window, part, size)
            assert found.shape == (size, size, 5)
            np.testing.assert_array_equal(found[..., [0, 1, 2, 4]], expected)
            np.testing.assert_array_equal(found[..., 3], expected[..., 0])
