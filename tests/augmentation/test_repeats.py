"""Copies of an object beside one another."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from objdisc.augmentation.repeats import repeat_object


def disc(size: int = 64, radius: int = 20, channels: int = 3) -> NDArray[np.uint8]:
    patch = np.full((size, size, channels + 1), 90, np.uint8)  # surroundings that must not be copied
    mask = np.zeros((size, size), np.uint8)
    cv2.circle(mask, (size // 2, size // 2), radius, 255, -1)
    patch[..., -1] = mask
    patch[mask > 0, :channels] = 200
    return patch


@pytest.mark.parametrize("channels", [3, 4])
def test_shows_the_object_two_or_three_times_and_nothing_else(channels: int) -> None:
    patch = disc(channels=channels)
    for seed in range(20):
        view = repeat_object(patch, np.random.default_rng(seed))
        assert view.shape == patch.shape
        inside = view[..., -1] == 255
        assert (view[inside][:, :channels] == 200).all()
        assert not view[view[..., -1] == 0].any()
        _, _, width, height = cv2.boundingRect((view[..., -1] > 0).astype(np.uint8))
        # between a pair at half a width and three at nearly a whole one
        assert 1.35 < width / height < 3.1


def test_fits_with_a_margin() -> None:
    for seed in range(20):
        x, y, width, height = cv2.boundingRect(repeat_object(disc(), np.random.default_rng(seed))[..., -1])
        assert min(x, y, 64 - x - width, 64 - y - height) >= 4


def test_the_same_chance_gives_the_same_view() -> None:
    first, second, other = (repeat_object(disc(), np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


def test_leaves_alone_what_has_no_background_or_is_tiny() -> None:
    whole = disc()
    whole[..., -1] = 255
    for patch in (whole, disc(radius=1)):
        assert np.array_equal(repeat_object(patch, np.random.default_rng(0)), patch)


def test_the_patch_stays_as_it_is() -> None:
    patch = disc()
    before = patch.copy()
    repeat_object(patch, np.random.default_rng(0))
    assert np.array_equal(patch, before)
