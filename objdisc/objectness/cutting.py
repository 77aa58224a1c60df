"""Cutting a square window out of an image, with its mask as a fourth channel."""

import cv2
import numpy as np
from numpy.typing import NDArray

from objdisc.objectness.masks import decode_crop
from objdisc.types import RunLengthMask

Window = tuple[int, int, int]


def cut(image: NDArray[np.uint8], window: Window, mask: RunLengthMask | None, size: int) -> NDArray[np.uint8]:
    """Cut a window out of an image and bring it to the patch size.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        window: ``(x, y, side)`` in pixels; may reach over the border.
        mask: Full-frame mask of the region, or None for all of the window.
        size: Side of the patch in pixels.

    Returns:
        ``(size, size, 4)`` uint8: RGB and mask (255 inside, 0 outside, between at resampled edges); all 0 beyond the
        frame. Resampled by area where it shrinks, linearly where it grows.
    """
    x, y, side = window
    height, width = image.shape[:2]
    left, top, right, bottom = max(x, 0), max(y, 0), min(x + side, width), min(y + side, height)
    if left >= right or top >= bottom:
        return np.zeros((size, size, 4), dtype=np.uint8)
    part = cv2.cvtColor(image[top:bottom, left:right], cv2.COLOR_RGB2RGBA)  # alpha 255
    if mask is not None:
        inside = decode_crop(mask, (left, top, right - left, bottom - top))
        part[..., 3] = inside.view(np.uint8) * np.uint8(255)
    if part.shape[:2] != (side, side):
        borders = (top - y, y + side - bottom, left - x, x + side - right)
        part = cv2.copyMakeBorder(part, *borders, cv2.BORDER_CONSTANT, value=(0, 0, 0, 0))
    if side != size:
        shrink = side > size
        part = cv2.resize(part, (size, size), interpolation=cv2.INTER_AREA if shrink else cv2.INTER_LINEAR)
    return part.astype(np.uint8, copy=False)
