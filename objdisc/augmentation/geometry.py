"""Geometry of a view: crop, rotation, scale, stretch, shear and shift as one map, so that pixels are resampled once."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from objdisc.errors import UsageError


@dataclass(frozen=True)
class Geometry:
    """How far the geometry of a view may lie from that of its patch, drawn uniformly; the patch's border repeats.

    Attributes:
        crops: Sides, as shares of the patch's side, of which a square crop takes one; its place is random. Empty: no
            crop.
        rotation: Largest rotation either way, in degrees.
        rotation_chance: Probability that a view is rotated at all.
        scale: Smallest factor that the content is scaled by, above 0; the largest is its inverse.
        stretch: Smallest factor of width against height, above 0; the largest is its inverse.
        shear: Largest shift of a point either way, as a share of its height above the middle.
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


def draw(geometry: Geometry, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw a map from places of the view to places of the patch.

    Args:
        geometry: How far it may go.
        rng: Source of chance.

    Returns:
        ``(2, 3)`` in coordinates in which the square's outer edges are -1 and 1.
    """
    angle = np.deg2rad(geometry.rotation) * rng.uniform(-1, 1) * (rng.random() < geometry.rotation_chance)
    scale, stretch = geometry.scale ** rng.uniform(-1, 1), geometry.stretch ** rng.uniform(-1, 1)
    shear, shift = geometry.shear * rng.uniform(-1, 1), 2 * geometry.shift * rng.uniform(-1, 1, 2)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    turn = turn @ np.array([[stretch, shear], [0.0, 1 / stretch]]) / scale
    place = rng.uniform(-1, 1, 2)
    if geometry.crops:
        side = geometry.crops[rng.integers(len(geometry.crops))]
        turn, shift = turn * side, shift + (1 - side) * place
    return np.column_stack([turn, shift])


def resample(image: NDArray[np.uint8], view_to_patch: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Read each pixel of a view, bilinearly, where its map points.

    Args:
        image: ``(S, S, C)``, at most four channels.
        view_to_patch: ``(2, 3)``, as ``draw`` gives it.

    Returns:
        ``(S, S, C)``; the nearest pixel of the border where the map points outside.
    """
    side = image.shape[0]
    half, middle = side / 2, (side - 1) / 2
    turn = view_to_patch[:, :2]
    shift = half * view_to_patch[:, 2] + middle - turn @ np.array([middle, middle])
    pixels = np.column_stack([turn, shift])
    # black corners would tell by how much a view was rotated
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    view = cv2.warpAffine(image, pixels, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(view.reshape(image.shape), dtype=np.uint8)
