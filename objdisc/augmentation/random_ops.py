"""Random operations on a view, several in a row, and cut-outs: the strong augmentation of SCAN and its like."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

_GREY = 128
_MAX = 255


def random_ops(patch: Image, count: int, rng: np.random.Generator) -> Image:
    """Apply operations that are drawn anew for each view, each with a strength drawn evenly from its range.

    The fourteen operations and ranges are those of RandAugment (Cubuk et al. 2020) as SCAN (Van Gansbeke et al. 2020)
    uses it: nothing, autocontrast, equalize, rotation to 30 degrees, solarize, posterize to 4 bits, colour, contrast,
    brightness and sharpness by .05 to .95, shears and shifts to a tenth of the side.

    Args:
        patch: ``(S, S, C + 1)``: RGB, any further channels, and the mask. Colour changes in RGB only, geometry in all.
        count: Operations in a row.
        rng: Source of chance.

    Returns:
        ``(S, S, C + 1)``, new.
    """
    view = np.array(patch)
    for operation in rng.integers(len(_COLOR) + len(_GEOMETRY), size=count).tolist():
        strength = float(rng.random())
        if operation < len(_COLOR):
            view[..., :3] = _COLOR[operation](np.ascontiguousarray(view[..., :3]), strength)
        else:
            moved = _GEOMETRY[operation - len(_COLOR)](strength, view.shape[0])
            # grey is what an encoder sees as nothing; of the mask, what comes from outside is not valid
            view[..., :-1] = _warp(view[..., :-1], moved, _GREY)
            view[..., -1] = _warp(view[..., -1], moved, 0)
    return view


def cut_out(patch: Image, share: float, rng: np.random.Generator) -> Image:
    """Grey out a square at a random place, which may reach over the border (DeVries and Taylor 2017).

    Args:
        patch: ``(S, S, C + 1)``; the mask stays.
        share: Side of the square as a share of the patch's.
        rng: Source of chance.

    Returns:
        ``(S, S, C + 1)``, new.
    """
    view = np.array(patch)
    side = round(view.shape[0] * share)
    top, left = (rng.integers(view.shape[0], size=2) - side // 2).tolist()
    view[max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0), :-1] = _GREY
    return view


def _warp(pixels: Image, moved: NDArray[np.float64], border: int) -> Image:
    size = (pixels.shape[1], pixels.shape[0])
    warped = cv2.warpAffine(
        np.ascontiguousarray(pixels), moved, size, flags=cv2.INTER_LINEAR, borderValue=(border,) * 4
    )
    return np.asarray(warped, np.uint8).reshape(pixels.shape)


def _between(low: float, high: float, strength: float) -> float:
    return low + (high - low) * strength


def _nothing(rgb: Image, strength: float) -> Image:
    return rgb


def _autocontrast(rgb: Image, strength: float) -> Image:
    """Stretch each channel to the whole range; a flat one stays as it is."""
    low, high = rgb.min(axis=(0, 1)).astype(np.float32), rgb.max(axis=(0, 1)).astype(np.float32)
    flat = high == low
    gain = np.where(flat, 1, _MAX / np.maximum(high - low, 1))
    return _to_pixels((rgb - np.where(flat, 0, low)) * gain)


def _equalize(rgb: Image, strength: float) -> Image:
    channels = [cv2.equalizeHist(np.ascontiguousarray(rgb[..., channel])) for channel in range(3)]
    return np.stack(channels, axis=2).astype(np.uint8)


def _solarize(rgb: Image, strength: float) -> Image:
    threshold = _between(0, 256, strength)
    return np.where(rgb < threshold, rgb, _MAX - rgb).astype(np.uint8)


def _posterize(rgb: Image, strength: float) -> Image:
    bits = round(_between(4, 8, strength))
    return np.asarray(np.bitwise_and(rgb, np.uint8(_MAX << (8 - bits) & _MAX)), np.uint8)


def _blend(rgb: Image, other: NDArray[np.float32], strength: float) -> Image:
    """Mix an image with what it would be without a property; 1 is the image."""
    factor = _between(0.05, 0.95, strength)
    return _to_pixels(other + factor * (rgb.astype(np.float32) - other))


def _color(rgb: Image, strength: float) -> Image:
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    return _blend(rgb, np.repeat(grey[..., None], 3, axis=2).astype(np.float32), strength)


def _contrast(rgb: Image, strength: float) -> Image:
    mean = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).mean()
    return _blend(rgb, np.full(rgb.shape, mean, np.float32), strength)


def _brightness(rgb: Image, strength: float) -> Image:
    return _blend(rgb, np.zeros(rgb.shape, np.float32), strength)


def _sharpness(rgb: Image, strength: float) -> Image:
    kernel = np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]], np.float32) / 13
    return _blend(rgb, cv2.filter2D(rgb, -1, kernel).astype(np.float32), strength)


def _to_pixels(values: NDArray[np.floating]) -> Image:
    return np.asarray(np.clip(np.rint(values), 0, _MAX), np.uint8)


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
