"""Random operations on a view, several in a row, and cut-outs: the strong augmentation of SCAN and similar methods."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from objdisc.augmentation.chance import Seeds, uniforms
from objdisc.augmentation.color import blended, brightened, contrasted, put_rgb, rgb_of, saturated

Image = NDArray[np.uint8]

_STREAM, _CUT_STREAM = 5, 7
_GREY = 128
_MAX = 255
_OUTSIDE = (_GREY, _GREY, _GREY, 0)  # RGB and mask
_LEVELS = np.arange(256)
_SMOOTHING = np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]], np.float32) / 13


class Operations(NamedTuple):
    """Operations for N samples.

    Attributes:
        which: ``(N, count)`` numbers of operations, in the order in which they are applied.
        strengths: ``(N, count)`` in [0, 1).
    """

    which: NDArray[np.int64]
    strengths: NDArray[np.float64]


def draw_ops(count: int, seeds: Seeds) -> Operations:
    """Draw ``count`` operations for each sample, each with a strength drawn uniformly from its range."""
    drawn = uniforms(seeds, 2 * count, stream=_STREAM)
    which = (drawn[:, :count] * (len(_COLOR) + len(_GEOMETRY))).astype(np.int64)
    return Operations(which, drawn[:, count:])


def random_ops(view: Image, which: Sequence[int], strengths: Sequence[float]) -> Image:
    """Apply operations one after the other.

    The fourteen operations and ranges are those of RandAugment (Cubuk et al. 2020) as SCAN (Van Gansbeke et al. 2020)
    uses it: identity, autocontrast, equalize, rotation to 30 degrees, solarize, posterize to 4 bits, colour, contrast,
    brightness and sharpness by .05 to .95, shears and shifts to a tenth of the side.

    Args:
        view: ``(S, S, C + 1)``: RGB, any further channels, and the mask. Colour changes in RGB only, geometry in all.
        which: Numbers of the operations.
        strengths: Strength of each, in [0, 1].

    Returns:
        ``(S, S, C + 1)``, new.
    """
    view = np.array(view)
    for operation, strength in zip(which, strengths, strict=True):
        if operation >= len(_COLOR):
            view = _warp(view, _GEOMETRY[operation - len(_COLOR)](strength, view.shape[0]))
        elif operation:
            put_rgb(view, _COLOR[operation](rgb_of(view), strength))
    return view


def draw_cuts(side: int, share: float, seeds: Seeds) -> NDArray[np.int64]:
    """Draw a square at a random place of a patch for each sample, which may reach over the border.

    Args:
        side: Side of the patches in pixels.
        share: Side of the square as a share of the patch's.
        seeds: ``(N,)`` seed of each sample.

    Returns:
        ``(N, 4)``: left, top, right and bottom in pixels, cut off at the border.
    """
    length = round(side * share)
    start = (uniforms(seeds, 2, stream=_CUT_STREAM) * side).astype(np.int64) - length // 2
    return np.concatenate([start, start + length], axis=1).clip(0, side)


def cut_out(view: Image, square: Sequence[int]) -> None:
    """Grey out a square of a view ``(S, S, C + 1)`` in place (DeVries and Taylor 2017); the mask stays."""
    left, top, right, bottom = square
    view[top:bottom, left:right, :-1] = _GREY


def _warp(view: Image, moved: NDArray[np.float64]) -> Image:
    """Warp a view; pixels from outside are grey, which carries no signal for an encoder, and not valid."""
    size = (view.shape[1], view.shape[0])

    def warped(part: Image, *border: int) -> Image:
        return np.asarray(cv2.warpAffine(part, moved, size, flags=cv2.INTER_LINEAR, borderValue=border), np.uint8)

    if view.shape[2] == len(_OUTSIDE):
        return warped(view, *_OUTSIDE)
    pixels, mask = np.ascontiguousarray(view[..., :-1]), np.ascontiguousarray(view[..., -1])
    return np.dstack([warped(pixels, *(_GREY,) * 4), warped(mask, 0)])


def _between(low: float, high: float, strength: float) -> float:
    return low + (high - low) * strength


def _nothing(rgb: Image, strength: float) -> Image:
    return rgb


def _autocontrast(rgb: Image, strength: float) -> Image:
    """Stretch each channel to the whole range; a constant one stays as it is."""
    flattened = rgb.reshape(-1, 3)
    low, high = flattened.min(axis=0).astype(np.float32), flattened.max(axis=0).astype(np.float32)
    flat = high == low
    gain = np.where(flat, 1, _MAX / np.maximum(high - low, 1))
    table = (_LEVELS[:, None] - np.where(flat, 0, low)) * gain
    return _looked_up(rgb, np.clip(np.rint(table), 0, _MAX))


def _equalize(rgb: Image, strength: float) -> Image:
    return np.asarray(cv2.merge([cv2.equalizeHist(channel) for channel in cv2.split(rgb)]), np.uint8)


def _solarize(rgb: Image, strength: float) -> Image:
    return _looked_up(rgb, np.where(_between(0, 256, strength) > _LEVELS, _LEVELS, _MAX - _LEVELS))


def _posterize(rgb: Image, strength: float) -> Image:
    bits = round(_between(4, 8, strength))
    return np.asarray(np.bitwise_and(rgb, np.uint8(_MAX << (8 - bits) & _MAX)), np.uint8)


def _looked_up(rgb: Image, table: NDArray[Any]) -> Image:
    """Replace values by those of a table: ``(256,)``, or ``(256, 3)`` with one for each channel."""
    return np.asarray(cv2.LUT(rgb, table.astype(np.uint8).reshape(1, 256, -1)), np.uint8)


def _color(rgb: Image, strength: float) -> Image:
    return saturated(rgb, _factor(strength))


def _contrast(rgb: Image, strength: float) -> Image:
    return contrasted(rgb, _factor(strength))


def _brightness(rgb: Image, strength: float) -> Image:
    return brightened(rgb, _factor(strength))


def _sharpness(rgb: Image, strength: float) -> Image:
    factor = _factor(strength)
    return blended(rgb, np.asarray(cv2.filter2D(rgb, -1, _SMOOTHING), np.uint8), factor, 1 - factor)


def _factor(strength: float) -> float:
    return _between(0.05, 0.95, strength)


def _rotate(strength: float, side: int) -> NDArray[np.float64]:
    middle = (side - 1) / 2
    return np.asarray(cv2.getRotationMatrix2D((middle, middle), _between(-30, 30, strength), 1.0), np.float64)


def _shear_x(strength: float, side: int) -> NDArray[np.float64]:
    return np.array([[1, _between(-0.1, 0.1, strength), 0], [0, 1, 0]])


def _shear_y(strength: float, side: int) -> NDArray[np.float64]:
    return np.array([[1, 0, 0], [_between(-0.1, 0.1, strength), 1, 0]])


def _shift_x(strength: float, side: int) -> NDArray[np.float64]:
    return np.array([[1, 0, _between(-0.1, 0.1, strength) * side], [0, 1, 0]])


def _shift_y(strength: float, side: int) -> NDArray[np.float64]:
    return np.array([[1, 0, 0], [0, 1, _between(-0.1, 0.1, strength) * side]])


_COLOR: tuple[Callable[[Image, float], Image], ...] = (
    _nothing,
    _autocontrast,
    _equalize,
    _solarize,
    _posterize,
    _color,
    _contrast,
    _brightness,
    _sharpness,
)
_GEOMETRY = (_rotate, _shear_x, _shear_y, _shift_x, _shift_y)
