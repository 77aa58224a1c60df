"""Shares of regions inside others are those of counted pixels."""

import numpy as np

from objdisc.imaging.masks import region_from_mask
from objdisc.imaging.overlaps import share_inside
from objdisc.types import Region


def test_shares_inside_count_each_pixel_once() -> None:
    rng = np.random.default_rng(0)
    masks = rng.random((7, 20, 30)) < 0.3
    regions = [region_from_mask(mask) for mask in masks]
    covered = masks[3:].any(axis=0)
    expected = [(mask & covered).sum() / mask.sum() for mask in masks[:3]]
    np.testing.assert_allclose(share_inside(regions[:3], regions[3:], (20, 30)), expected)


def test_a_box_is_a_region_and_nothing_covers_nothing() -> None:
    box = Region((0, 0, 10, 10), 100)
    half = np.zeros((20, 30), np.bool_)
    half[:, :5] = True
    np.testing.assert_allclose(share_inside([box], [region_from_mask(half)], (20, 30)), [0.5])
    assert share_inside([box], [], (20, 30)).tolist() == [0.0]
    assert share_inside([], [box], (20, 30)).tolist() == []
