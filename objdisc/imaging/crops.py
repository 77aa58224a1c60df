"""Cutting a square window out of an image, with its mask as a fourth channel."""

import cv2
import numpy as np
from numpy.typing import NDArray

from objdisc.imaging.masks import Box, decode_box
from objdisc.types import Region, RunLengthMask

Window = tuple[int, int, int]

_MOST_CHANNELS = 4  # that OpenCV resizes at once
_NEARLY = 1.25  # shrunk by no more, linear interpolation passes no pixel over and is as good as means of areas


def cut(image: NDArray[np.uint8], window: Window, region: Region | None, size: int) -> NDArray[np.uint8]:
    """Cut a window out of an image and bring it to the patch size.

    Args:
        image: ``(H, W, C)`` uint8, RGB first.
        window: ``(x, y, side)`` in pixels; may reach over the border.
        region: The region whose mask becomes the last channel; with None, or without a mask, all of the window counts.
        size: Side of the patch in pixels.

    Returns:
        ``(size, size, C + 1)`` uint8: the channels and the mask (255 inside, 0 outside, values between at resampled
            edges); all 0 beyond the frame. A window that is shrunk is averaged over areas, one that is enlarged is
            interpolated linearly.
    """
    x, y, side = window
    height, width = image.shape[:2]
    left, top, right, bottom = max(x, 0), max(y, 0), min(x + side, width), min(y + side, height)
    if left >= right or top >= bottom:
        return np.zeros((size, size, image.shape[2] + 1), dtype=np.uint8)
    mask = None if region is None else region.mask
    if mask is None and (right - left, bottom - top) == (side, side):
        return _with_mask(_resize(image[top:bottom, left:right], size))
    part = _with_mask(image[top:bottom, left:right])
    if region is not None and mask is not None:
        cv2.insertChannel(_mask_inside(mask, region.box, (left, top, right, bottom)), part, part.shape[2] - 1)
    if part.shape[:2] != (side, side):
        borders = (top - y, y + side - bottom, left - x, x + side - right)
        part = cv2.copyMakeBorder(part, *borders, cv2.BORDER_CONSTANT, value=(0, 0, 0, 0)).astype(np.uint8, copy=False)
    return _resize(part, size)


def _with_mask(part: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Append a mask of 255 to ``(h, w, C)`` pixels."""
    if part.shape[2] == 3:  # OpenCV has a fast way for this
        return cv2.cvtColor(part, cv2.COLOR_RGB2RGBA).astype(np.uint8, copy=False)
    return np.concatenate([part, np.full_like(part[..., :1], 255)], axis=2)


def _resize(part: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Bring a square to the patch size."""
    side = part.shape[0]
    if side == size:
        return part
    if part.shape[2] > _MOST_CHANNELS:
        first, rest = part[..., :_MOST_CHANNELS], part[..., _MOST_CHANNELS:]
        return np.concatenate([_resize(first, size), _resize(rest, size).reshape(size, size, -1)], axis=2)
    if side <= _NEARLY * size:
        return cv2.resize(part, (size, size), interpolation=cv2.INTER_LINEAR).astype(np.uint8, copy=False)
    if side % size == 0:
        return cv2.resize(part, (size, size), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    # Means of two by two pixels are an order of magnitude faster than those of areas that cut through pixels.
    double = size
    while side > _NEARLY * double:
        double *= 2
    part = cv2.resize(part, (double, double), interpolation=cv2.INTER_LINEAR).astype(np.uint8, copy=False)
    while double > size:
        double //= 2
        part = cv2.resize(part, (double, double), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    return part


def _mask_inside(mask: RunLengthMask, box: Box, edges: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    """Return a mask between two columns and two rows, as 0 and 255; only its box is decoded."""
    left, top, right, bottom = edges
    x, y, width, height = box
    inside = np.zeros((bottom - top, right - left), dtype=np.uint8)
    first, last = max(x, left), min(x + width, right)
    upper, lower = max(y, top), min(y + height, bottom)
    if first < last and upper < lower:
        crop = decode_box(mask["counts"], mask["size"][0], box)[upper - y : lower - y, first - x : last - x]
        np.multiply(crop, np.uint8(255), out=inside[upper - top : lower - top, first - left : last - left])
    return inside
