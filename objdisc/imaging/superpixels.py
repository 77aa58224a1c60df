"""Superpixels: small even parts of an image, which of them touch, and the mean of a map over each."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from skimage.segmentation import slic

_COMPACTNESS = 15.0  # SLIC's balance of nearness against colour (CIELAB)


@dataclass(frozen=True, slots=True)
class Borders:
    """Which superpixels touch, and along how many pairs of neighbouring pixels.

    Attributes:
        pairs: ``(E, 2)`` int64 numbers of superpixels, each pair once, the smaller number first; sorted.
        lengths: ``(E,)`` float64 number of neighbouring pixel pairs, horizontal or vertical, across the border.
        strengths: ``(E,)`` float64 mean over these pairs of the larger edge strength of the two pixels.
    """

    pairs: NDArray[np.int64]
    lengths: NDArray[np.float64]
    strengths: NDArray[np.float64]


def superpixels(image: NDArray[np.uint8], count: int) -> NDArray[np.int64]:
    """Cut an image into connected superpixels by SLIC (Achanta et al., PAMI 2012).

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        count: Approximate number of superpixels; an image has at most one per pixel.

    Returns:
        ``(H, W)`` int64 numbers 0 to n - 1, each of which occurs.
    """
    found = slic(image, n_segments=count, compactness=_COMPACTNESS, start_label=0, enforce_connectivity=True)
    return np.unique(found, return_inverse=True)[1].reshape(found.shape).astype(np.int64)


def borders(labels: NDArray[np.int64], edges: NDArray[np.floating]) -> Borders:
    """Find which superpixels touch.

    Args:
        labels: ``(H, W)`` numbers 0 to n - 1.
        edges: ``(H, W)`` edge strength of the image at each pixel.
    """
    sides = (
        (labels[:, :-1], labels[:, 1:], np.maximum(edges[:, :-1], edges[:, 1:])),
        (labels[:-1], labels[1:], np.maximum(edges[:-1], edges[1:])),
    )
    count = int(labels.max()) + 1
    keys = np.concatenate([(np.minimum(a, b) * count + np.maximum(a, b)).ravel() for a, b, _ in sides])
    strengths = np.concatenate([strength.ravel() for _, _, strength in sides])
    apart = np.concatenate([(a != b).ravel() for a, b, _ in sides])
    found, inverse, lengths = np.unique(keys[apart], return_inverse=True, return_counts=True)
    sums = np.bincount(inverse, strengths[apart], minlength=len(found))
    return Borders(np.stack(np.divmod(found, count), axis=1), lengths.astype(np.float64), sums / lengths)


def mean_of_map(labels: NDArray[np.int64], values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Average a map over each superpixel, as if it were first resized bilinearly to the labels' size.

    Args:
        labels: ``(H, W)`` numbers 0 to n - 1.
        values: ``(C, h, w)`` of any size.

    Returns:
        ``(n, C)`` float32.
    """
    channels, height, width = values.shape
    rows, columns = _neighbors(labels.shape[0], height), _neighbors(labels.shape[1], width)
    flat, count = labels.ravel(), int(labels.max()) + 1
    total = sparse.csr_matrix((count, height * width), dtype=np.float32)
    for row, row_weight in rows:
        for column, column_weight in columns:
            cells = (row[:, None] * width + column).ravel()
            weights = (row_weight[:, None] * column_weight).ravel()
            total += sparse.csr_matrix((weights, (flat, cells)), shape=total.shape, dtype=np.float32)
    means = total @ values.reshape(channels, -1).T
    return np.asarray(means / np.bincount(flat, minlength=count)[:, None], np.float32)


def _neighbors(length: int, cells: int) -> list[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Return, for each of ``length`` pixels, the cells before and after its centre, and their weights."""
    place = np.clip((np.arange(length) + 0.5) * cells / length - 0.5, 0, cells - 1)
    before = np.floor(place).astype(np.int64)
    share = (place - before).astype(np.float32)
    return [(before, 1 - share), (np.minimum(before + 1, cells - 1), share)]
