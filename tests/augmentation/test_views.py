"""Views against direct formulas."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from objdisc.augmentation.chance import mixed_seeds
from objdisc.augmentation.geometry import Geometry
from objdisc.augmentation.views import Augmentation, Augmenter
from objdisc.errors import UsageError


def drawn(augmenter: Augmenter, patch: NDArray[np.uint8], seed: int, first: bool = False) -> NDArray[np.uint8]:
    view: NDArray[np.uint8] = augmenter([patch], mixed_seeds(seed), first)[0]
    return view


def test_the_same_seed_gives_the_same_view_in_any_augmenter(patch: NDArray[np.uint8]) -> None:
    first, second = Augmenter(Augmentation(), 32), Augmenter(Augmentation(), 32)
    expected = drawn(first, patch, 7)
    drawn(second, patch, 1)
    np.testing.assert_array_equal(drawn(second, patch, 7), expected)
    assert len({drawn(first, patch, seed).tobytes() for seed in range(10)}) == 10


def test_views_keep_size_and_type_and_move_the_mask_with_the_image() -> None:
    """A picture that is its own mask: crops and flips must keep them equal but for interpolation."""
    mask = np.zeros((32, 32), np.uint8)
    mask[8:20, 4:15] = 255
    augmenter = Augmenter(Augmentation(jitter=0, grey=0), 32)
    for seed in range(20):
        view = drawn(augmenter, np.repeat(mask[..., None], 4, axis=2), seed)
        assert view.shape == (32, 32, 4)
        assert view.dtype == np.uint8
        assert np.mean((view[..., 0] > 127) != (view[..., 3] > 127)) < 0.05


def test_nothing_to_augment_gives_the_patch_back(patch: NDArray[np.uint8]) -> None:
    still = Augmenter(Augmentation(crop_scale=1.0, flip=0, jitter=0, grey=0), 32)
    assert any(np.array_equal(drawn(still, patch, seed), patch) for seed in range(10))


def test_colour_changes_leave_the_mask_alone(patch: NDArray[np.uint8]) -> None:
    augmenter = Augmenter(Augmentation(crop_scale=1.0, flip=0, jitter=0, grey=1), 32)
    view = next(v for seed in range(20) if np.array_equal((v := drawn(augmenter, patch, seed))[..., 3], patch[..., 3]))
    np.testing.assert_array_equal(view[..., 0], view[..., 1])
    np.testing.assert_array_equal(view[..., 1], view[..., 2])


def test_infrared_moves_with_the_image_and_is_never_jittered() -> None:
    """RGB, a fourth channel that equals the mask, and the mask: jitter may touch the first three alone."""
    rng = np.random.default_rng(1)
    patch = rng.integers(0, 256, (32, 32, 5), dtype=np.uint8)
    patch[..., 4] = patch[..., 3]
    augmenter = Augmenter(Augmentation(crop_scale=0.5, flip=0.5, jitter=0.4, grey=0.5), 32)
    still = Augmenter(Augmentation(crop_scale=1.0, flip=0, jitter=0.4, grey=0), 32)
    for seed in range(10):
        view = drawn(augmenter, patch, seed)
        assert view.shape == (32, 32, 5)
        np.testing.assert_array_equal(drawn(still, patch, seed)[..., 3:], patch[..., 3:])


def test_geometry_moves_the_mask_with_the_image_and_keeps_the_colours() -> None:
    pixels = np.zeros((32, 32, 4), np.uint8)
    pixels[8:20, 4:15] = 255
    plain = Augmentation(crop_scale=1, flip=0, jitter=0, grey=0, geometry=Geometry(rotation=30, scale=0.8, shift=0.1))
    coloured = replace(plain, jitter=0.4)
    for seed in range(5):
        view = drawn(Augmenter(plain, 32), pixels, seed)
        assert all(np.array_equal(view[..., 0], view[..., channel]) for channel in (1, 2, 3))
        assert not np.array_equal(view, pixels)
        np.testing.assert_array_equal(drawn(Augmenter(coloured, 32), pixels, seed)[..., 3], view[..., 3])


def test_the_first_view_of_a_pair_can_be_a_crop_alone(patch: NDArray[np.uint8]) -> None:
    augmenter = Augmenter(Augmentation(flip=1.0, first_crop=1.0), 32)
    np.testing.assert_array_equal(drawn(augmenter, patch, 3, first=True), patch)
    assert not np.array_equal(drawn(augmenter, patch, 3), patch)
    smaller = Augmenter(Augmentation(first_crop=0.5), 32)
    assert len({drawn(smaller, patch, seed, first=True).tobytes() for seed in range(10)}) == 10


def test_the_first_view_of_a_pair_can_be_the_patch_itself(patch: NDArray[np.uint8]) -> None:
    augment = Augmenter(Augmentation(first_crop=1.0, ops=4, cutout=0.5), len(patch))
    np.testing.assert_array_equal(drawn(augment, patch, 3, first=True), patch)
    assert not np.array_equal(drawn(augment, patch, 3), patch)


def test_random_operations_and_cutout_come_on_top_of_the_other_changes(patch: NDArray[np.uint8]) -> None:
    plain, strong = Augmentation(), Augmentation(ops=2, cutout=0.5)
    views = [drawn(Augmenter(strong, len(patch)), patch, seed) for seed in (5, 5, 6)]
    np.testing.assert_array_equal(views[0], views[1])
    assert not np.array_equal(views[0], views[2])
    only_cut = drawn(Augmenter(replace(plain, cutout=0.5), len(patch)), patch, 5)
    weak = drawn(Augmenter(plain, len(patch)), patch, 5)
    changed = (only_cut != weak).any(axis=2)
    assert 0 < changed.mean() <= 0.26
    assert (only_cut[changed][:, :3] == 128).all()


@pytest.mark.parametrize("wrong", [{"ops": -1}, {"cutout": 1.5}, {"first_crop": -0.1}])
def test_augmentation_out_of_range_is_a_usage_error(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="--augmentation: ops starts at 0"):
        Augmentation(**wrong)  # type: ignore[arg-type]
