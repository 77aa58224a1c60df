"""Views against albumentations: the same parameters give the same pixels, and parameters are drawn as it draws them."""

import random
from typing import Any

import albumentations as A
import cv2
import numpy as np
import pytest
from albumentations.augmentations.pixel import functional as pixel
from numpy.typing import NDArray
from scipy import stats

from objdisc.augmentation.chance import mixed_seeds
from objdisc.augmentation.color import brightened, contrasted, draw_colors, grey_of, hued, recolor, saturated
from objdisc.augmentation.crop import draw_crops, draw_flips, resized

SIDE = 48
Pixels = NDArray[np.uint8]


@pytest.fixture(scope="module")
def picture() -> Pixels:
    """``(48, 48, 4)``: soft colours, and a mask with a border."""
    rng = np.random.default_rng(0)
    rough = cv2.resize(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8), (SIDE, SIDE))
    mask = np.zeros((SIDE, SIDE, 1), np.uint8)
    mask[6:40, 10:30] = 255
    return np.concatenate([rough, mask], axis=2)


@pytest.mark.parametrize("factor", [0.6, 0.93, 1.0, 1.4])
def test_colours_change_as_albumentations_changes_them(picture: Pixels, factor: float) -> None:
    rgb = np.ascontiguousarray(picture[..., :3])
    pairs = [
        (brightened(rgb, factor), pixel.adjust_brightness_torchvision(rgb, np.array(factor))),
        (contrasted(rgb, factor), pixel.adjust_contrast_torchvision(rgb, factor)),
        (saturated(rgb, factor), pixel.adjust_saturation_torchvision(rgb, factor)),
    ]
    for found, expected in pairs:
        assert np.abs(found.astype(int) - expected).max() <= 1  # it cuts off what is rounded here
    np.testing.assert_array_equal(hued(rgb, factor - 1), pixel.adjust_hue_torchvision(rgb, factor - 1))
    np.testing.assert_array_equal(grey_of(rgb), pixel.to_gray(rgb, 3, "weighted_average"))


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]])
def test_colours_change_in_the_order_that_was_drawn(picture: Pixels, order: list[int]) -> None:
    rgb = np.ascontiguousarray(picture[..., :3])
    jitter = A.ColorJitter(p=1)
    expected = jitter.apply(rgb, brightness=1.2, contrast=0.7, saturation=1.3, hue=0.1, order=order)
    view = picture.copy()
    recolor(view, [1.2, 0.7, 1.3, 0.1], order, grey=False)
    difference = np.abs(view[..., :3].astype(int) - expected)
    assert difference.mean() < 1.5, "it cuts off what is rounded here, up to four times"
    assert np.quantile(difference, 0.99) <= 6, "the hue of what is almost grey turns on a level"
    np.testing.assert_array_equal(view[..., 3], picture[..., 3])


def test_crops_are_enlarged_as_albumentations_enlarges_them(picture: Pixels) -> None:
    crops = draw_crops(0.3, SIDE, mixed_seeds(np.arange(20))).tolist()
    for crop in crops:
        left, top, right, bottom = crop
        there = A.Compose([A.Crop(left, top, right, bottom), A.Resize(SIDE, SIDE)])
        expected = there(image=np.ascontiguousarray(picture[..., :3]))["image"]
        np.testing.assert_array_equal(resized(picture, crop, mirrored=False)[..., :3], expected)
        np.testing.assert_array_equal(resized(picture, crop, mirrored=True)[..., :3], expected[:, ::-1])


@pytest.mark.parametrize("smallest", [0.08, 0.5, 0.9])
def test_crops_are_drawn_as_albumentations_draws_them(smallest: float) -> None:
    shape = {"shape": (SIDE, SIDE, 3)}
    drawer: Any = A.RandomResizedCrop((SIDE, SIDE), scale=(smallest, 1.0), ratio=(3 / 4, 4 / 3))
    drawer.py_random = random.Random(0)
    theirs = [drawer.get_params_dependent_on_data(shape, {})["crop_coords"] for _ in range(3000)]
    ours = draw_crops(smallest, SIDE, mixed_seeds(np.arange(3000)))
    both = [np.asarray(theirs, float), ours.astype(float)]
    for feature in ([1, 0, 0, 0], [0, 1, 0, 0], [-1, 0, 1, 0], [0, -1, 0, 1]):  # left, top, width, height
        assert stats.ks_2samp(*(crops @ np.array(feature) for crops in both), method="asymp").pvalue > 1e-3


def test_colours_and_flips_are_drawn_as_albumentations_draws_them() -> None:
    seeds = mixed_seeds(np.arange(4000))
    colors = draw_colors(0.4, 0.1, 0.2, seeds)
    ranges = [(0.6, 1.4)] * 3 + [(-0.1, 0.1)]
    for drawn, (low, high) in zip(colors.factors.T, ranges, strict=True):
        assert stats.kstest(drawn, "uniform", (low, high - low)).pvalue > 1e-3
    assert colors.changed.mean() == pytest.approx(0.8, abs=0.03)
    assert colors.grey.mean() == pytest.approx(0.2, abs=0.03)
    orders = np.unique(colors.order, axis=0, return_counts=True)[1]
    assert len(orders) == 24
    assert stats.chisquare(orders).pvalue > 1e-3
    assert draw_flips(0.3, seeds).mean() == pytest.approx(0.3, abs=0.03)
    assert not draw_colors(0.0, 0.1, 0.2, seeds).changed.any()
