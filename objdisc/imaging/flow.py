"""Motion between two frames of a sequence: optical flow, the camera's part of it, and frames warped by either."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

_STEP = 8  # pixels between points that the camera's motion is fitted to
_INLIER = 1.0  # pixel that the motion of a point may differ from the camera's
_FOLLOWED = 0.25  # of the points that must follow the camera; of frames that show different things, a tenth may
LEAST_SIDE = 16
"""Least side in pixels of an image whose motion can be estimated: flow is computed on patches of 8 pixels."""


@dataclass(frozen=True, slots=True)
class FrameMotion:
    """The motion from a frame to a neighbouring one.

    Attributes:
        other: ``(H, W, 3)`` uint8, the neighbour.
        camera: ``(H, W, 2)`` float32 pixels, x and y, by which the camera moves each pixel.
        rest: ``(H, W, 2)`` float32 pixels, the optical flow without the camera's part.
    """

    other: NDArray[np.uint8]
    camera: NDArray[np.float32]
    rest: NDArray[np.float32]

    def moved(self, rest: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return the neighbour warped back to the frame by the camera's motion and by ``rest`` ``(H, W, 2)`` pixels."""
        flow = places(rest.shape[0], rest.shape[1]) + self.camera + rest
        moved = cv2.remap(self.other, flow[..., 0], flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(moved, np.uint8)


def places(height: int, width: int) -> NDArray[np.float32]:
    """Return x and y of each pixel, ``(H, W, 2)``."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    return np.stack([x, y], axis=2)


def frame_motion(image: NDArray[np.uint8], other: NDArray[np.uint8]) -> FrameMotion | None:
    """Estimate the optical flow (DIS, Kroeger et al. 2016) and the homography that most of it follows (MAGSAC++, 2020).

    Args:
        image: ``(H, W, 3)`` uint8 RGB, at least ``LEAST_SIDE`` pixels a side.
        other: The other frame, of the same size.

    Returns:
        The motion; None if fewer than a quarter of all points follow a homography.
    """
    grey, grey_other = (cv2.cvtColor(found, cv2.COLOR_RGB2GRAY) for found in (image, other))
    start = np.zeros((*grey.shape, 2), np.float32)
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(grey, grey_other, start)
    where = places(*grey.shape)
    points = where[_STEP // 2 :: _STEP, _STEP // 2 :: _STEP].reshape(-1, 2)
    moved = points + flow[_STEP // 2 :: _STEP, _STEP // 2 :: _STEP].reshape(-1, 2)
    if len(points) < 4:
        return None
    projection, followed = cv2.findHomography(points, moved, cv2.USAC_MAGSAC, _INLIER, maxIters=2000)
    if np.ndim(projection) != 2 or followed.mean() < _FOLLOWED:
        return None
    camera = np.asarray(cv2.perspectiveTransform(where, projection) - where, np.float32)
    return FrameMotion(other, camera, np.asarray(flow - camera, np.float32))
