"""Per-pixel predictions at full size from overlapping tiles, blended strip by strip."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from objdisc.datasets.base import ImageDataset
from objdisc.imaging.crops import Window, cut
from objdisc.inference.edges import follow_edges, within_segments
from objdisc.inference.predict import Predictor
from objdisc.models.encoder import PIXELS_AT_ONCE
from objdisc.objectness.grid import grid_windows
from objdisc.types import Sample, SegmentationMap

SegmentSample = Callable[[ImageDataset, Sample], SegmentationMap]
"""Segments an image of a data set at its full size."""


@dataclass(frozen=True)
class Tiling:
    """How an image is cut for the network.

    Attributes:
        side: Side of a tile in pixels of the image, which is seen at the scale ``size / side``; 0 for the shorter side
            of each image.
        size: Side of a tile in pixels of the network's input.
        overlap: Least overlap of neighbouring tiles, as a share of a tile's side, in [0, 1).
        edge_radius: How far maps are moved to edges of the image, as a share of its shorter side; 0 for not at all.
    """

    side: int
    size: int
    overlap: float = 0.5
    edge_radius: float = 0.0

    def side_of(self, frame: tuple[int, int]) -> int:
        """Return the side of a tile for an image of ``(height, width)`` pixels."""
        return self.side or min(frame)

    def windows(self, frame: tuple[int, int]) -> list[Window]:
        """Return ``(x, y, side)`` of each tile of a frame, row by row."""
        side = self.side_of(frame)
        return grid_windows(frame, side, max(1, int(side * (1 - self.overlap))))


def segment_image(
    ask: Predictor, dataset: ImageDataset, sample: Sample, tiling: Tiling, *, whole_up_to: int = 2**26
) -> SegmentationMap:
    """Predict every pixel of an image.

    Tiles are cut like training crops. Their probabilities are averaged with weights that fall off towards a tile's
    border, where the network has too little context. Memory holds one strip of probabilities, as high as a tile: it
    grows with the image's width and with K, not with its height. If maps follow the edges of the image, it holds the
    probabilities of the whole image instead, at the scale of the network.

    Args:
        ask: The trained method.
        dataset: Where the image is read from.
        sample: The image.
        tiling: How it is cut.
        whole_up_to: Most pixels of an image that is decoded as a whole, not strip by strip; maps of larger ones do not
            follow edges.

    Raises:
        UnreadableImageError: The image cannot be read.
    """
    frame = dataset.image_size(sample)
    whole = dataset.read_image(sample) if frame[0] * frame[1] <= whole_up_to else None
    if whole is not None and tiling.edge_radius:
        return _along_edges(ask, sample.name, whole, tiling)

    def read(top: int, bottom: int) -> NDArray[np.uint8]:
        return dataset.read_window(sample, 0, top, frame[1], bottom - top) if whole is None else whole[top:bottom]

    clusters, confidence = np.empty(frame, np.int16), np.empty(frame, np.float32)
    for first, probabilities in _strips(ask, read, frame, tiling):
        rows = slice(first, first + probabilities.shape[1])
        clusters[rows], confidence[rows] = probabilities.argmax(axis=0), probabilities.max(axis=0)
    return SegmentationMap(sample.name, clusters, confidence)


def _along_edges(ask: Predictor, name: str, image: NDArray[np.uint8], tiling: Tiling) -> SegmentationMap:
    """Predict at the scale of the network, at most that of the image, and upsample the result along edges."""
    frame = image.shape[0], image.shape[1]
    side = tiling.side_of(frame)
    seen_side = min(side, tiling.size)
    height, width = (max(round(length * seen_side / side), 1) for length in frame)
    seen = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    strips = _strips(ask, lambda top, bottom: seen[top:bottom], (height, width), replace(tiling, side=seen_side))
    probabilities = within_segments(np.concatenate([strip for _, strip in strips], axis=1), seen)
    return SegmentationMap(name, *follow_edges(probabilities, image, tiling.edge_radius * min(frame)))


def _strips(
    ask: Predictor, read: Callable[[int, int], NDArray[np.uint8]], frame: tuple[int, int], tiling: Tiling
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield the first row and the probabilities ``(K, n, W)`` of each strip of an image, from the top.

    Args:
        ask: The trained method.
        read: Function that reads the rows of the image from a first row to before a last one.
        frame: Its ``(height, width)`` in pixels.
        tiling: How it is cut.
    """
    side = tiling.side_of(frame)
    strip = _Strip(frame[1], feather(side))
    for y, row in itertools.groupby(tiling.windows(frame), key=lambda window: window[1]):
        top, bottom = max(y, 0), min(y + side, frame[0])
        yield from strip.give_up(top)
        windows = [(x, y - top, side) for x, _, side in row]
        for window, probabilities in _predictions(ask, read(top, bottom), windows, tiling.size):
            strip.add(probabilities, window, bottom - top)
    yield from strip.give_up(frame[0])


