"""From an object as a file describes it to pixels of its image; unusable shapes are refused with a reason."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from objdisc.annotations.base import Shape
from objdisc.imaging.masks import decode_crop, encode_crop, run_lengths

Frame = tuple[int, int]

_POINTS = 3  # that a polygon has at least
_SHARES_END = 2.0  # a coordinate above this is no share of a side, however far a box reaches over
_LARGEST = 1e7  # a coordinate beyond this is a mistake, and no integer of the mask library

NOT_A_NUMBER = "a coordinate is missing or no number (left out)"
NO_AREA = "no area (left out)"
OUTSIDE = "outside its image (left out)"
CUT_OFF = "reaches over its image's border (cut off there)"
WRONG_ORDER = "corners in the wrong order (exchanged)"
AS_SHARES = "coordinates from 0 to 1 where pixels are expected (taken as shares of the image)"
AS_PIXELS = "coordinates in pixels where shares are expected (taken as pixels)"
FEW_POINTS = "a polygon of fewer than three points (left out)"
CROSSES_ITSELF = "a polygon that crosses itself (filled as pycocotools does)"
OTHER_SIZE = "run lengths of another size than the image (left out)"
BROKEN_RUNS = "run lengths that cannot be read (left out)"


class BadShape(Exception):
    """A shape cannot be used; the message is one of the reasons above."""


@dataclass(frozen=True, slots=True)
class Placed:
    """An object in pixels.

    Attributes:
        box: ``(x, y, width, height)``, inside the image.
        area: Number of pixels in the mask, or in the box if there is no mask.
        counts: COCO's compressed run lengths; None for a box.
        first: Position of the first pixel in raster order, ``y * W + x``.
        notes: Reasons above for which it was not read as it is written.
    """

    box: tuple[int, int, int, int]
    area: int
    counts: str | None
    first: int
    notes: tuple[str, ...] = ()


def place(shape: Shape, frame: Frame) -> Placed:
    """Turn a shape into pixels.

    Args:
        shape: The shape as its file gives it.
        frame: ``(H, W)`` of its image.

    Raises:
        BadShape: There is no object left; the message says why.
    """
    if shape.kind == "runs":
        return _from_runs(shape.values, frame)
    return _from_box(shape, frame) if shape.kind == "box" else _from_polygons(shape, frame)


def _numbers(values: Sequence[Any]) -> NDArray[np.float64]:
    try:
        numbers = np.array(values, np.float64)
    except (TypeError, ValueError) as error:
        raise BadShape(NOT_A_NUMBER) from error
    if not np.isfinite(numbers).all() or np.abs(numbers).max(initial=0) > _LARGEST:
        raise BadShape(NOT_A_NUMBER)
    return numbers


def _unit(shape: Shape, largest: float) -> tuple[bool, tuple[str, ...]]:
    """Say whether coordinates are shares of the image's sides, and whether that contradicts the format."""
    if shape.shares:
        return (True, ()) if largest <= _SHARES_END else (False, (AS_PIXELS,))
    return (True, (AS_SHARES,)) if largest <= 1 else (False, ())


def _from_box(shape: Shape, frame: Frame) -> Placed:
    if len(shape.values) != 4:
        raise BadShape(NOT_A_NUMBER)
    left, top, right, bottom = _numbers(shape.values).tolist()
    if left == right or top == bottom:
        raise BadShape(NO_AREA)
    shares, notes = _unit(shape, max(map(abs, (left, top, right, bottom))))
    if right < left or bottom < top:
        notes = (*notes, WRONG_ORDER)
    height, width = frame
    across, down = (width, height) if shares else (1, 1)
    x0, x1 = _pixels(left * across, right * across)
    y0, y1 = _pixels(top * down, bottom * down)
    if x0 >= width or y0 >= height or x1 <= 0 or y1 <= 0:
        raise BadShape(OUTSIDE)
    if x0 < 0 or y0 < 0 or x1 > width or y1 > height:
        notes = (*notes, CUT_OFF)
    x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, width), min(y1, height)
    return Placed((x0, y0, x1 - x0, y1 - y0), (x1 - x0) * (y1 - y0), None, y0 * width + x0, notes)


def _pixels(one: float, other: float) -> tuple[int, int]:
    """Round two edges, in any order, to whole pixels with at least one between them."""
    start = math.floor(min(one, other) + 0.5)
    return start, max(math.floor(max(one, other) + 0.5), start + 1)


