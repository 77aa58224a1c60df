"""Network inputs against direct formulas."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from objdisc.augmentation.preprocessing import Background, Preprocessing

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.mark.parametrize(("background", "left"), [("keep", 1.0), ("dim", 0.25), ("blank", 0.0)])
def test_backgrounds_fade_towards_the_mean_colour(
    patch: NDArray[np.uint8], background: Background, left: float
) -> None:
    images = Preprocessing(MEAN, STD, background)(torch.from_numpy(patch)[None])
    normal = ((patch[..., :3] / 255 - np.array(MEAN)) / np.array(STD)).transpose(2, 0, 1)
    np.testing.assert_allclose(images[0, :, :, :16], normal[:, :, :16], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(images[0, :, :, 16:], left * normal[:, :, 16:], rtol=1e-5, atol=1e-6)


def test_a_blank_background_is_exactly_zero_and_tells_nothing(patch: NDArray[np.uint8]) -> None:
    other = patch.copy()
    other[:, 16:, :3] = 255 - other[:, 16:, :3]
    images = Preprocessing(MEAN, STD, "blank")(torch.from_numpy(np.stack([patch, other])))
    assert not images[:, :, :, 16:].any()
    assert torch.equal(images[0], images[1])


def test_network_inputs_are_float32_and_channels_last(patch: NDArray[np.uint8]) -> None:
    images = Preprocessing(MEAN, STD)(torch.from_numpy(np.stack([patch, patch])))
    assert images.dtype == torch.float32
    assert images.shape == (2, 3, 32, 32)
    assert images.is_contiguous(memory_format=torch.channels_last)


def test_normalised_light_gives_every_region_the_same_brightness_and_contrast(patch: NDArray[np.uint8]) -> None:
    images = Preprocessing(MEAN, STD, "blank", 1.0)(torch.from_numpy(patch)[None])
    pixels = images[0].numpy() * np.array(STD)[:, None, None]
    brightness = pixels[:, :, :16].mean(axis=0)
    assert brightness.mean() == pytest.approx(0, abs=1e-5)
    assert brightness.std() == pytest.approx(0.16, rel=1e-4)
    assert not images[:, :, :, 16:].any()


def test_an_object_in_shade_looks_like_the_same_in_the_sun(patch: NDArray[np.uint8]) -> None:
    sunny, shady = patch.copy(), patch.copy()
    sunny[..., :3] = sunny[..., :3] // 4 * 4
    shady[..., :3] = sunny[..., :3] // 4 + 10
    images = Preprocessing(MEAN, STD, "blank", 1.0)(torch.from_numpy(np.stack([sunny, shady])))
    torch.testing.assert_close(images[0], images[1], rtol=1e-3, atol=1e-3)


def test_partial_equalization_lies_between(patch: NDArray[np.uint8]) -> None:
    def brightness(equalization: float) -> NDArray[np.float32]:
        images = Preprocessing((0.5,) * 3, (1.0,) * 3, "blank", equalization)(torch.from_numpy(patch)[None])
        values: NDArray[np.float32] = images[0, :, :, :16].numpy().mean(axis=0)
        return values

    plain, half, full = brightness(0.0), brightness(0.5), brightness(1.0)
    assert half.std() == pytest.approx(np.sqrt(plain.std() * full.std()), rel=1e-4)
    assert half.mean() / half.std() == pytest.approx(plain.mean() / plain.std() / 2, rel=1e-3)


def test_a_flat_region_stays_flat_whatever_the_light() -> None:
    flat = torch.full((1, 8, 8, 4), 200, dtype=torch.uint8)
    assert float(Preprocessing(MEAN, STD, "keep", 1.0)(flat).abs().max()) < 1e-4
    nothing = torch.zeros(1, 8, 8, 4, dtype=torch.uint8)
    assert bool(torch.isfinite(Preprocessing(MEAN, STD, "blank", 1.0)(nothing)).all())


def test_every_channel_has_its_own_mean_and_deviation() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 5), dtype=np.uint8)
    mean, std = (0.1, 0.2, 0.3, 0.4), (0.5, 0.6, 0.7, 0.8)
    images = Preprocessing(mean, std)(torch.from_numpy(pixels))
    expected = ((pixels[..., :4] / 255 - np.array(mean)) / np.array(std)).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(images, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("changed", [{"background": "dim"}, {"equalization": 0.5}])
def test_context_keeps_the_background_and_the_light(patch: NDArray[np.uint8], changed: dict[str, Any]) -> None:
    patches = torch.from_numpy(patch)[None]
    preprocessing = Preprocessing(MEAN, STD, **changed)
    images, context = preprocessing.both(patches)
    assert not preprocessing.keeps_context
    assert torch.equal(images, preprocessing(patches))
    assert torch.equal(context, Preprocessing(MEAN, STD)(patches))
    assert not torch.equal(images, context)


def test_where_nothing_changes_context_is_the_same_tensor(patch: NDArray[np.uint8]) -> None:
    images, context = Preprocessing(MEAN, STD).both(torch.from_numpy(patch)[None])
    assert context is images
