"""Outlines of the toy city's objects: they stand on the ground, have the size of the real thing, and vary."""

import numpy as np
import pytest

from objdisc.datasets.cityscapes import MOVING_CLASSES
from objdisc.datasets.toycity.objects import OUTLINES
from objdisc.datasets.toycity.shapes import bar, box, disc

ROLES = {"body", "second", "dark", "metal", "pale", "glass", "light", "skin"}
# Metres, as the things are: lowest and highest height, lowest and highest length.
SIZES = {
    "person": (1.5, 2.0, 0.4, 1.4),
    "rider": (1.4, 2.0, 0.6, 1.3),
    "car": (1.3, 1.7, 3.7, 4.6),
    "truck": (1.9, 3.5, 5.0, 7.0),
    "bus": (2.7, 4.4, 7.0, 9.5),
    "train": (3.5, 4.5, 8.0, 16.0),
    "motorcycle": (0.9, 1.3, 1.8, 2.4),
    "bicycle": (0.85, 1.2, 1.6, 2.0),
}


@pytest.mark.parametrize("name", MOVING_CLASSES)
def test_objects_have_the_size_of_the_real_thing(name: str) -> None:
    low, high, short, long = SIZES[name]
    for seed in range(50):
        parts = OUTLINES[name](np.random.default_rng(seed))
        points = np.concatenate([part.points for part in parts])
        assert np.isfinite(points).all()
        assert {part.role for part in parts} <= ROLES
        assert low <= points[:, 1].max() <= high
        assert short <= np.ptp(points[:, 0]) <= long
        if name != "rider":  # a rider's feet are on the pedals
            assert abs(points[:, 1].min()) <= 0.1


@pytest.mark.parametrize("name", MOVING_CLASSES)
def test_no_two_objects_of_a_class_are_alike(name: str) -> None:
    shapes = {
        np.concatenate([part.points for part in OUTLINES[name](np.random.default_rng(seed))]).round(3).tobytes()
        for seed in range(20)
    }
    assert len(shapes) == 20


def test_blocks_are_where_they_are_said_to_be() -> None:
    ring = disc((1.0, 2.0), 0.5, "dark", stretch=0.5).points
    assert np.allclose((ring.min(axis=0), ring.max(axis=0)), ((0.5, 1.75), (1.5, 2.25)), atol=0.01)
    limb = bar((0.0, 0.0), (0.0, 1.0), 0.2, "body", end_width=0.1).points
    assert np.allclose((limb.min(axis=0), limb.max(axis=0)), ((-0.1, -0.1), (0.1, 1.05)), atol=0.01)
    assert box(0, 1, 2, 3, "glass").points.tolist() == [[0, 1], [2, 1], [2, 3], [0, 3]]
