"""Views that show an object several times, side by side, as connected components show objects that touch."""

import cv2
import numpy as np
from numpy.typing import NDArray

_MARGIN = 1.2  # of the patch, around the copies, as around an object's box
_OVERLAP = (0.5, 0.95)  # distance between neighbouring copies, in widths of the object
_TILT = 0.08  # largest rise from one copy to the next, in heights of the object
_LEAST_SIDE = 4  # pixels; smaller objects are left alone


def repeat_object(patch: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Put two or three copies of a patch's object, some mirrored, beside one another on an empty background.

    Masks that are connected components may hold several objects as one; comparing with such views keeps the number of
    objects from becoming a category. Meant for blanked backgrounds: the object's surroundings are lost.

    Args:
        patch: ``(S, S, C + 1)`` uint8, image channels and the object's mask.
        rng: Source of the number of copies, their places and orientation.

    Returns:
        ``(S, S, C + 1)`` uint8, the copies scaled to fit; the patch itself if the mask leaves no background or is only
            a few pixels wide.
    """
    size, mask = patch.shape[0], patch[..., -1]
    x, y, width, height = cv2.boundingRect(mask)
    if mask.all() or min(width, height) < _LEAST_SIDE:
        return patch
    copy = patch[y : y + height, x : x + width]
    count = int(rng.integers(2, 4))
    step, rise = int(width * rng.uniform(*_OVERLAP)), int(height * rng.uniform(-_TILT, _TILT))
    canvas = np.zeros((height + abs(rise) * (count - 1), width + step * (count - 1), patch.shape[2]), np.uint8)
    for place in rng.permutation(count).tolist():
        turned = copy[:, ::-1] if rng.random() < 0.5 else copy
        top = (place if rise >= 0 else count - 1 - place) * abs(rise)
        below = canvas[top : top + height, place * step : place * step + width]
        np.copyto(below, turned, where=turned[..., -1:] > 127)
    return _fitted(canvas, size)


def _fitted(canvas: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Scale a picture and place it in the middle of an empty patch."""
    scale = size / (max(canvas.shape[:2]) * _MARGIN)
    height, width = (max(1, round(side * scale)) for side in canvas.shape[:2])
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    # OpenCV takes four channels at most
    parts = (cv2.resize(part, (width, height), interpolation=interpolation) for part in np.split(canvas, [-1], axis=2))
    scaled = np.dstack(list(parts))
    patch = np.zeros((size, size, canvas.shape[2]), np.uint8)
    top, left = (size - height) // 2, (size - width) // 2
    patch[top : top + height, left : left + width] = scaled
    return patch
