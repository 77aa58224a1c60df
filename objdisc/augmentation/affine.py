"""Invertible geometry for pairs of views: affine maps drawn per sample warp images, and predictions back."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from objdisc.augmentation.chance import Seeds, uniforms
from objdisc.errors import UsageError

_STREAM, _DRAWS = 6, 5
_BORDER = 1e-4  # of a pixel: rounding must not push a pixel that lies on the border outside


@dataclass(frozen=True)
class Affine:
    """How far the second view's geometry may differ from the first's; drawn uniformly for each sample.

    Attributes:
        flip: Probability of a horizontal flip.
        rotation: Largest rotation either way, in degrees.
        scale: Smallest factor that the content is scaled by; the largest is its inverse. 1 scales nothing.
        shift: Largest shift either way along each axis, as a share of the side.
    """

    flip: float = 0.5
    rotation: float = 0.0
    scale: float = 1.0
    shift: float = 0.0

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            UsageError: A value is out of its range.
        """
        if not 0 <= self.flip <= 1 or not 0 <= self.shift < 1 or not 0 < self.scale <= 1 or self.rotation < 0:
            raise UsageError(
                "--affine: flip is a probability, rotation at least 0 degrees, scale above 0 and at most 1, "
                "shift at least 0 and below 1"
            )


def draw_affines(options: Affine, seeds: Seeds) -> Tensor:
    """Draw one map per sample; the same seed gives the same map, whatever the batch around it.

    Args:
        options: The ranges to draw from.
        seeds: ``(B,)`` seed of each sample.

    Returns:
        ``(B, 2, 3)`` float32 maps from pixels of the second view to pixels of the first, in the normalised
        coordinates of ``affine_grid`` with ``align_corners=False``: -1 and 1 are the outer edges of a square image.
    """
    drawn = uniforms(seeds, _DRAWS, stream=_STREAM).T  # (5, B)
    signed = 2 * drawn - 1
    mirrored = np.where(drawn[0] < options.flip, -1.0, 1.0)
    angle = np.deg2rad(options.rotation) * signed[1]
    factor, shift = options.scale ** signed[2], 2 * options.shift * signed[3:5]  # the side is 2 long
    cosine, sine = np.cos(angle) / factor, np.sin(angle) / factor
    maps = np.array([[mirrored * cosine, -sine, shift[0]], [mirrored * sine, cosine, shift[1]]])  # (2, 3, B)
    return torch.from_numpy(np.ascontiguousarray(maps.transpose(2, 0, 1), dtype=np.float32))


def invert(maps: Tensor) -> Tensor:
    """Return the ``(B, 2, 3)`` maps that undo ``(B, 2, 3)`` maps."""
    turn = torch.linalg.inv(maps[:, :, :2])
    return torch.cat([turn, -turn @ maps[:, :, 2:]], dim=2)


def warp(images: Tensor, maps: Tensor) -> Tensor:
    """Resample square images: each pixel of the result is interpolated bilinearly where its map points.

    Args:
        images: ``(B, C, S, S)``.
        maps: ``(B, 2, 3)``, as ``draw_affines`` gives them.

    Returns:
        ``(B, C, S, S)`` float32; 0 where a map points outside.
    """
    with torch.autocast(images.device.type, enabled=False):
        images = images.float()
        grid = F.affine_grid(maps, list(images.shape), align_corners=False)
        return F.grid_sample(images, grid, padding_mode="zeros", align_corners=False)


def reaches(maps: Tensor, size: int) -> Tensor:
    """Say which pixels a map sends to a place inside the image.

    Args:
        maps: ``(B, 2, 3)``.
        size: Side S of both images in pixels.

    Returns:
        ``(B, S, S)`` bool; True where everything that ``warp`` reads lies inside.
    """
    grid = F.affine_grid(maps, [len(maps), 1, size, size], align_corners=False)  # (B, S, S, 2)
    return (grid.abs() <= 1 - (1 - 2 * _BORDER) / size).all(dim=3)