def feather(side: int) -> NDArray[np.float32]:
    """Return weights ``(side, side)`` above 0, the product of two slopes that fall from the middle to the borders."""
    place = np.arange(side) + 0.5
    slope = np.minimum(place, side - place) / side
    return np.asarray(np.outer(slope, slope), np.float32)


class _Strip:
    """Weighted sums of probabilities for the rows that later tiles may still cover.

    Args:
        width: Width of the image in pixels.
        weights: ``(side, side)`` of a tile.
    """

    def __init__(self, width: int, weights: NDArray[np.float32]) -> None:
        self._weights = weights
        self._top = 0  # row of the image that the strip begins with
        self._total = np.zeros((len(weights), width), np.float32)
        self._sums: NDArray[np.float32] | None = None  # (K, side, width); K is known with the first tile

    def add(self, probabilities: NDArray[np.float32], window: Window, height: int) -> None:
        """Add a tile's ``(K, side, side)`` probabilities.

        Args:
            probabilities: The network's prediction for it.
            window: ``(x, y, side)`` relative to the strip; it may reach over the image.
            height: Rows of the strip inside the image.
        """
        x, y, side = window
        width = self._total.shape[1]
        rows, columns = slice(max(y, 0), min(y + side, height)), slice(max(x, 0), min(x + side, width))
        inner = slice(rows.start - y, rows.stop - y), slice(columns.start - x, columns.stop - x)
        weights = self._weights[inner]
        if self._sums is None:
            self._sums = np.zeros((len(probabilities), *self._total.shape), np.float32)
        self._sums[:, rows, columns] += probabilities[(slice(None), *inner)] * weights
        self._total[rows, columns] += weights

    def give_up(self, row: int) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield the strip's first row and its mean probabilities ``(K, n, W)`` above ``row``, and drop these rows."""
        count, first = row - self._top, self._top
        if self._sums is None or count == 0:
            return
        done = self._sums[:, :count] / self._total[:count]
        for array in (self._sums, self._total):
            array[..., :-count, :] = array[..., count:, :].copy()
            array[..., -count:, :] = 0
        self._top = row
        yield first, done


def _predictions(
    ask: Predictor, pixels: NDArray[np.uint8], windows: list[Window], size: int
) -> Iterator[tuple[Window, NDArray[np.float32]]]:
    """Yield each window with its probabilities ``(K, side, side)``."""
    at_once = max(PIXELS_AT_ONCE // size**2, 1)
    for start in range(0, len(windows), at_once):
        chunk = windows[start : start + at_once]
        patches = np.stack([cut(pixels, window, None, size) for window in chunk])
        for window, output in zip(chunk, ask.pixels(torch.from_numpy(patches)), strict=True):
            side = window[2]
            enlarged = F.interpolate(output[None], (side, side), mode="bilinear", align_corners=False)[0]
            yield window, enlarged.cpu().numpy()
