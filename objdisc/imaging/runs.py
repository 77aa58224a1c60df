"""Instances as vertical runs of pixels, from which run-length masks are made without painting each as a map."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class InstanceRuns:
    """The m instances of one image, without their ids.

    Attributes:
        frame: ``(H, W)`` of the image in pixels.
        boxes: ``(x, y, width, height)`` of each instance.
        areas: Pixels of each instance.
        crops: ``(height, width)`` bool of each, the mask inside its box.
        starts: ``(n,)`` first pixel of each run in column-major order, instance by instance; no run leaves its column.
        stops: ``(n,)`` one past its last pixel.
        ends: ``(m + 1,)``: the runs of instance i are those from ``ends[i]`` up to ``ends[i + 1]``.
        order: The instances in the raster order of their first pixel.
    """

    frame: tuple[int, int]
    boxes: list[tuple[int, int, int, int]]
    areas: list[int]
    crops: list[NDArray[np.bool_]]
    starts: NDArray[np.int64]
    stops: NDArray[np.int64]
    ends: NDArray[np.int64]
    order: list[int]


def find_runs(ids: NDArray[np.integer], wanted: NDArray[np.bool_] | None = None) -> InstanceRuns:
    """Find the runs of every instance in a map.

    Args:
        ids: ``(H, W)`` integers of at least 0.
        wanted: ``wanted[id]`` says for every id whether it is an instance, False for 0. None takes all but 0.

    Returns:
        The instances by rising id.
    """
    frame = (ids.shape[0], ids.shape[1])
    lowest = 1 if wanted is None else int(wanted.argmax())
    x, y, width, height = cv2.boundingRect((ids >= lowest).view(np.uint8))
    # One pass for all instances: runs of equal ids, column by column. A zero before all of them and one below each
    # column let every run start and end in its own column.
    part = ids[y : y + height, x : x + width]
    padded = np.zeros(1 + width * (height + 1), dtype=ids.dtype)
    if width:
        # Transposed blockwise: faster than numpy's strided copy
        padded[1:].reshape(width, height + 1)[:, :-1] = cv2.transpose(part)
    heads = np.flatnonzero(padded[1:] != padded[:-1])
    values = padded[heads + 1]
    chosen = np.flatnonzero(values if wanted is None else wanted[values])
    if not chosen.size:
        none = np.zeros(0, np.int64)
        return InstanceRuns(frame, [], [], [], none, none, np.zeros(1, np.int64), [])
    chosen = chosen[np.argsort(values[chosen], kind="stable")]
    values, first = values[chosen], heads[chosen]
    lengths = heads[chosen + 1] - first  # the zero below its column gives every instance's run a successor
    column, top = np.divmod(first, height + 1)
    bottom = top + lengths
    begins = np.concatenate([[0], np.flatnonzero(values[1:] != values[:-1]) + 1])
    ends = np.append(begins, values.size)
    left, right = column[begins].tolist(), column[ends[1:] - 1].tolist()
    corner = np.minimum.reduceat(top * width + column, begins)  # of each instance, in raster order inside the part
    lowest_row = np.maximum.reduceat(bottom, begins).tolist()
    boxes, crops = [], []
    for value, x0, x1, y0, y1 in zip(
        values[begins].tolist(), left, right, (corner // width).tolist(), lowest_row, strict=True
    ):
        boxes.append((x + x0, y + y0, x1 + 1 - x0, y1 - y0))
        crops.append(part[y0:y1, x0 : x1 + 1] == value)
    areas = np.add.reduceat(lengths, begins).tolist()
    starts = (x + column) * frame[0] + (y + top)
    return InstanceRuns(frame, boxes, areas, crops, starts, starts + lengths, ends, np.argsort(corner).tolist())
