"""Geometry of views: each setting does what its name says, and nothing else moves."""

import numpy as np
import pytest
from numpy.typing import NDArray

from objdisc.augmentation.chance import mixed_seeds
from objdisc.augmentation.geometry import Geometry, draw, in_pixels, resample
from objdisc.errors import UsageError


def dot(x: int, y: int, side: int = 33) -> NDArray[np.uint8]:
    image = np.zeros((side, side, 4), np.uint8)
    image[y - 1 : y + 2, x - 1 : x + 2] = 255
    return image


def place(view: NDArray[np.uint8]) -> tuple[float, float]:
    y, x = np.nonzero(view[..., 0] > 100)
    return float(x.mean()), float(y.mean())


def views(geometry: Geometry, image: NDArray[np.uint8], count: int = 40) -> list[NDArray[np.uint8]]:
    maps = in_pixels(draw(geometry, mixed_seeds(np.arange(count))), len(image))
    return [resample(image, pixels) for pixels in maps]


def test_no_setting_changes_nothing() -> None:
    image = np.random.default_rng(0).integers(0, 256, (20, 20, 4), dtype=np.uint8)
    for view in views(Geometry(), image, 3):
        np.testing.assert_array_equal(view, image)


def test_rotation_keeps_the_distance_to_the_middle_and_the_largest_angle() -> None:
    angles = []
    for view in views(Geometry(rotation=25), dot(26, 16)):
        x, y = np.array(place(view)) - 16
        assert np.hypot(x, y) == pytest.approx(10, abs=0.7)
        angles.append(np.rad2deg(np.arctan2(y, x)))
    assert max(angles) <= 28
    assert max(angles) - min(angles) > 30


def test_some_views_are_not_rotated_where_that_is_a_matter_of_chance() -> None:
    image = np.random.default_rng(0).integers(0, 256, (20, 20, 4), dtype=np.uint8)
    still = [np.array_equal(view, image) for view in views(Geometry(rotation=25, rotation_chance=0.5), image, 60)]
    assert 15 < sum(still) < 45


def test_scale_moves_along_the_ray_from_the_middle_both_ways() -> None:
    distances = [place(view)[0] - 16 for view in views(Geometry(scale=0.8), dot(26, 16))]
    assert 7.2 < min(distances) < 8.8
    assert 11.2 < max(distances) < 12.8


def test_shift_is_a_share_of_the_side() -> None:
    places = [place(view) for view in views(Geometry(shift=0.2), dot(16, 16), 100)]
    for axis in (0, 1):
        moved = [spot[axis] - 16 for spot in places]
        assert 4.5 < max(moved) < 7.2
        assert -7.2 < min(moved) < -4.5


def test_shear_moves_along_rows_only() -> None:
    places = [place(view) for view in views(Geometry(shear=0.3), dot(16, 26))]
    assert all(y == pytest.approx(26, abs=0.6) for _, y in places)
    assert max(abs(x - 16) for x, _ in places) == pytest.approx(3, abs=0.8)


def test_a_crop_lies_within_the_patch_and_is_enlarged() -> None:
    image = np.full((32, 32, 4), 200, np.uint8)
    image[:, :2] = 100
    seen = views(Geometry(crops=(0.5,)), image, 60)
    assert min(int(view.min()) for view in seen) == 100
    edge = [view for view in seen if view.min() == 100]
    assert all((view[:, 31] == 200).all() for view in edge)
    assert len(edge) < len(seen)


@pytest.mark.parametrize(
    "wrong", [{"crops": (0.0,)}, {"crops": (1.5,)}, {"rotation": -1}, {"scale": 0}, {"shift": 1}, {"shear": -0.1}]
)
def test_values_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="geometry"):
        Geometry(**wrong)  # type: ignore[arg-type] # that is the test
