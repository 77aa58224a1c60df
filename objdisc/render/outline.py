"""The outline of a region as a few points, to draw it over its frame in the report."""

import cv2
import numpy as np

from objdisc.inference.stitching import footprint
from objdisc.types import Patch

_MAX_PARTS = 6
_MIN_SHARE = 0.02  # of the region's area; smaller parts are specks in the drawing
_TOLERANCE = 0.004  # of the longer side of the box, in which no eye sees a difference


def outline(patch: Patch) -> list[list[int]]:
    """Trace a patch's region.

    Args:
        patch: The patch.

    Returns:
        Closed polygons ``[x, y, x, y, ...]`` in pixels of the full image, the largest first; the box if the region has
            no mask.

    Raises:
        ObjdiscError: The region's mask has another size than its frame.
    """
    x, y, width, height = patch.region.box
    if patch.region.mask is None:
        return [[x, y, x + width, y, x + width, y + height, x, y + height]]
    rows, columns, mask = footprint(patch.region, patch.frame)
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    parts = sorted(contours, key=cv2.contourArea, reverse=True)
    kept = [part for part in parts[:_MAX_PARTS] if cv2.contourArea(part) >= _MIN_SHARE * patch.region.area]
    tolerance = max(0.5, _TOLERANCE * max(width, height))
    corner = np.array([columns.start, rows.start], np.int32)
    simple = [np.asarray(cv2.approxPolyDP(part, tolerance, closed=True), np.int32) for part in kept or parts[:1]]
    return [(points[:, 0] + corner).ravel().tolist() for points in simple]
