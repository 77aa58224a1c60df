"""Objectness without masks: square windows of several sizes slide over the image, and the best are kept."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torchvision.ops import nms

from objdisc.datasets.base import ImageDataset
from objdisc.errors import UsageError
from objdisc.imaging.crops import cut
from objdisc.objectness.base import ObjectnessSource
from objdisc.types import Region, Sample

Scorer = Callable[[NDArray[np.uint8]], NDArray[np.floating]]

_SCORER_BATCH = 256  # windows a call: 9 MB of 96-pixel patches, however large the frame


class Windows(ObjectnessSource):
    """Sliding windows, scored by a foreground head if there is one, otherwise by contrast; no masks are needed.

    Windows are ranked by score, thinned by non-maximum suppression, and the best are kept.

    Args:
        scales: Sides of the windows, as fractions of the image's shorter side, each in (0, 1].
        stride: Step, as a fraction of the window's side, in (0, 1]; the last window of a row ends at the border.
        keep: Most windows of an image; None for all.
        threshold: Least foreground probability, 0 to 1; it does not apply to the contrast score, which is not a
            probability.
        max_overlap: Intersection over union above which the lower-scoring of two windows is dropped; 1 keeps all.

    Attributes:
        scorer: Set by the caller: the learned foreground head as a function of ``(n, S, S, 4)`` uint8 patches (mask
            channel 255) that returns ``(n,)`` probabilities in [0, 1].
        scorer_name: Set with ``scorer``: identifies its weights in the key of a ``PatchStore``.
        scorer_size: Side S in pixels of the patches that the scorer takes.
    """

    outlines: ClassVar[bool] = False

    def __init__(
        self,
        scales: Sequence[float] = (0.15, 0.25, 0.4, 0.6),
        stride: float = 0.5,
        keep: int | None = 32,
        threshold: float = 0.5,
        max_overlap: float = 0.3,
    ) -> None:
        if not scales or not all(0 < scale <= 1 for scale in scales):
            raise UsageError(f"scales {tuple(scales)}: give fractions of the image's shorter side, above 0, at most 1.")
        if not 0 < stride <= 1:
            raise UsageError(f"stride {stride}: give a fraction of the window's side, above 0, at most 1.")
        if keep is not None and keep < 1:
            raise UsageError(f"keep {keep}: give at least 1 window an image, or null for all.")
        self.scales = tuple(scales)
        self.stride = stride
        self.keep = keep
        self.threshold = threshold
        self.max_overlap = max_overlap
        self.scorer: Scorer | None = None
        self.scorer_name = ""
        self.scorer_size = 96

    @property
    def in_process(self) -> bool:  # type: ignore[override]
        """True with a scorer: its network stays in the process that holds it."""
        return self.scorer is not None

    def regions(self, dataset: ImageDataset, sample: Sample, image: NDArray[np.uint8]) -> list[Region]:
        """Slide, score and thin, as ``ObjectnessSource`` describes; the best window comes first."""
        windows = sliding_windows((image.shape[0], image.shape[1]), self.scales, self.stride)
        if self.scorer is None:
            scores = contrast(image, windows)
        else:
            scores = self._probabilities(self.scorer, image, windows)
            windows, scores = windows[scores >= self.threshold], scores[scores >= self.threshold]
        corners = np.concatenate([windows[:, :2], windows[:, :2] + windows[:, 2:]], axis=1)
        kept = nms(torch.from_numpy(corners.astype(np.float32)), torch.from_numpy(scores), self.max_overlap)
        regions = []
        for index in kept.tolist()[: self.keep]:
            x, y, side = windows[index].tolist()
            regions.append(Region((x, y, side, side), side * side, score=float(scores[index])))
        return regions

    def fingerprint(self) -> dict[str, Any]:
        """Return the settings and the scorer's name.

        Raises:
            ValueError: There is a scorer without ``scorer_name``, so that two heads would have the same key.
        """
        if self.scorer is not None and not self.scorer_name:
            raise ValueError("set scorer_name together with scorer, so that patches of another head are not reused")
        return {
            "source": "windows",
            "scales": list(self.scales),
            "stride": self.stride,
            "keep": self.keep,
            "threshold": self.threshold,
            "max_overlap": self.max_overlap,
            "scorer": [self.scorer_name, self.scorer_size] if self.scorer else None,
        }

    def _probabilities(
        self, scorer: Scorer, image: NDArray[np.uint8], windows: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        scores = [np.zeros(0, dtype=np.float32)]
        for start in range(0, len(windows), _SCORER_BATCH):
            batch = [
                cut(image, (x, y, side), None, self.scorer_size)
                for x, y, side in windows[start : start + _SCORER_BATCH].tolist()
            ]
            scores.append(np.asarray(scorer(np.stack(batch)), dtype=np.float32))
        return np.concatenate(scores)


def sliding_windows(frame: tuple[int, int], scales: Sequence[float], stride: float) -> NDArray[np.int64]:
    """Lay square windows over a frame; together they cover it at every scale, and none reaches over its border.

    Args:
        frame: ``(H, W)`` in pixels.
        scales: Sides as fractions of the shorter side.
        stride: Largest step as a fraction of the side; steps are made equal so that the last window ends at the border.

    Returns:
        ``(n, 3)`` int64 ``(x, y, side)``: scale by scale, row by row.
    """
    shorter = min(frame)
    windows = [np.zeros((0, 3), dtype=np.int64)]
    for side in dict.fromkeys(max(1, round(scale * shorter)) for scale in scales):
        step = max(1.0, stride * side)
        tops, lefts = (_even_steps(length - side, step) for length in frame)
        grid_y, grid_x = np.meshgrid(tops, lefts, indexing="ij")
        windows.append(np.stack([grid_x.ravel(), grid_y.ravel(), np.full(grid_x.size, side)], axis=1))
    return np.concatenate(windows)


def _even_steps(room: int, step: float) -> NDArray[np.int64]:
    count = int(np.ceil(room / step)) + 1
    return np.rint(np.linspace(0, room, count)).astype(np.int64)


def contrast(image: NDArray[np.uint8], windows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Score windows by how much stronger the gradients are inside than in a ring around, without any learning.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        windows: ``(n, 3)`` int64 ``(x, y, side)``, inside the frame.

    Returns:
        ``(n,)`` float32 in [0, 1]: inside / (inside + ring) of the mean gradient magnitude; 0.5 if both are 0. The ring
            is a quarter of the side wide, and is cut off at the frame.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    magnitude = cv2.magnitude(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))
    table = cv2.integral(magnitude, sdepth=cv2.CV_64F).astype(np.float64, copy=False)
    height, width = grey.shape
    x, y, side = windows.T
    ring = np.maximum(1, side // 4)
    left, top = np.maximum(x - ring, 0), np.maximum(y - ring, 0)
    right, bottom = np.minimum(x + side + ring, width), np.minimum(y + side + ring, height)
    inside = _box_sums(table, x, y, x + side, y + side)
    around = np.maximum(_box_sums(table, left, top, right, bottom) - inside, 0.0)
    inside_mean = inside / (side * side)
    around_mean = around / np.maximum((right - left) * (bottom - top) - side * side, 1)
    total = inside_mean + around_mean
    score = np.divide(inside_mean, total, out=np.full(total.shape, 0.5), where=total > 0)
    return np.asarray(score, dtype=np.float32)


def _box_sums(
    table: NDArray[np.float64],
    left: NDArray[np.int64],
    top: NDArray[np.int64],
    right: NDArray[np.int64],
    bottom: NDArray[np.int64],
) -> NDArray[np.float64]:
    return table[bottom, right] - table[top, right] - table[bottom, left] + table[top, left]
