"""Random resized crops and mirrored views of many samples at once."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from objdisc.augmentation.chance import Seeds, between, uniforms
from objdisc.augmentation.geometry import in_parts

_STREAM, _FLIP_STREAM = 2, 3
_NARROWEST = 3 / 4  # width to height; the widest is its inverse
_ATTEMPTS = 10


def draw_crops(smallest: float, side: int, seeds: Seeds) -> NDArray[np.int64]:
    """Draw a crop of a square patch for each sample, as in the training of Inception (Szegedy et al. 2015).

    The share of the area is drawn uniformly, the ratio of the sides uniformly on a logarithmic scale, up to ten times
    until the crop fits; then its place is drawn. If none fits, the crop is the whole patch.

    Args:
        smallest: Smallest share of the area.
        side: Side of the patches in pixels.
        seeds: ``(N,)`` seed of each sample.

    Returns:
        ``(N, 4)``: left, top, right and bottom, in pixels.
    """
    drawn = uniforms(seeds, 2 * _ATTEMPTS + 2, stream=_STREAM)
    area = between(smallest, 1.0, drawn[:, :_ATTEMPTS]) * side**2  # (N, attempts)
    ratio = np.exp(between(math.log(_NARROWEST), -math.log(_NARROWEST), drawn[:, _ATTEMPTS : 2 * _ATTEMPTS]))
    sides = np.rint(np.sqrt(np.stack([area * ratio, area / ratio], axis=2))).astype(np.int64)  # (N, attempts, 2)
    fits = ((sides > 0) & (sides <= side)).all(axis=2)
    first = fits.argmax(axis=1)
    chosen = np.where(fits.any(axis=1)[:, None], sides[np.arange(len(seeds)), first], side)  # (N, 2)
    start = ((side - chosen + 1) * drawn[:, -2:]).astype(np.int64)
    return np.concatenate([start, start + chosen], axis=1)


def draw_flips(chance: float, seeds: Seeds) -> NDArray[np.bool_]:
    """Draw which of the samples are mirrored: ``(N,)``."""
    return np.asarray(uniforms(seeds, 1, stream=_FLIP_STREAM)[:, 0] < chance)


def resized(patch: NDArray[np.uint8], crop: list[int], mirrored: bool) -> NDArray[np.uint8]:
    """Enlarge a crop to the size of its patch bilinearly, with its mask.

    Args:
        patch: ``(S, S, C)``.
        crop: Left, top, right and bottom, in pixels.
        mirrored: Whether left and right are exchanged.

    Returns:
        ``(S, S, C)``; the patch itself if nothing changes.
    """
    left, top, right, bottom = crop
    size = (patch.shape[1], patch.shape[0])
    if (right - left, bottom - top) != size:
        patch = in_parts(patch[top:bottom, left:right], lambda part: cv2.resize(part, size))
    return in_parts(patch, lambda part: cv2.flip(part, 1)) if mirrored else patch
