"""Views and network inputs against direct formulas."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from objdisc.augmentation.geometry import Geometry
from objdisc.augmentation.views import Augmentation, Augmenter, Background, to_network_input
from objdisc.errors import UsageError

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.fixture
def patch() -> NDArray[np.uint8]:
    """32 pixels square; the region is the left half, drawn in greens."""
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 4), dtype=np.uint8)
    pixels[..., 3] = 0
    pixels[:, :16, 3] = 255
    return pixels


def test_the_same_seed_gives_the_same_view_in_any_augmenter(patch: NDArray[np.uint8]) -> None:
    first, second = Augmenter(Augmentation(), 32), Augmenter(Augmentation(), 32)
    expected = first(patch, 7)
    second(patch, 1)
    np.testing.assert_array_equal(second(patch, 7), expected)
    assert len({first(patch, seed).tobytes() for seed in range(10)}) == 10


def test_views_keep_size_and_type_and_move_the_mask_with_the_image() -> None:
    """A picture that is its own mask: crops and flips must keep them equal but for interpolation."""
    mask = np.zeros((32, 32), np.uint8)
    mask[8:20, 4:15] = 255
    augmenter = Augmenter(Augmentation(jitter=0, grey=0), 32)
    for seed in range(20):
        view = augmenter(np.repeat(mask[..., None], 4, axis=2), seed)
        assert view.shape == (32, 32, 4)
        assert view.dtype == np.uint8
        assert np.mean((view[..., 0] > 127) != (view[..., 3] > 127)) < 0.05


def test_nothing_to_augment_gives_the_patch_back(patch: NDArray[np.uint8]) -> None:
    still = Augmenter(Augmentation(crop_scale=1.0, flip=0, jitter=0, grey=0), 32)
    assert any(np.array_equal(still(patch, seed), patch) for seed in range(10))


def test_colour_changes_leave_the_mask_alone(patch: NDArray[np.uint8]) -> None:
    augmenter = Augmenter(Augmentation(crop_scale=1.0, flip=0, jitter=0, grey=1), 32)
    view = next(v for seed in range(20) if np.array_equal((v := augmenter(patch, seed))[..., 3], patch[..., 3]))
    np.testing.assert_array_equal(view[..., 0], view[..., 1])
    np.testing.assert_array_equal(view[..., 1], view[..., 2])


@pytest.mark.parametrize(("background", "left"), [("keep", 1.0), ("dim", 0.25), ("blank", 0.0)])
def test_backgrounds_fade_towards_the_mean_colour(
    patch: NDArray[np.uint8], background: Background, left: float
) -> None:
    images = to_network_input(torch.from_numpy(patch)[None], background, MEAN, STD)
    normal = ((patch[..., :3] / 255 - np.array(MEAN)) / np.array(STD)).transpose(2, 0, 1)
    np.testing.assert_allclose(images[0, :, :, :16], normal[:, :, :16], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(images[0, :, :, 16:], left * normal[:, :, 16:], rtol=1e-5, atol=1e-6)


def test_a_blank_background_is_exactly_zero_and_tells_nothing(patch: NDArray[np.uint8]) -> None:
    other = patch.copy()
    other[:, 16:, :3] = 255 - other[:, 16:, :3]
    images = to_network_input(torch.from_numpy(np.stack([patch, other])), "blank", MEAN, STD)
    assert not images[:, :, :, 16:].any()
    assert torch.equal(images[0], images[1])


def test_network_inputs_are_float32_and_channels_last(patch: NDArray[np.uint8]) -> None:
    images = to_network_input(torch.from_numpy(np.stack([patch, patch])), "keep", MEAN, STD)
    assert images.dtype == torch.float32
    assert images.shape == (2, 3, 32, 32)
    assert images.is_contiguous(memory_format=torch.channels_last)


def test_normalised_light_gives_every_region_the_same_brightness_and_contrast(patch: NDArray[np.uint8]) -> None:
    images = to_network_input(torch.from_numpy(patch)[None], "blank", MEAN, STD, 1.0)
    pixels = images[0].numpy() * np.array(STD)[:, None, None]
    brightness = pixels[:, :, :16].mean(axis=0)
    assert brightness.mean() == pytest.approx(0, abs=1e-5)
    assert brightness.std() == pytest.approx(0.16, rel=1e-4)
    assert not images[:, :, :, 16:].any()


def test_an_object_in_shade_looks_like_the_same_in_the_sun(patch: NDArray[np.uint8]) -> None:
    sunny, shady = patch.copy(), patch.copy()
    sunny[..., :3] = sunny[..., :3] // 4 * 4
    shady[..., :3] = sunny[..., :3] // 4 + 10
    images = to_network_input(torch.from_numpy(np.stack([sunny, shady])), "blank", MEAN, STD, 1.0)
    torch.testing.assert_close(images[0], images[1], rtol=1e-3, atol=1e-3)


def test_partial_equalization_lies_between(patch: NDArray[np.uint8]) -> None:
    def brightness(equalization: float) -> NDArray[np.float32]:
        images = to_network_input(torch.from_numpy(patch)[None], "blank", (0.5,) * 3, (1.0,) * 3, equalization)
        values: NDArray[np.float32] = images[0, :, :, :16].numpy().mean(axis=0)
        return values

    plain, half, full = brightness(0.0), brightness(0.5), brightness(1.0)
    assert half.std() == pytest.approx(np.sqrt(plain.std() * full.std()), rel=1e-4)
    assert half.mean() / half.std() == pytest.approx(plain.mean() / plain.std() / 2, rel=1e-3)


def test_a_flat_region_stays_flat_whatever_the_light() -> None:
    flat = torch.full((1, 8, 8, 4), 200, dtype=torch.uint8)
    assert float(to_network_input(flat, "keep", MEAN, STD, 1.0).abs().max()) < 1e-4
    nothing = torch.zeros(1, 8, 8, 4, dtype=torch.uint8)
    assert bool(torch.isfinite(to_network_input(nothing, "blank", MEAN, STD, 1.0)).all())


def test_infrared_moves_with_the_image_and_is_never_jittered() -> None:
    """RGB, a fourth channel that equals the mask, and the mask: jitter may touch the first three alone."""
    rng = np.random.default_rng(1)
    patch = rng.integers(0, 256, (32, 32, 5), dtype=np.uint8)
    patch[..., 4] = patch[..., 3]
    augmenter = Augmenter(Augmentation(crop_scale=0.5, flip=0.5, jitter=0.4, grey=0.5), 32)
    still = Augmenter(Augmentation(crop_scale=1.0, flip=0, jitter=0.4, grey=0), 32)
    for seed in range(10):
        view = augmenter(patch, seed)
        assert view.shape == (32, 32, 5)
        np.testing.assert_array_equal(still(patch, seed)[..., 3:], patch[..., 3:])


def test_every_channel_has_its_own_mean_and_deviation() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 5), dtype=np.uint8)
    mean, std = (0.1, 0.2, 0.3, 0.4), (0.5, 0.6, 0.7, 0.8)
    images = to_network_input(torch.from_numpy(pixels), "keep", mean, std)
    expected = ((pixels[..., :4] / 255 - np.array(mean)) / np.array(std)).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(images, expected, rtol=1e-5, atol=1e-6)


def test_geometry_moves_the_mask_with_the_image_and_keeps_the_colours() -> None:
    pixels = np.zeros((32, 32, 4), np.uint8)
    pixels[8:20, 4:15] = 255
    plain = Augmentation(crop_scale=1, flip=0, jitter=0, grey=0, geometry=Geometry(rotation=30, scale=0.8, shift=0.1))
    coloured = replace(plain, jitter=0.4)
    for seed in range(5):
        view = Augmenter(plain, 32)(pixels, seed)
        assert all(np.array_equal(view[..., 0], view[..., channel]) for channel in (1, 2, 3))
        assert not np.array_equal(view, pixels)
        np.testing.assert_array_equal(Augmenter(coloured, 32)(pixels, seed)[..., 3], view[..., 3])


def test_the_first_view_of_a_pair_can_be_a_crop_alone(patch: NDArray[np.uint8]) -> None:
    augmenter = Augmenter(Augmentation(flip=1.0, first_crop=1.0), 32)
    np.testing.assert_array_equal(augmenter(patch, 3, first=True), patch)
    assert not np.array_equal(augmenter(patch, 3), patch)
    smaller = Augmenter(Augmentation(first_crop=0.5), 32)
    assert len({smaller(patch, seed, first=True).tobytes() for seed in range(10)}) == 10


def test_the_first_view_of_a_pair_can_be_the_patch_itself(patch: NDArray[np.uint8]) -> None:
    augment = Augmenter(Augmentation(first_crop=1.0, ops=4, cutout=0.5), len(patch))
    np.testing.assert_array_equal(augment(patch, 3, first=True), patch)
    assert not np.array_equal(augment(patch, 3), patch)


def test_random_operations_and_cutout_come_on_top_of_the_other_changes(patch: NDArray[np.uint8]) -> None:
    plain, strong = Augmentation(), Augmentation(ops=2, cutout=0.5)
    views = [Augmenter(strong, len(patch))(patch, seed) for seed in (5, 5, 6)]
    np.testing.assert_array_equal(views[0], views[1])
    assert not np.array_equal(views[0], views[2])
    only_cut = Augmenter(replace(plain, cutout=0.5), len(patch))(patch, 5)
    weak = Augmenter(plain, len(patch))(patch, 5)
    changed = (only_cut != weak).any(axis=2)
    assert 0 < changed.mean() <= 0.26
    assert (only_cut[changed][:, :3] == 128).all()


@pytest.mark.parametrize("wrong", [{"ops": -1}, {"cutout": 1.5}, {"first_crop": -0.1}])
def test_augmentation_out_of_range_is_a_usage_error(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="--augmentation: ops starts at 0"):
        Augmentation(**wrong)  # type: ignore[arg-type]