def _from_polygons(shape: Shape, frame: Frame) -> Placed:
    rings = [_numbers(ring) for ring in shape.values if isinstance(ring, list | tuple)]
    whole = [ring for ring in rings if ring.ndim == 1 and ring.size % 2 == 0 and ring.size >= 2 * _POINTS]
    if not whole:
        raise BadShape(FEW_POINTS if shape.values else NO_AREA)
    shares, notes = _unit(shape, max(float(np.abs(ring).max()) for ring in whole))
    height, width = frame
    across, down = (width, height) if shares else (1, 1)
    whole = [(ring.reshape(-1, 2) * (across, down)) for ring in whole]
    if len(whole) < len(shape.values):
        notes = (*notes, FEW_POINTS)
    points = np.concatenate(whole)
    if (points.min(axis=0) >= (width, height)).any() or (points.max(axis=0) <= 0).any():
        raise BadShape(OUTSIDE)
    cut_off = (points.min(axis=0) < -1).any() or (points.max(axis=0) > (width + 1, height + 1)).any()
    runs = coco_mask.frPyObjects([ring.ravel().tolist() for ring in whole], height, width)
    areas = coco_mask.area(runs)
    if not cut_off and any(_crosses_itself(ring, int(area)) for ring, area in zip(whole, areas, strict=True)):
        notes = (*notes, CROSSES_ITSELF)
    notes = (*notes, CUT_OFF) if cut_off else notes
    return _placed(coco_mask.merge(runs) if len(runs) > 1 else runs[0], frame, notes)


def _crosses_itself(ring: NDArray[np.float64], area: int) -> bool:
    """Whether parts of a ring turn in opposite directions: its signed area is then less than the pixels that it fills.

    Rasterising alone makes the two differ by no more than the pixels along the ring.
    """
    following = np.roll(ring, -1, axis=0)
    signed = abs(float((ring[:, 0] * following[:, 1] - following[:, 0] * ring[:, 1]).sum())) / 2
    around = float(np.hypot(*(following - ring).T).sum())
    return area - signed > around + 1


def _placed(runs: dict[str, Any], frame: Frame, notes: tuple[str, ...]) -> Placed:
    """Place a mask that pycocotools has made."""
    area = int(coco_mask.area(runs))
    if not area:
        raise BadShape(NO_AREA)
    x, y, width, height = (int(value) for value in coco_mask.toBbox(runs))
    counts = runs["counts"].decode("ascii")
    crop = decode_crop({"size": list(frame), "counts": counts}, (x, y, width, height))
    return Placed((x, y, width, height), area, counts, y * frame[1] + x + int(crop[0].argmax()), notes)


def _from_runs(values: list[Any], frame: Frame) -> Placed:
    height, width, counts = values
    if (height, width) != frame:
        raise BadShape(OTHER_SIZE)
    try:
        lengths = run_lengths(counts) if isinstance(counts, str) else np.array(counts, np.int64)
    except (ValueError, IndexError, TypeError, UnicodeEncodeError) as error:
        raise BadShape(BROKEN_RUNS) from error
    if lengths.ndim != 1 or (lengths < 0).any() or int(lengths.sum()) != height * width:
        raise BadShape(BROKEN_RUNS)
    ends = lengths.cumsum()
    starts, stops = ends[0::2][: len(lengths) // 2], ends[1::2]
    filled = stops > starts
    starts, stops = starts[filled], stops[filled]
    if not starts.size:
        raise BadShape(NO_AREA)
    box = _box_of_runs(starts, stops, height)
    crop = _crop_of_runs(starts, stops, box, height)
    # Written anew: the same mask has the same text, whatever empty runs another program leaves in it
    text = encode_crop(crop, box[:2], frame)["counts"]
    return Placed(box, int((stops - starts).sum()), text, box[1] * width + box[0] + int(crop[0].argmax()))


def _box_of_runs(starts: NDArray[np.int64], stops: NDArray[np.int64], height: int) -> tuple[int, int, int, int]:
    """Return ``(x, y, width, height)`` of runs ``[start, stop)`` in column-major order."""
    left, right = int(starts[0]) // height, (int(stops[-1]) - 1) // height
    spans = (starts // height != (stops - 1) // height).any()
    top, bottom = (0, height - 1) if spans else (int((starts % height).min()), int(((stops - 1) % height).max()))
    return left, top, right + 1 - left, bottom + 1 - top


def _crop_of_runs(
    starts: NDArray[np.int64], stops: NDArray[np.int64], box: tuple[int, int, int, int], frame_height: int
) -> NDArray[np.bool_]:
    """Paint runs into the ``(height, width)`` of their box."""
    x, y, width, height = box
    steps = np.zeros(width * frame_height + 1, np.int8)
    steps[starts - x * frame_height] += 1
    steps[stops - x * frame_height] -= 1
    inside = steps[:-1].cumsum(dtype=np.int8).astype(np.bool_)
    return np.ascontiguousarray(inside.reshape(width, frame_height)[:, y : y + height].T)
