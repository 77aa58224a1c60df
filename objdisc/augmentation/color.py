"""Colour jitter: brightness, contrast, saturation and hue in random order, and grey, drawn for many samples at once.

OpenCV changes the pixels sample by sample: on 8-bit pixels that fit the processor's cache it takes a third to an eighth
of the time that a batch of floating point numbers takes in torch.
"""

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from objdisc.augmentation.chance import Seeds, between, uniforms

Image = NDArray[np.uint8]

GREY_WEIGHTS = (0.299, 0.587, 0.114)
"""Shares of red, green and blue in brightness (ITU-R BT.601)."""

_STREAM = 4
_CHANCE = 0.8  # that colours change at all, as in SimCLR
_HUES = 180  # OpenCV's circle


class Colors(NamedTuple):
    """The colour changes of N samples.

    Attributes:
        changed: ``(N,)`` bool, whether colours change at all.
        factors: ``(N, 4)``: factors of brightness, contrast and saturation, and the shift of the hue as a share of
            the circle.
        order: ``(N, 4)`` which of these is applied first, second, third and last.
        grey: ``(N,)`` bool, whether colour is dropped.
    """

    changed: NDArray[np.bool_]
    factors: NDArray[np.float64]
    order: NDArray[np.int64]
    grey: NDArray[np.bool_]


def draw_colors(jitter: float, hue: float, grey: float, seeds: Seeds) -> Colors:
    """Draw the colour changes of each sample.

    Args:
        jitter: Factors are drawn from 1 - jitter to 1 + jitter; with 0, ``grey`` is the only change.
        hue: Largest shift of the hue in either direction.
        grey: Probability of dropping colour.
        seeds: ``(N,)`` seed of each sample.
    """
    drawn = uniforms(seeds, 10, stream=_STREAM)
    factors = between(max(1 - jitter, 0.0), 1 + jitter, drawn[:, :3])
    shift = between(-hue, hue, drawn[:, 3:4])
    changed = (drawn[:, 8] < _CHANCE) & (jitter > 0)
    order = drawn[:, 4:8].argsort(axis=1)  # numbers that are drawn alike come in any order
    return Colors(changed, np.concatenate([factors, shift], axis=1), order, drawn[:, 9] < grey)


def recolor(view: Image, factors: list[float], order: list[int], grey: bool) -> None:
    """Change the colours of a view in place; other channels stay.

    Args:
        view: ``(S, S, C + 1)``: RGB, any further channels, and the mask.
        factors: Factors of brightness, contrast and saturation, and the shift of the hue.
        order: Which of these is applied first, second and so on; empty for none.
        grey: Whether colour is dropped in the end.
    """
    rgb = rgb_of(view)
    for which in order:
        rgb = _CHANGES[which](rgb, factors[which])
    put_rgb(view, grey_of(rgb) if grey else rgb)


def rgb_of(view: Image) -> Image:
    """Copy the first three channels."""
    rgb = np.empty((*view.shape[:2], 3), np.uint8)
    cv2.mixChannels([view], [rgb], [0, 0, 1, 1, 2, 2])
    return rgb


def put_rgb(view: Image, rgb: Image) -> None:
    """Replace the first three channels in place."""
    cv2.mixChannels([rgb], [view], [0, 0, 1, 1, 2, 2])


def brightened(rgb: Image, factor: float) -> Image:
    """Multiply by a factor."""
    return blended(rgb, rgb, factor, 0.0)


def contrasted(rgb: Image, factor: float) -> Image:
    """Move values away from the mean brightness by a factor, or towards it."""
    return blended(rgb, rgb, factor, 0.0, (1 - factor) * mean_brightness(rgb))


def saturated(rgb: Image, factor: float) -> Image:
    """Move values away from grey by a factor, or towards it."""
    return blended(rgb, grey_of(rgb), factor, 1 - factor)


def hued(rgb: Image, shift: float) -> Image:
    """Rotate the hue by a share of the circle."""
    if not shift:
        return rgb
    hsv = cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV)
    turned = cv2.LUT(cv2.extractChannel(hsv, 0), ((np.arange(256) + _HUES * shift) % _HUES).astype(np.uint8))
    cv2.insertChannel(turned, hsv, 0)
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), np.uint8)


def grey_of(rgb: Image) -> Image:
    """Return brightness in each of three channels."""
    return np.asarray(cv2.cvtColor(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB), np.uint8)


def mean_brightness(rgb: Image) -> float:
    """Return the mean brightness of all pixels."""
    return sum(weight * mean for weight, mean in zip(GREY_WEIGHTS, cv2.mean(rgb)[:3], strict=True))


def blended(one: Image, other: Image, weight: float, weight_of_other: float, more: float = 0.0) -> Image:
    """Add two images with weights and a constant; values are clipped to 0 to 255."""
    return np.asarray(cv2.addWeighted(one, weight, other, weight_of_other, more), np.uint8)


_CHANGES: tuple[Callable[[Image, float], Image], ...] = (brightened, contrasted, saturated, hued)
