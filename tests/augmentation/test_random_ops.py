"""Random operations: what each of them does, against Pillow, and what none of them may do."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

from objdisc.augmentation import random_ops as randomops
from objdisc.augmentation.chance import mixed_seeds
from objdisc.augmentation.random_ops import cut_out, draw_cuts, draw_ops, random_ops


def patch(side: int = 32, channels: int = 3, seed: int = 0) -> NDArray[np.uint8]:
    """Soft colours, and a mask of 255."""
    rng = np.random.default_rng(seed)
    slopes = np.linspace(20, 220, side)[:, None, None] + rng.normal(0, 12, (side, side, channels))
    pixels = np.clip(slopes, 0, 255).astype(np.uint8)
    return np.concatenate([pixels, np.full((side, side, 1), 255, np.uint8)], axis=2)


def changed(view: NDArray[np.uint8], count: int, seed: int) -> NDArray[np.uint8]:
    which, strengths = draw_ops(count, mixed_seeds(seed))
    return random_ops(view, which[0].tolist(), strengths[0].tolist())


def test_the_same_seed_gives_the_same_view_and_another_one_another() -> None:
    views = [changed(patch(), 4, seed).tobytes() for seed in (0, 0, 1, 2, 3)]
    assert views[0] == views[1]
    assert len(set(views)) == 4


def test_the_patch_itself_stays() -> None:
    given = patch()
    for seed in range(20):
        changed(given, 4, seed)
    np.testing.assert_array_equal(given, patch())


def test_no_operation_is_no_change() -> None:
    np.testing.assert_array_equal(random_ops(patch(), [], []), patch())


def test_colour_leaves_mask_and_infrared_alone_and_geometry_moves_both() -> None:
    given = patch(channels=4)
    for number in range(9):
        view = np.array(given)
        view[..., :3] = randomops._COLOR[number](np.ascontiguousarray(given[..., :3]), 0.3)
        assert view[..., :3].dtype == np.uint8
    moved = unmoved = 0
    for seed in range(60):
        view = changed(given, 1, seed)
        assert view.shape == given.shape
        same = np.array_equal(view[..., 3:], given[..., 3:])
        moved, unmoved = moved + (not same), unmoved + same
        assert same or (view[..., 4] < 255).any(), "what comes from outside is not valid"
    assert moved > 10
    assert unmoved > 20


@pytest.mark.parametrize("strength", [0.0, 0.4, 1.0])
def test_colour_operations_are_pillows(strength: float) -> None:
    rgb = np.ascontiguousarray(patch()[..., :3])
    picture, factor = Image.fromarray(rgb), 0.05 + 0.9 * strength
    expected = {
        randomops._autocontrast: ImageOps.autocontrast(picture),
        randomops._solarize: ImageOps.solarize(picture, round(256 * strength)) if strength in {0.0, 1.0} else None,
        randomops._posterize: ImageOps.posterize(picture, round(4 + 4 * strength)),
        randomops._color: ImageEnhance.Color(picture).enhance(factor),
        randomops._contrast: ImageEnhance.Contrast(picture).enhance(factor),
        randomops._brightness: ImageEnhance.Brightness(picture).enhance(factor),
    }
    for operation, other in expected.items():
        if other is not None:
            difference = operation(rgb, strength).astype(int) - np.asarray(other)
            assert np.abs(difference).max() <= 2, operation.__name__
    inside = randomops._sharpness(rgb, strength)[1:-1, 1:-1].astype(int)
    sharp = np.asarray(ImageEnhance.Sharpness(picture).enhance(factor))[1:-1, 1:-1]
    assert np.abs(inside - sharp).max() <= 2


def test_geometry_stays_within_its_range() -> None:
    for strength, sign in ((0.0, -1), (0.5, 0), (1.0, 1)):
        assert randomops._shift_x(strength, 40)[0, 2] == pytest.approx(4 * sign)
        assert randomops._shift_y(strength, 40)[1, 2] == pytest.approx(4 * sign)
        assert randomops._shear_x(strength, 40)[0, 1] == pytest.approx(0.1 * sign)
        assert randomops._shear_y(strength, 40)[1, 0] == pytest.approx(0.1 * sign)
        assert np.rad2deg(np.arcsin(randomops._rotate(strength, 40)[0, 1])) == pytest.approx(30 * sign)


def test_every_operation_is_drawn_about_equally_often() -> None:
    which, strengths = draw_ops(4, mixed_seeds(np.arange(7000)))
    assert np.bincount(which.ravel(), minlength=14) == pytest.approx(np.full(14, 2000), abs=200)
    assert np.quantile(strengths, [0, 0.5, 1]) == pytest.approx([0, 0.5, 1], abs=0.02)


def test_a_flat_patch_survives_every_operation() -> None:
    flat = np.full((16, 16, 4), 77, np.uint8)
    for seed in range(60):
        assert changed(flat, 4, seed).shape == (16, 16, 4)


def test_a_square_is_cut_out_of_the_pixels_and_not_of_the_mask() -> None:
    sizes = set()
    for square in draw_cuts(32, 0.5, mixed_seeds(np.arange(50))).tolist():
        view = np.full((32, 32, 4), 255, np.uint8)
        cut_out(view, square)
        rows, columns = np.nonzero(view[..., 0] == 128)
        assert (view[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1, :3] == 128).all()
        assert (view[..., 3] == 255).all()
        sizes.add((len(set(rows)), len(set(columns))))
    assert (16, 16) in sizes
    assert max(max(size) for size in sizes) == 16
    assert min(min(size) for size in sizes) >= 8
