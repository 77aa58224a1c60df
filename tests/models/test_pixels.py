"""Pixels as features."""

import numpy as np
import torch

from objdisc.augmentation.preprocessing import Preprocessing
from objdisc.models.origin import WeightsOrigin
from objdisc.models.pixels import pixel_encoder


def test_small_patches_are_their_pixels_from_0_to_1() -> None:
    patches = torch.randint(0, 256, (5, 16, 16, 4), dtype=torch.uint8)
    encoder = pixel_encoder(3, side=32)
    images = Preprocessing(encoder.mean, encoder.std)(patches)
    expected = patches[..., :3].permute(0, 3, 1, 2).flatten(1).numpy() / 255
    np.testing.assert_allclose(encoder(images).numpy(), expected, atol=1e-6)
    assert encoder.origin == WeightsOrigin()


def test_large_patches_are_averaged_over_areas() -> None:
    images = torch.rand(2, 3, 64, 64)
    encoder = pixel_encoder(3, side=16)
    blocks = images.reshape(2, 3, 16, 4, 16, 4).mean(dim=(3, 5))
    torch.testing.assert_close(encoder(images), blocks.flatten(1))
    assert encoder.num_features == encoder(images).shape[1]
    assert pixel_encoder(3, side=0)(images).shape == (2, 3 * 64 * 64)
