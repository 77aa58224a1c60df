"""Geometry of a view: crop, rotation, scale, stretch, shear and shift as one map, so that pixels are resampled once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from objdisc.augmentation.chance import Seeds, uniforms
from objdisc.errors import UsageError

_STREAM, _DRAWS = 1, 10
_CHANNELS_AT_ONCE = 4
_FLAGS = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP


@dataclass(frozen=True)
class Geometry:
    """How far the geometry of a view may differ from that of its patch, drawn uniformly; border pixels are repeated.

    Attributes:
        crops: Sides of square crops as shares of the patch's side; one is drawn, and its place is random. An empty list
            crops nothing.
        rotation: Largest rotation either way, in degrees.
        rotation_chance: Probability that a view is rotated at all.
        scale: Smallest factor that the content is scaled by, above 0; the largest is its inverse.
        stretch: Smallest factor of width against height, above 0; the largest is its inverse.
        shear: Largest shift of a point in either direction, as a share of its height above the middle.
        shift: Largest shift either way along each axis, as a share of the side.
    """

    crops: tuple[float, ...] = ()
    rotation: float = 0.0
    rotation_chance: float = 1.0
    scale: float = 1.0
    stretch: float = 1.0
    shear: float = 0.0
    shift: float = 0.0

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            UsageError: A value is out of its range.
        """
        if not all(0 < share <= 1 for share in (*self.crops, self.scale, self.stretch)):
            raise UsageError("--augmentation.geometry: crops, scale and stretch are above 0 and at most 1")
        if not (0 <= self.rotation_chance <= 1 and self.rotation >= 0 and self.shear >= 0 and 0 <= self.shift < 1):
            raise UsageError(
                "--augmentation.geometry: rotation and shear start at 0, rotation_chance is a probability, "
                "shift at least 0 and below 1"
            )


def draw(geometry: Geometry, seeds: Seeds) -> NDArray[np.float64]:
    """Draw a map from points of the view to points of the patch for each sample.

    Args:
        geometry: The ranges to draw from.
        seeds: ``(N,)`` seed of each sample.

    Returns:
        ``(N, 2, 3)`` in coordinates in which the square's outer edges are -1 and 1.
    """
    drawn = uniforms(seeds, _DRAWS, stream=_STREAM).T  # (10, N)
    signed = 2 * drawn - 1
    angle = np.deg2rad(geometry.rotation) * signed[0] * (drawn[1] < geometry.rotation_chance)
    scale, stretch = geometry.scale ** signed[2], geometry.stretch ** signed[3]
    shear, shift, place = geometry.shear * signed[4], 2 * geometry.shift * signed[5:7], signed[7:9]
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])  # (2, 2, N)
    bend = np.array([[stretch, shear], [np.zeros_like(shear), 1 / stretch]])
    turn = np.einsum("ijn,jkn->ikn", turn, bend) / scale
    if geometry.crops:
        side = np.asarray(geometry.crops)[(drawn[9] * len(geometry.crops)).astype(int)]
        turn, shift = turn * side, shift + (1 - side) * place
    maps: NDArray[np.float64] = np.concatenate([turn, shift[:, None]], axis=1).transpose(2, 0, 1)
    return maps


def in_pixels(maps: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    """Return maps ``(N, 2, 3)``, as ``draw`` gives them, between pixels of square images with that side."""
    middle = (side - 1) / 2
    shift = side / 2 * maps[:, :, 2] + middle - middle * maps[:, :, :2].sum(axis=2)
    return np.concatenate([maps[:, :, :2], shift[:, :, None]], axis=2)


def resample(image: NDArray[np.uint8], pixels: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Interpolate each pixel of a view bilinearly where its map points.

    Args:
        image: ``(S, S, C)``.
        pixels: ``(2, 3)`` from pixels of the view to pixels of the image, as ``in_pixels`` gives it.

    Returns:
        ``(S, S, C)``; the nearest pixel of the border where the map points outside.
    """
    size = image.shape[:2]
    # black corners would tell by how much a view was rotated
    return in_parts(
        image, lambda part: cv2.warpAffine(part, pixels, size, flags=_FLAGS, borderMode=cv2.BORDER_REPLICATE)
    )


def in_parts(image: NDArray[np.uint8], moved: Callable[[NDArray[np.uint8]], Any]) -> NDArray[np.uint8]:
    """Warp an image ``(H, W, C)`` by a function of OpenCV, which takes at most four channels."""
    if image.shape[2] <= _CHANNELS_AT_ONCE:
        found: NDArray[np.uint8] = moved(image)
        return found if found.ndim == image.ndim else found[..., None]
    starts = range(0, image.shape[2], _CHANNELS_AT_ONCE)
    parts = [np.ascontiguousarray(image[..., start : start + _CHANNELS_AT_ONCE]) for start in starts]
    return np.dstack([moved(part) for part in parts])
