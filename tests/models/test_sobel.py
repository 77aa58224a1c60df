"""Derivatives of brightness, of an image drawn by hand and against OpenCV."""

import cv2
import numpy as np
import pytest
import torch

from objdisc.models.sobel import derivatives, sobel


def test_brightness_alone_is_no_derivative_and_a_step_is_one() -> None:
    images = torch.full((1, 3, 8, 8), 0.3)
    images[..., 4:] = 0.7
    across, down, nothing = sobel(images)[0]
    assert float(across[:, 3:5].min()) == pytest.approx(0.8, rel=1e-4)
    assert float(across[:, :3].abs().max()) == pytest.approx(0, abs=1e-6)
    assert float(down.abs().max()) == pytest.approx(0, abs=1e-6)
    assert float(nothing.abs().max()) == 0


def test_derivatives_are_those_of_opencv() -> None:
    image = np.random.default_rng(0).random((9, 11, 3)).astype(np.float32)
    grey = image @ np.array([0.299, 0.587, 0.114], np.float32)
    found = derivatives(torch.from_numpy(image.transpose(2, 0, 1))[None])[0].numpy()
    for channel, (dx, dy) in enumerate(((1, 0), (0, 1))):
        expected = cv2.Sobel(grey, cv2.CV_32F, dx, dy, ksize=3, borderType=cv2.BORDER_REPLICATE) / 2
        np.testing.assert_allclose(found[channel], expected, atol=1e-5)
